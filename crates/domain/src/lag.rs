//! When a camera sends more frames than are processed, and which encoded pictures can then be dropped without harm to others.

/// What became of a frame given to the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkFeedback {
    /// The frame before it had been taken.
    Accepted,
    /// It replaced a frame that no worker had taken.
    Overwrote,
}

/// Frames that are counted together: two seconds of a usual camera.
const WINDOW: u32 = 30;
/// Behind when more of them than this came too soon: single ones do while a face is embedded.
const TOO_SOON_MAX: u32 = WINDOW / 3;
/// Windows in time before it is trusted again: without the pictures left out it is in time anyway.
const CALM_WINDOWS: u32 = 5;

/// Whether a camera is behind.
#[derive(Debug, Clone, Default)]
pub struct Lag {
    frames: u32,
    too_soon: u32,
    is_behind: bool,
    calm: u32,
}

impl Lag {
    /// Notes a frame; whether it is behind now.
    pub fn note(&mut self, handed: SinkFeedback) -> bool {
        self.frames += 1;
        self.too_soon += u32::from(handed == SinkFeedback::Overwrote);
        if self.frames == WINDOW {
            if self.too_soon > TOO_SOON_MAX {
                (self.is_behind, self.calm) = (true, 0);
            } else {
                self.calm += 1;
                self.is_behind &= self.calm < CALM_WINDOWS;
            }
            (self.frames, self.too_soon) = (0, 0);
        }
        self.is_behind
    }
}

/// An encoding whose units are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264 (AVC).
    H264,
    /// ITU-T H.265 (HEVC).
    H265,
}

/// How the units of a picture are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Between start codes 00 00 01.
    StartCodes,
    /// Behind their length, in so many bytes, 1 to 4.
    Lengths(usize),
}

/// Whether no other picture is predicted from this one: each of its slices says so (H.264: `nal_ref_idc` 0, ITU-T H.264 7.4.1;
/// H.265: an even type below 16, a sub-layer non-reference picture, ITU-T H.265 table 7-1). What is not understood is kept.
pub fn is_disposable(codec: Codec, packing: Packing, picture: &[u8]) -> bool {
    let mut slices = 0;
    for unit in units(packing, picture) {
        let Some(first) = unit.first() else { continue };
        let (is_slice, is_free) = match codec {
            Codec::H264 => ((1..=5).contains(&(first & 0x1f)), first & 0x60 == 0),
            Codec::H265 => {
                let kind = (first >> 1) & 0x3f;
                (kind < 32, kind < 16 && kind.is_multiple_of(2))
            }
        };
        if is_slice && !is_free {
            return false;
        }
        slices += usize::from(is_slice);
    }
    slices > 0
}

fn units(packing: Packing, picture: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    match packing {
        Packing::Lengths(bytes) => {
            let mut rest = picture;
            while let Some((length, behind)) = rest.split_at_checked(bytes.clamp(1, 4)) {
                let length = length.iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
                let Some((unit, next)) = behind.split_at_checked(length) else { break };
                found.push(unit);
                rest = next;
            }
        }
        Packing::StartCodes => {
            let codes = picture.windows(3).enumerate().filter(|(_, bytes)| *bytes == [0, 0, 1]);
            found.extend(codes.filter_map(|(at, _)| picture.get(at + 3..)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::SinkFeedback::{Accepted, Overwrote};
    use super::*;

    #[test]
    fn behind_from_a_third_on_and_trusted_again_after_a_while() {
        let mut lag = Lag::default();
        let mut run = |frames: u32, one_in: u32| {
            (0..frames).fold(false, |_, at| lag.note(if at % one_in == 0 { Overwrote } else { Accepted }))
        };
        assert!(!run(300, 5), "single frames are overwritten while faces are embedded");
        assert!(run(30, 2));
        assert!(run(120, 10), "the pictures left out are what brings it in time");
        assert!(!run(30, 10));
    }

    fn with_lengths(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&(unit.len() as u32).to_be_bytes(), *unit].concat()).collect()
    }

    fn with_codes(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect()
    }

    #[test]
    fn pictures_without_references_are_told_from_others() {
        use Codec::{H264, H265};
        // Headers of one byte and of two: access unit delimiter, parameter set, slices.
        let cases: [(Codec, &[&[u8]], bool); 7] = [
            (H264, &[&[0x09, 0xf0], &[0x01, 0x9e, 0x88]], true),
            (H264, &[&[0x41, 0x9a, 0x24]], false),
            (H264, &[&[0x67, 0x42], &[0x68, 0xce], &[0x65, 0x88]], false),
            (H264, &[&[0x01, 0x9e], &[0x41, 0x9e]], false),
            (H264, &[&[0x06, 0x05]], false),
            (H265, &[&[0x00, 0x01, 0x80]], true),
            (H265, &[&[0x02, 0x01, 0x80]], false),
        ];
        for (codec, units, expected) in cases {
            for (packing, picture) in
                [(Packing::Lengths(4), with_lengths(units)), (Packing::StartCodes, with_codes(units))]
            {
                assert_eq!(
                    is_disposable(codec, packing, &picture),
                    expected,
                    "{codec:?} {packing:?} {units:?}"
                );
            }
        }
        // An IDR of H.265 has type 19, a parameter set 32 and more.
        assert!(!is_disposable(H265, Packing::StartCodes, &with_codes(&[&[19 << 1, 1], &[33 << 1, 1]])));
    }

    proptest::proptest! {
        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(0u8..4, 0..200), size in 0usize..6) {
            for codec in [Codec::H264, Codec::H265] {
                is_disposable(codec, Packing::StartCodes, &bytes);
                is_disposable(codec, Packing::Lengths(size), &bytes);
            }
        }
    }
}
