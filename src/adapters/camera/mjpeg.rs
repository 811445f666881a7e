//! Moving pictures over HTTP (MJPEG): one JPEG after the other in an answer that never ends.
//!
//! Where one begins and ends is read from the pictures themselves: boundaries, labels and lengths around them are written in
//! too many ways, and often wrongly. A picture is decoded only when it is wanted.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};

use super::http_camera::{Camera, HttpStream, Patience, broke_off, failed, no_picture};
use super::pace::Pace;
use super::snapshot::decode;
use crate::ports::camera::{FailureKind, FrameSink, NoticeSink, OpenError, StreamFailure, StreamNotice};
use menshen_domain::frame::Frame;
use menshen_domain::limits;

/// Pictures in a row that cannot be decoded before the stream counts as broken.
const FAILURES_MAX: u32 = 20;
/// Bytes before the first picture: a page is longer than the head of a part.
const BEFORE_PICTURE_MAX: usize = 64 * 1024;
/// As in the template.
const FPS_DEFAULT: f64 = 15.0;
const START: [u8; 3] = [0xff, 0xd8, 0xff];

/// `values` are those of a template: `url`, `tls_check` and `max_fps`.
pub fn start(
    values: &BTreeMap<String, String>,
    frames: FrameSink,
    notices: NoticeSink,
) -> Result<HttpStream, OpenError> {
    let wrong = |reason: &str| OpenError::Start(reason.to_owned());
    let url = values.get("url").map(String::as_str).unwrap_or_default();
    let checks_tls = values.get("tls_check").is_none_or(|text| text == "true");
    let camera =
        Camera::new(url, Patience::Silence, checks_tls).map_err(|error| wrong(&error.to_string()))?;
    let max_fps = values.get("max_fps").and_then(|text| text.parse().ok()).unwrap_or(FPS_DEFAULT);
    let noted = NoticeSink::clone(&notices);
    HttpStream::start("mjpeg", notices, async move || watch(camera, max_fps, frames, noted).await)
}

/// Ends with the reason when the camera gives no pictures.
async fn watch(mut camera: Camera, max_fps: f64, frames: FrameSink, notices: NoticeSink) -> StreamFailure {
    let mut response = match camera.ask().await {
        Ok(response) => response,
        Err(failure) => return failure,
    };
    let mut splitter = Splitter::default();
    let mut pace = Pace::new(max_fps, Instant::now());
    let (mut sequence, mut failures) = (0, 0);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => splitter.buffer.extend_from_slice(&chunk),
            Ok(None) if sequence == 0 => return no_picture(&splitter.buffer),
            Ok(None) => return failed(FailureKind::Unreachable, "the camera ended the stream"),
            Err(error) => return broke_off(error),
        }
        while let Some(picture) = splitter.next_picture() {
            if !pace.is_due(Instant::now()) {
                continue;
            }
            match decode(&picture) {
                Ok(frame) => {
                    if sequence == 0 {
                        let (codec, decoder) = ("jpeg".to_owned(), "zune-jpeg".to_owned());
                        notices(StreamNotice::Decoding { codec, decoder });
                    }
                    (sequence, failures) = (sequence + 1, 0);
                    frames(Frame { sequence, ..frame });
                }
                Err(failure) => {
                    failures += 1;
                    if failures >= FAILURES_MAX {
                        return failure;
                    }
                }
            }
            // Decoding holds this thread; the order to stop must get through.
            tokio::task::yield_now().await;
        }
        if splitter.buffer.len() > limits::PHOTO_BYTES_MAX {
            return failed(FailureKind::Codec, "a picture of the stream has no end");
        }
        if sequence == 0 && splitter.skipped > BEFORE_PICTURE_MAX {
            return no_picture(&splitter.first);
        }
    }
}

/// Finds pictures in a stream of bytes.
#[derive(Default)]
struct Splitter {
    buffer: BytesMut,
    /// Where to go on looking for the end of the picture at the beginning.
    looked: usize,
    /// Bytes outside pictures so far, and the first of them.
    skipped: usize,
    first: Vec<u8>,
}

