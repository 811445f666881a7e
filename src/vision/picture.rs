//! JPEG pictures for events: the scene and the face crop.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, RgbImage};

use super::pixels::rgb_region;
use crate::core::face::BBox;
use crate::core::frame::Frame;

/// Scene pictures are scaled down to this width: what an operator's screen shows, 100–200 KB.
pub const SCENE_SIDE_MAX_PX: u32 = 1280;
/// Crops are kept up to this side.
pub const CROP_SIDE_MAX_PX: u32 = 400;
const SCENE_JPEG_QUALITY: u8 = 80;
const CROP_JPEG_QUALITY: u8 = 90;
/// Margin around the detector's tight box, as a share of its longer side: hair and chin.
const CROP_MARGIN: f32 = 0.3;

#[derive(Debug, thiserror::Error)]
#[error("cannot encode a picture: {0}")]
pub struct EncodeError(String);

/// The whole frame.
pub fn scene_jpeg(frame: &Frame) -> Result<Vec<u8>, EncodeError> {
    let (rgb, width, height) = rgb_region(frame, 0, 0, frame.width as usize, frame.height as usize);
    encode(rgb, width, height, SCENE_SIDE_MAX_PX, SCENE_JPEG_QUALITY)
}

/// The face with a margin, clipped to the frame.
pub fn crop_jpeg(frame: &Frame, bbox: &BBox) -> Result<Vec<u8>, EncodeError> {
    let margin = bbox.width().max(bbox.height()) * CROP_MARGIN;
    let low = |value: f32| (value - margin).max(0.0) as usize;
    let high = |value: f32| (value + margin).max(0.0).ceil() as usize;
    let (rgb, width, height) = rgb_region(frame, low(bbox.x1), low(bbox.y1), high(bbox.x2), high(bbox.y2));
    encode(rgb, width, height, CROP_SIDE_MAX_PX, CROP_JPEG_QUALITY)
}

fn encode(rgb: Vec<u8>, width: u32, height: u32, side_max: u32, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let picture = RgbImage::from_raw(width, height, rgb)
        .filter(|p| p.width() > 0 && p.height() > 0)
        .ok_or_else(|| EncodeError(format!("empty region of {width}x{height} px")))?;
    let longest = width.max(height);
    let picture = if longest > side_max {
        let to = |side: u32| (side * side_max / longest).max(1);
        image::imageops::thumbnail(&picture, to(width), to(height))
    } else {
        picture
    };
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality)
        .encode(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| EncodeError(error.to_string()))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_bounded_and_clipped() {
        let frame = Frame::from_rgb(1920, 1080, vec![120; 1920 * 1080 * 3], 0).unwrap();
        let scene = image::load_from_memory(&scene_jpeg(&frame).unwrap()).unwrap();
        assert_eq!((scene.width(), scene.height()), (1280, 720));
        let edge = BBox { x1: -20.0, y1: -20.0, x2: 80.0, y2: 80.0 };
        let crop = image::load_from_memory(&crop_jpeg(&frame, &edge).unwrap()).unwrap();
        assert_eq!((crop.width(), crop.height()), (110, 110));
        let outside = BBox { x1: 5000.0, y1: 5000.0, x2: 5100.0, y2: 5100.0 };
        assert!(crop_jpeg(&frame, &outside).is_err());
    }
}
