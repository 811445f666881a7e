//! Photos as capture: a snapshot camera or a photo terminal sends one picture of a person, and that is a passage by
//! itself. What becomes of each photo, and who has just been reported.

use bytes::Bytes;

use super::explain::Reason;
use super::face::Embedding;
use super::limits;
use super::status::StatusCode;

/// Whether a JPEG has its end: of one whose transfer broke off decoders show what there is, and grey below. What is no JPEG
/// is left to its decoder.
pub fn is_whole(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return true;
    }
    // Header segments are stepped over: a thumbnail inside one has an end of its own.
    let mut at = 2;
    while let Some([0xff, kind]) = bytes.get(at..at + 2) {
        let Some([high, low]) = bytes.get(at + 2..at + 4) else { return false };
        if *kind == 0xda {
            return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // Bytes may fill the gap before a segment.
        let segment = 2 + usize::from(u16::from_be_bytes([*high, *low]));
        at += if *kind == 0xff { 1 } else { segment };
    }
    // Not built as usual: the decoder decides, where there are bytes left.
    bytes.len() >= at + 2
}

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// Windows bitmap.
    Bmp,
    /// HEIF with H.265, as phones save it; it is known, and not decoded.
    Heic,
}

impl PictureKind {
    /// By the first bytes; names and labels say nothing.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        const HEIC_BRANDS: [&[u8]; 8] =
            [b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"];
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            // Size of the file, four bytes that are 0, and where its pixels begin.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, _, _, 0, 0, ..] => Some(Self::Bmp),
            [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => {
                HEIC_BRANDS.iter().any(|known| brand.starts_with(known)).then_some(Self::Heic)
            }
            _ => None,
        }
    }

    /// Whether the file ends where such a picture ends; of one that breaks off the end is missing. Bytes behind the end are allowed.
    pub fn has_end(self, bytes: &[u8]) -> bool {
        const NEAR_END: usize = 64;
        let end = &bytes[bytes.len().saturating_sub(NEAR_END)..];
        let ends_with = |mark: &[u8]| end.windows(mark.len()).any(|window| window == mark);
        let size_at = |at: usize| {
            let size = bytes.get(at..at + 4).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes);
            size.is_some_and(|size| bytes.len() as u64 >= u64::from(size))
        };
        match self {
            Self::Jpeg => ends_with(&[0xff, 0xd9]),
            Self::Png => ends_with(b"IEND"),
            // The size of what follows it.
            Self::WebP => size_at(4),
            Self::Bmp => size_at(2),
            Self::Heic => true,
        }
    }
}

/// What a device's form says one of its pictures is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PictureRole {
    /// The face that was seen, cut out by the device.
    Face,
    /// Nothing is said of it.
    Unnamed,
    /// The scene around the face.
    Background,
}

/// One picture a device sent of a passage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePicture {
    /// What the device says of it.
    pub role: PictureRole,
    /// The file as it came.
    pub bytes: Bytes,
}

impl DevicePicture {
    /// The only picture of a passage.
    pub fn only(bytes: Bytes) -> Vec<Self> {
        vec![Self { role: PictureRole::Unnamed, bytes }]
    }
}

/// What became of a photo, or of one face in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotoResult {
    /// An event of a known person.
    Recognised,
    /// An event of a stranger.
    Stranger,
    /// An event of a face that failed the liveness check, where the device asks for it.
    NotLive,
    /// A stranger, and strangers make no events here (`passages.strangers`).
    StrangerNotKept,
    /// Reported a moment ago.
    Duplicate,
    /// There is no face in the photo.
    NoFace,
    /// A face that is not good enough, or nothing to report.
    Unfit(Reason),
    /// No picture, or a broken one.
    Undecodable,
    /// The file, or the picture it decodes to, is too large.
    TooLarge,
    /// Broke off, or came too slowly.
    Interrupted,
    /// Not taken: too many wait.
    QueueFull,
    /// Not taken: the device sends more than it may.
    RateLimited,
    /// Not taken, or not finished: the box stops, or its models failed.
    Failed,
}

