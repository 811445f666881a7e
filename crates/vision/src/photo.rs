//! Decoding registry photos: whatever the bytes are, the answer is a frame or a refusal, in bounded memory.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};

use menshen_domain::frame::Frame;
use menshen_domain::limits;
use menshen_domain::photo::is_whole;
use menshen_domain::status::{ProtocolError, StatusCode};

/// Decodes a JPEG or PNG, turned upright as its EXIF orientation says, and scaled down when it is large.
pub fn decode_photo(bytes: &[u8]) -> Result<Frame, ProtocolError> {
    decode_scaled(bytes).map(|(frame, _)| frame)
}

/// As [`decode_photo`], with the factor from the frame's pixels to the photo's own, 1 or more.
pub fn decode_scaled(bytes: &[u8]) -> Result<(Frame, f32), ProtocolError> {
    if bytes.len() > limits::PHOTO_BYTES_MAX {
        return Err(too_large(format!(
            "{} bytes, at most {} are taken",
            bytes.len(),
            limits::PHOTO_BYTES_MAX
        )));
    }
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| broken(error.to_string()))?;
    match reader.format() {
        Some(ImageFormat::Jpeg | ImageFormat::Png) => {}
        _ => return Err(broken("neither JPEG nor PNG".to_owned())),
    }
    if !is_whole(bytes) {
        return Err(broken("it is cut off: its transfer broke off".to_owned()));
    }
    let mut decoder = reader.into_decoder().map_err(|error| refusal_of(&error))?;
    // The header alone decides: a 30 000 × 30 000 PNG of a few bytes must cost a few bytes.
    let (width, height) = decoder.dimensions();
    let side_max = limits::PHOTO_SIDE_MAX_PX;
    let pixels = u64::from(width) * u64::from(height);
    if width > side_max || height > side_max || pixels > limits::PHOTO_PIXELS_MAX {
        return Err(too_large(format!(
            "{width}x{height} px; at most {side_max} px a side and {} megapixels are taken",
            limits::PHOTO_PIXELS_MAX / 1_000_000
        )));
    }
    let mut bounds = Limits::default();
    bounds.max_alloc = Some(limits::PHOTO_PIXELS_MAX * 8);
    decoder.set_limits(bounds).map_err(|error| refusal_of(&error))?;
    let orientation = decoder.orientation().map_err(|error| refusal_of(&error))?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| refusal_of(&error))?;
    picture.apply_orientation(orientation);
    let rgb = picture.into_rgb8();
    let (width, height) = rgb.dimensions();
    let frame = frame_of(width, height, rgb.into_raw())?;
    let factor = width as f32 / frame.width as f32;
    Ok((frame, factor))
}

/// Side a photo is scaled down to: a face filling a photo this size is ten times what the models look at.
const WORKING_SIDE_PX: u32 = 2048;

fn frame_of(width: u32, height: u32, rgb: Vec<u8>) -> Result<Frame, ProtocolError> {
    let longest = width.max(height);
    if longest <= WORKING_SIDE_PX {
        return Frame::from_rgb(width, height, rgb, 0).map_err(|error| broken(error.to_string()));
    }
    let scale = f64::from(WORKING_SIDE_PX) / f64::from(longest);
    let to = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    let picture = image::RgbImage::from_raw(width, height, rgb)
        .ok_or_else(|| broken("pixel data does not fit its header".to_owned()))?;
    let small = image::imageops::thumbnail(&picture, to(width), to(height));
    let (width, height) = small.dimensions();
    Frame::from_rgb(width, height, small.into_raw(), 0).map_err(|error| broken(error.to_string()))
}

fn broken(detail: String) -> ProtocolError {
    ProtocolError::new(StatusCode::ImageError, detail)
}

fn too_large(detail: String) -> ProtocolError {
    ProtocolError::new(StatusCode::ImageTooLarge, detail)
}

fn refusal_of(error: &ImageError) -> ProtocolError {
    match error {
        ImageError::Limits(_) => too_large(error.to_string()),
        _ => broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let picture =
            DynamicImage::ImageRgb8(image::RgbImage::from_pixel(width, height, image::Rgb([9, 8, 7])));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    /// A PNG of 64×64 whose header claims another size, checksum and all.
    fn png_claiming(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = png(64, 64);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = u32::MAX;
        for byte in &bytes[12..29] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
        bytes
    }

    #[test]
    fn good_photos_become_frames() {
        let frame = decode_photo(&png(64, 32)).unwrap();
        assert_eq!((frame.width, frame.height), (64, 32));
        assert_eq!(&frame.data[..3], &[9, 8, 7]);
        let frame = decode_photo(&png(4000, 100)).unwrap();
        assert_eq!(frame.width, WORKING_SIDE_PX);
    }

    #[test]
    fn bad_photos_are_refused_with_their_code() {
        let code = |bytes: &[u8]| decode_photo(bytes).unwrap_err().code;
        assert_eq!(code(b""), StatusCode::ImageError);
        assert_eq!(code(b"<html>not found</html>"), StatusCode::ImageError);
        assert_eq!(code(b"GIF89a"), StatusCode::ImageError);
        assert_eq!(code(&png(64, 64)[..60]), StatusCode::ImageError);
        assert_eq!(code(&png_claiming(30_000, 30_000)), StatusCode::ImageTooLarge);
        assert_eq!(code(&png_claiming(16_000, 16_000)), StatusCode::ImageTooLarge);
        assert_eq!(code(&vec![0; limits::PHOTO_BYTES_MAX + 1]), StatusCode::ImageTooLarge);
        assert_eq!(code(&png(8, 8)), StatusCode::ImageError, "too small for a face");
    }

    proptest::proptest! {
        #[test]
        fn damaged_photos_never_upset_the_decoder(at in 8usize..200, value in 0u8..=255) {
            let mut bytes = png(64, 64);
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = decode_photo(&bytes);
        }
    }
}