impl Splitter {
    fn next_picture(&mut self) -> Option<Bytes> {
        if self.looked == 0 {
            let start = self.buffer.windows(START.len()).position(|bytes| bytes == START);
            let skip = start.unwrap_or(self.buffer.len().saturating_sub(START.len() - 1));
            if self.skipped == 0 {
                self.first.extend_from_slice(&self.buffer[..skip.min(PAGE_BYTES)]);
            }
            self.skipped += skip;
            self.buffer.advance(skip);
            start?;
        }
        let end = match jpeg_end(&self.buffer, self.looked) {
            Ok(end) => end,
            Err(looked) => {
                self.looked = looked;
                return None;
            }
        };
        self.looked = 0;
        Some(self.buffer.split_to(end).freeze())
    }
}

/// Of what is no picture only the beginning is looked at.
const PAGE_BYTES: usize = 512;

/// Where a JPEG ends: behind its end marker, or where the next one begins. `Err`: where to go on when there is more.
fn jpeg_end(bytes: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from.max(2);
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) {
        at += offset;
        let Some(kind) = bytes.get(at + 1) else { return Err(at) };
        match kind {
            0xd9 => return Ok(at + 2),
            // The next one: this one broke off.
            0xd8 => return Ok(at),
            // Segments are stepped over: a thumbnail inside one has an end of its own.
            0xc0..=0xcf | 0xda..=0xfe => {
                let Some([high, low]) = bytes.get(at + 2..at + 4) else { return Err(at) };
                let next = at + 2 + usize::from(u16::from_be_bytes([*high, *low]));
                if next > bytes.len() {
                    return Err(at);
                }
                at = next;
            }
            _ => at += 1,
        }
    }
    Err(bytes.len().max(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(quality: u8) -> Vec<u8> {
        let picture =
            image::RgbImage::from_fn(160, 120, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
        let mut out = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality).encode_image(&picture).unwrap();
        out
    }

    fn pictures(bytes: &[u8], piece: usize) -> Vec<Bytes> {
        let mut splitter = Splitter::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(piece) {
            splitter.buffer.extend_from_slice(piece);
            out.extend(std::iter::from_fn(|| splitter.next_picture()));
        }
        out
    }

    #[test]
    fn pictures_are_found_however_they_are_wrapped() {
        let whole = jpeg(80);
        let length = whole.len();
        for (before, after) in [
            ("--frame\r\nContent-Type: image/jpeg\r\n\r\n".to_owned(), "\r\n"),
            ("--frame\r\nContent-Type: text/plain\r\nno name\r\n: x\r\n\r\n".to_owned(), "\r\n"),
            (format!("--frame\nContent-Length: {}\n\n", length + 100), "\n"),
            ("Content-Type: image/jpeg\r\n\r\n".to_owned(), "\r\n--frame\r\n"),
            (String::new(), ""),
            (String::new(), "dhav\u{1}\u{2}"),
        ] {
            let part = [before.as_bytes(), &whole, after.as_bytes()].concat();
            let stream = part.repeat(4);
            for piece in [1, 100, 1460, stream.len()] {
                let found = pictures(&stream, piece);
                assert_eq!(found.len(), 4, "{before:?} in pieces of {piece}");
                assert!(found.iter().all(|picture| picture[..] == whole[..]));
            }
        }
    }

    #[test]
    fn a_picture_without_an_end_ends_where_the_next_begins() {
        let whole = jpeg(70);
        for (cut, separator) in
            [(2, &b""[..]), (2, b"\r\n--frame\r\n\r\n"), (whole.len() / 2, b"\r\n--x\r\n")]
        {
            let part = [&whole[..whole.len() - cut], separator].concat();
            let found = pictures(&part.repeat(4), 1000);
            assert_eq!(found.len(), 3, "{cut}");
            let is_whole = cut == 2 && separator.is_empty();
            assert_eq!(decode(&found[0]).is_ok(), is_whole || cut == 2, "{cut} {separator:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_upsets_the_splitter(bytes in proptest::collection::vec(proptest::sample::select(vec![0u8, 1, 0xff, 0xd8, 0xd9, 0xda, 0xe0, 0xc4]), 0..200), piece in 1usize..20) {
            let found = pictures(&bytes, piece);
            assert!(found.iter().map(Bytes::len).sum::<usize>() <= bytes.len());
        }
    }
}
