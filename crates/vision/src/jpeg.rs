//! JPEG pictures for events: the scene and the face crop.

use image::RgbImage;
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, EncodingError};

use crate::pixels::rgb_region;
use crate::resize::{Resizer, ScaleError};
use menshen_domain::face::BBox;
use menshen_domain::frame::Frame;

/// Scene pictures are scaled down to this width: what an operator's screen shows, 100–200 KB.
pub const SCENE_SIDE_MAX_PX: u32 = 1280;
/// Crops are kept up to this side.
pub const CROP_SIDE_MAX_PX: u32 = 400;
const SCENE_JPEG_QUALITY: u8 = 80;
const CROP_JPEG_QUALITY: u8 = 90;
/// Margin around the detector's tight box, as a share of its longer side: hair and chin.
const CROP_MARGIN: f32 = 0.3;

/// A picture could not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It could not be scaled down.
    #[error("cannot encode a picture: {0}")]
    Scale(ScaleError),
    /// No pixel of it lies in the frame.
    #[error("cannot encode a picture: empty region of {width}x{height} px")]
    Empty {
        /// Width of what lies in the frame, px.
        width: u32,
        /// Height of what lies in the frame, px.
        height: u32,
    },
    /// A side is longer than the format allows.
    #[error("cannot encode a picture: {width}x{height} px is too large for a JPEG")]
    TooLarge {
        /// Width, px.
        width: u32,
        /// Height, px.
        height: u32,
    },
    /// The region's pixels are not as many as its sides say.
    #[error("cannot encode a picture: no region of {width}x{height} px")]
    Region {
        /// Width, px.
        width: u32,
        /// Height, px.
        height: u32,
    },
    /// The encoder gives up.
    #[error("cannot encode a picture: {0}")]
    Encoder(EncodingError),
}

/// Size of the scene picture of a frame of this size, in shares of the frame: at most 1.
pub fn scene_scale(width: u32, height: u32) -> f32 {
    (SCENE_SIDE_MAX_PX as f32 / width.max(height).max(1) as f32).min(1.0)
}

/// The whole frame, scaled down to [`SCENE_SIDE_MAX_PX`].
///
/// # Errors
/// When it cannot be scaled or encoded.
pub fn scene_jpeg(frame: &Frame) -> Result<Vec<u8>, EncodeError> {
    let longest = frame.width.max(frame.height);
    // Scaled before it is converted to colours: a quarter of the work.
    let small = if longest > SCENE_SIDE_MAX_PX {
        let to = |side: u32| ((side * SCENE_SIDE_MAX_PX / longest) / 2 * 2).max(2);
        Resizer::default().run(frame, to(frame.width), to(frame.height)).map_err(EncodeError::Scale)?
    } else {
        frame.clone()
    };
    let (rgb, width, height) = rgb_region(&small, 0, 0, small.width as usize, small.height as usize);
    encode(&rgb, width, height, SCENE_JPEG_QUALITY)
}

/// The face with a margin, clipped to the frame and scaled down to [`CROP_SIDE_MAX_PX`]; `bbox` is in pixels of the frame.
///
/// # Errors
/// When it lies outside the frame or cannot be encoded.
pub fn crop_jpeg(frame: &Frame, bbox: &BBox) -> Result<Vec<u8>, EncodeError> {
    let margin = bbox.width().max(bbox.height()) * CROP_MARGIN;
    let low = |value: f32| (value - margin).max(0.0) as usize;
    let high = |value: f32| (value + margin).max(0.0).ceil() as usize;
    let (rgb, width, height) = rgb_region(frame, low(bbox.x1), low(bbox.y1), high(bbox.x2), high(bbox.y2));
    let longest = width.max(height);
    if longest <= CROP_SIDE_MAX_PX {
        return encode(&rgb, width, height, CROP_JPEG_QUALITY);
    }
    let picture = RgbImage::from_raw(width, height, rgb).ok_or(EncodeError::Region { width, height })?;
    let to = |side: u32| (side * CROP_SIDE_MAX_PX / longest).max(1);
    let small = image::imageops::thumbnail(&picture, to(width), to(height));
    encode(small.as_raw(), small.width(), small.height(), CROP_JPEG_QUALITY)
}

fn encode(rgb: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(EncodeError::TooLarge { width, height });
    };
    if w == 0 || h == 0 {
        return Err(EncodeError::Empty { width, height });
    }
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, quality);
    // As it comes it keeps one pixel's colour of four: fine stripes change their colour.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.encode(rgb, w, h, ColorType::Rgb).map_err(EncodeError::Encoder)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of pixels of two colours.
    fn pattern(width: u32, height: u32, is_first: impl Fn(u32, u32) -> bool) -> Vec<u8> {
        let pixel = |x, y| if is_first(x, y) { [200, 40, 40] } else { [40, 40, 200] };
        (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)).collect::<Vec<_>>()).collect()
    }

    fn mean_colour(rgb: &[u8]) -> [f64; 3] {
        let pixels = rgb.len() as f64 / 3.0;
        std::array::from_fn(|c| rgb.iter().skip(c).step_by(3).map(|v| f64::from(*v)).sum::<f64>() / pixels)
    }

    /// A name, and whether a pixel has the first of two colours.
    type Pattern = (&'static str, fn(u32, u32) -> bool);

    #[test]
    fn fine_patterns_keep_their_colour() {
        let patterns: [Pattern; 6] = [
            ("columns", |x, _| x % 2 == 0),
            ("rows", |_, y| y % 2 == 0),
            ("checks", |x, y| (x + y) % 2 == 0),
            ("one pixel of four", |x, y| x % 2 == 0 && y % 2 == 0),
            ("the other columns", |x, _| x % 2 == 1),
            ("every third row", |_, y| y % 3 == 0),
        ];
        for (name, is_first) in patterns {
            for (width, height) in [(64, 48), (63, 47)] {
                let rgb = pattern(width, height, is_first);
                for quality in [SCENE_JPEG_QUALITY, CROP_JPEG_QUALITY] {
                    let jpeg = encode(&rgb, width, height, quality).unwrap();
                    let seen = image::load_from_memory(&jpeg).unwrap().into_rgb8();
                    for (wanted, got) in mean_colour(&rgb).into_iter().zip(mean_colour(seen.as_raw())) {
                        assert!((wanted - got).abs() < 12.0, "{name} {width}x{height}: {got} for {wanted}");
                    }
                }
            }
        }
    }

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