impl PhotoResult {
    /// Label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recognised => "recognised",
            Self::Stranger => "stranger",
            Self::NotLive => "not_live",
            Self::StrangerNotKept => "stranger_not_kept",
            Self::Duplicate => "duplicate",
            Self::NoFace => "no_face",
            Self::Unfit(reason) => reason.name(),
            Self::Undecodable => "undecodable",
            Self::TooLarge => "too_large",
            Self::Interrupted => "interrupted",
            Self::QueueFull => "queue_full",
            Self::RateLimited => "rate_limited",
            Self::Failed => "failed",
        }
    }

    /// A photo with several faces is counted as the one that says most.
    pub fn weight(self) -> u8 {
        match self {
            Self::Recognised => 6,
            Self::Stranger | Self::NotLive => 5,
            Self::StrangerNotKept => 4,
            Self::Duplicate => 3,
            Self::Unfit(_) => 2,
            Self::NoFace => 1,
            Self::Undecodable
            | Self::TooLarge
            | Self::Interrupted
            | Self::QueueFull
            | Self::RateLimited
            | Self::Failed => 0,
        }
    }

    /// Whether sending the same photo again can end otherwise.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Interrupted | Self::QueueFull | Self::RateLimited | Self::Failed)
    }

    /// The photo's refusal as the box counts it.
    pub fn of_code(code: StatusCode) -> Self {
        match code {
            StatusCode::NoFace => Self::NoFace,
            StatusCode::ImageTooLarge | StatusCode::PayloadTooLarge => Self::TooLarge,
            StatusCode::ServerProcessFailed => Self::Failed,
            StatusCode::BadRequest => Self::Interrupted,
            _ => Self::Undecodable,
        }
    }

    /// For a caller who waits: the protocol's code, where the photo made no event.
    pub fn code(self) -> Option<StatusCode> {
        match self {
            Self::Recognised | Self::Stranger | Self::NotLive | Self::StrangerNotKept | Self::Duplicate => {
                None
            }
            Self::NoFace => Some(StatusCode::NoFace),
            Self::Unfit(Reason::TooSmall) => Some(StatusCode::FaceTooSmall),
            Self::Unfit(_) => Some(StatusCode::LowQuality),
            Self::Undecodable => Some(StatusCode::ImageError),
            Self::TooLarge => Some(StatusCode::ImageTooLarge),
            Self::Interrupted => Some(StatusCode::BadRequest),
            Self::QueueFull | Self::RateLimited | Self::Failed => Some(StatusCode::ServerProcessFailed),
        }
    }
}

/// A person a device has reported.
#[derive(Debug, Clone)]
struct Reported {
    /// `None`: a stranger.
    id: Option<String>,
    looks: Embedding,
    at_ms: u64,
    /// When its newest photo was taken.
    last_ms: u64,
    /// That photo was looked at too late for a door to act.
    missed_door: bool,
}

/// What a device has said of a person before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing a moment ago.
    No,
    /// They were reported a moment ago, and a door had its chance.
    Reported,
    /// They were reported a moment ago, but too late for a door.
    MissedDoor,
}

/// The people a device has reported in the last seconds.
#[derive(Debug, Clone, Default)]
pub struct RecentlyReported(Vec<Reported>);

impl RecentlyReported {
    /// Whether this person was already reported within `window_ms`; when not, it is noted. `now_ms` is when the photo came. A known person is the same by id,
    /// a stranger by similarity to any reported face (`similarity_same`, cosine): a poor photo of a known person is no
    /// stranger.
    pub fn repeat(
        &mut self,
        id: Option<&str>,
        looks: &Embedding,
        now_ms: u64,
        window_ms: u64,
        similarity_same: f32,
    ) -> Repeat {
        self.0.retain(|reported| now_ms.saturating_sub(reported.at_ms) < window_ms);
        let is_same = |reported: &Reported| match id {
            Some(id) => reported.id.as_deref() == Some(id),
            // Two faces in one photo are two people.
            None if reported.at_ms >= now_ms => false,
            None => reported.looks.similarity(looks).is_some_and(|similarity| similarity >= similarity_same),
        };
        if let Some(reported) = self.0.iter_mut().find(|reported| is_same(reported)) {
            reported.last_ms = now_ms;
            let missed = std::mem::take(&mut reported.missed_door);
            return if missed { Repeat::MissedDoor } else { Repeat::Reported };
        }
        if window_ms > 0 {
            if self.0.len() >= limits::PHOTO_REPORTED_KEPT {
                self.0.remove(0);
            }
            self.0.push(Reported {
                id: id.map(str::to_owned),
                looks: looks.clone(),
                at_ms: now_ms,
                last_ms: now_ms,
                missed_door: false,
            });
        }
        Repeat::No
    }

