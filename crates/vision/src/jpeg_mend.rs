//! JPEG files as cameras send them: without what every decoder of theirs has by itself.

use std::borrow::Cow;

/// The tables of ITU-T T.81, annex K.3 (K.3 to K.6), as one `DHT` segment. Cameras leave them out of moving pictures, as AVI has it.
const STANDARD_TABLES: [u8; 420] = {
    let mut segment = [0; 420];
    // 418 bytes follow the marker.
    let head = [0xff, 0xc4, 0x01, 0xa2];
    let mut at = put(&mut segment, 0, &head);
    at = put(&mut segment, at, &[0x00]);
    at = put(&mut segment, at, &DC_LUMINANCE_COUNTS);
    at = put(&mut segment, at, &DC_VALUES);
    at = put(&mut segment, at, &[0x10]);
    at = put(&mut segment, at, &AC_LUMINANCE_COUNTS);
    at = put(&mut segment, at, &AC_LUMINANCE_VALUES);
    at = put(&mut segment, at, &[0x01]);
    at = put(&mut segment, at, &DC_CHROMINANCE_COUNTS);
    at = put(&mut segment, at, &DC_VALUES);
    at = put(&mut segment, at, &[0x11]);
    at = put(&mut segment, at, &AC_CHROMINANCE_COUNTS);
    put(&mut segment, at, &AC_CHROMINANCE_VALUES);
    segment
};

const fn put(into: &mut [u8; 420], at: usize, bytes: &[u8]) -> usize {
    let mut index = 0;
    while index < bytes.len() {
        into[at + index] = bytes[index];
        index += 1;
    }
    at + bytes.len()
}

const DC_LUMINANCE_COUNTS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_CHROMINANCE_COUNTS: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LUMINANCE_COUNTS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d];
const AC_CHROMINANCE_COUNTS: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77];
const AC_LUMINANCE_VALUES: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22,
    0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33,
    0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34,
    0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55,
    0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76,
    0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5,
    0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4,
    0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1,
    0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];
const AC_CHROMINANCE_VALUES: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13,
    0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62,
    0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29,
    0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54,
    0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75,
    0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94,
    0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3,
    0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2,
    0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea,
    0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

/// Start of a scan.
const SCAN: u8 = 0xda;

/// With the standard Huffman tables, where it has none. What is no JPEG stays as it is.
pub(crate) fn with_tables(bytes: &[u8]) -> Cow<'_, [u8]> {
    match place_for_tables(bytes) {
        Some(at) => Cow::Owned([&bytes[..at], &STANDARD_TABLES, &bytes[at..]].concat()),
        None => Cow::Borrowed(bytes),
    }
}

/// Before the first scan of a file with Huffman codes and no table for them.
fn place_for_tables(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return None;
    }
    let mut at = 2;
    let mut has_frame = false;
    loop {
        let [0xff, kind] = *bytes.get(at..at + 2)? else { return None };
        if kind == 0xff {
            at += 1;
            continue;
        }
        match kind {
            SCAN => return has_frame.then_some(at),
            0xc0 | 0xc1 => has_frame = true,
            // Tables; arithmetic codes, and progressive scans, whose tables are no standard ones.
            0xc2..=0xcf => return None,
            _ => {}
        }
        let length = bytes.get(at + 2..at + 4)?;
        at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
}

/// The same with an end marker, if all of its pictures' data is there and only the marker is missing.
pub(crate) fn with_end(bytes: &[u8]) -> Option<Vec<u8>> {
    // Half a marker may be there.
    let bytes = bytes.strip_suffix(&[0xff]).unwrap_or(bytes);
    // Without a marker at its end the decoder tells when it wants more; it looks some bytes ahead.
    let padded = [bytes, &[0; LOOK_AHEAD]].concat();
    let options = zune_core::options::DecoderOptions::default().set_strict_mode(true);
    let source = zune_core::bytestream::ZCursor::new(padded.as_slice());
    zune_jpeg::JpegDecoder::new_with_options(source, options).decode().ok()?;
    Some([bytes, &[0xff, 0xd9]].concat())
}

/// Bytes the decoder reads before it needs them.
const LOOK_AHEAD: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder};

    /// Huffman tables.
    const TABLES: u8 = 0xc4;

    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let size = usize::from(width) * usize::from(height) * 3;
        let pixels: Vec<u8> = (0..size).map(|i| (i * i / 777 + i / 5) as u8).collect();
        let mut out = Vec::new();
        Encoder::new(&mut out, 85).encode(&pixels, width, height, ColorType::Rgb).unwrap();
        out
    }

    /// Without any segment of a kind.
    fn without(bytes: &[u8], kind: u8) -> Vec<u8> {
        let (mut at, mut out) = (2, bytes[..2].to_vec());
        while bytes[at + 1] != SCAN {
            let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            if bytes[at + 1] != kind {
                out.extend_from_slice(&bytes[at..end]);
            }
            at = end;
        }
        out.extend_from_slice(&bytes[at..]);
        out
    }

    #[test]
    fn the_standard_tables_are_put_in_where_there_are_none() {
        for (width, height) in [(64, 48), (161, 99), (640, 360)] {
            let whole = jpeg(width, height);
            let bare = without(&whole, TABLES);
            assert!(bare.len() + 100 < whole.len());
            let mended = image::load_from_memory(&with_tables(&bare)).unwrap().into_rgb8();
            assert_eq!(mended, image::load_from_memory(&whole).unwrap().into_rgb8());
            assert!(matches!(with_tables(&whole), Cow::Borrowed(_)));
        }
        for bytes in [&b""[..], b"\xff\xd8", b"\x89PNG", b"\xff\xd8\xff\xda\0\x03\0", b"\xff\xd8\xff\xc0"] {
            assert!(matches!(with_tables(bytes), Cow::Borrowed(_)));
        }
    }

    #[test]
    fn only_a_missing_marker_is_put_in() {
        for (width, height) in [(64, 48), (161, 99), (640, 360)] {
            let whole = jpeg(width, height);
            assert_eq!(with_end(&whole[..whole.len() - 2]).as_deref(), Some(&whole[..]));
            assert_eq!(with_end(&whole[..whole.len() - 1]).as_deref(), Some(&whole[..]));
            for cut in [2, 4, 8] {
                assert_eq!(
                    with_end(&whole[..whole.len() * (cut - 1) / cut]),
                    None,
                    "{width}x{height} 1/{cut}"
                );
            }
        }
    }
}