    /// The photo that came at `taken_ms` was looked at too late for a door: the next one of the same people is not too many.
    pub fn missed_door(&mut self, taken_ms: u64) {
        for reported in self.0.iter_mut().filter(|reported| reported.last_ms == taken_ms) {
            reported.missed_door = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_breaks_off_has_no_end() {
        let jpeg = [&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 500], &[0xff, 0xd9], &[0; 20]].concat();
        let png = [&b"\x89PNG\r\n\x1a\n"[..], &[7; 500], b"\0\0\0\0IEND\xae\x42\x60\x82"].concat();
        let webp = [&b"RIFF"[..], &504u32.to_le_bytes(), b"WEBP", &[7; 500]].concat();
        let bmp = [&b"BM"[..], &540u32.to_le_bytes(), &[0; 4], &[54, 0, 0, 0], &[7; 526]].concat();
        for (whole, kind) in [
            (jpeg, PictureKind::Jpeg),
            (png, PictureKind::Png),
            (webp, PictureKind::WebP),
            (bmp, PictureKind::Bmp),
        ] {
            assert_eq!(PictureKind::of(&whole), Some(kind));
            assert!(kind.has_end(&whole), "{kind:?}");
            for cut in [0, 4, 12, whole.len() / 2, whole.len() * 9 / 10] {
                assert!(!kind.has_end(&whole[..cut]), "{kind:?} {cut}");
            }
        }
    }

    fn at(degrees: f32) -> Embedding {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Embedding { model: "m@1".into(), vector: vec![cos, sin], norm: 1.0 }
    }

    #[test]
    fn one_event_a_person_and_window() {
        let mut reported = RecentlyReported::default();
        let mut repeats = |id: Option<&str>, degrees: f32, now_ms: u64| {
            reported.repeat(id, &at(degrees), now_ms, 6000, 0.5) != Repeat::No
        };
        assert!(!repeats(Some("a"), 0.0, 0));
        assert!(repeats(Some("a"), 80.0, 5999), "by id, whatever it looks like");
        assert!(!repeats(Some("b"), 10.0, 1000), "another person, however alike");
        assert!(repeats(None, 20.0, 2000), "a poor photo of a person just reported");
        assert!(!repeats(None, 120.0, 3000), "a stranger");
        assert!(repeats(None, 130.0, 4000));
        assert!(!repeats(None, 240.0, 4000) && !repeats(None, 240.0, 4000), "two in one photo");
        assert!(!repeats(Some("c"), 120.0, 4000), "known now, a stranger a moment ago");
        assert!(!repeats(Some("a"), 0.0, 6000), "the window counts from the event, not from the last photo");
    }

    #[test]
    fn no_window_tells_everything_and_memory_is_bounded() {
        let mut reported = RecentlyReported::default();
        for now_ms in 0..3 {
            assert_eq!(reported.repeat(Some("a"), &at(0.0), now_ms, 0, 0.5), Repeat::No);
        }
        for person in 0..1000 {
            reported.repeat(Some(&person.to_string()), &at(0.0), 0, 6000, 0.5);
        }
        assert!(reported.0.len() <= limits::PHOTO_REPORTED_KEPT);
    }

    #[test]
    fn who_was_too_late_for_the_door_may_try_again() {
        let mut reported = RecentlyReported::default();
        let mut of = |id, now_ms| reported.repeat(Some(id), &at(0.0), now_ms, 6000, 0.5);
        assert_eq!((of("a", 0), of("b", 500)), (Repeat::No, Repeat::No));
        reported.missed_door(0);
        let mut of = |id, now_ms| reported.repeat(Some(id), &at(0.0), now_ms, 6000, 0.5);
        assert_eq!((of("a", 3000), of("b", 3000)), (Repeat::MissedDoor, Repeat::Reported));
        assert_eq!(of("a", 3500), Repeat::Reported, "once");
        reported.missed_door(3500);
        let mut of = |id, now_ms| reported.repeat(Some(id), &at(0.0), now_ms, 6000, 0.5);
        assert_eq!(of("a", 4000), Repeat::MissedDoor, "late again");
    }

    #[test]
    fn a_jpeg_that_broke_off_is_not_whole() {
        // Start; a segment of eight bytes with an end inside; the scan; the end.
        let whole = [
            0xff, 0xd8, 0xff, 0xe1, 0, 8, 0xff, 0xd8, 1, 2, 0xff, 0xd9, 0xff, 0xda, 0, 3, 7, 1, 2, 3, 0xff,
            0, 4, 0xff, 0xd9,
        ];
        assert!(is_whole(&whole) && is_whole(b"hello") && is_whole(b""));
        for part in 2..whole.len() - 1 {
            assert!(!is_whole(&whole[..part]), "{part} bytes");
        }
        let padded = [&whole[..], &[0; 100]].concat();
        assert!(is_whole(&padded), "cameras write things behind the end");
    }

    #[test]
    fn results_have_names_of_their_own() {
        let all = [
            PhotoResult::Recognised,
            PhotoResult::Stranger,
            PhotoResult::StrangerNotKept,
            PhotoResult::Duplicate,
            PhotoResult::NoFace,
            PhotoResult::Undecodable,
            PhotoResult::TooLarge,
            PhotoResult::Interrupted,
            PhotoResult::QueueFull,
            PhotoResult::RateLimited,
            PhotoResult::Failed,
        ];
        let mut names: Vec<_> = all.iter().map(|result| result.name()).collect();
        // Not alive and reported, or not: one name.
        let unfit = Reason::ALL.into_iter().filter(|reason| *reason != Reason::NotLive);
        names.extend(unfit.map(|reason| PhotoResult::Unfit(reason).name()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(all.iter().all(|result| !result.is_passing() || result.code().is_some()));
    }
}
