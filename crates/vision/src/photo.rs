//! Photos: whatever the bytes are, the answer is a frame or the reason why not, in bounded memory.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits};

use crate::error::{Misaligned, VisionError};
use crate::jpeg_mend::{with_end, with_tables};
use crate::quality::QualityFailure;
use menshen_domain::frame::{Frame, FrameError};
use menshen_domain::limits;
use menshen_domain::photo::{PictureKind, is_whole};
use menshen_domain::status::{ProtocolError, StatusCode};

/// Why a photo, or the face on it, is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PhotoError {
    /// The file is larger than is taken.
    #[error("{bytes} bytes, at most {} are taken", limits::PHOTO_BYTES_MAX)]
    TooManyBytes {
        /// Size of the file.
        bytes: usize,
    },
    /// The picture is larger than is taken.
    #[error(
        "{width}x{height} px; at most {} px a side and {} megapixels are taken",
        limits::PHOTO_SIDE_MAX_PX,
        pixels_max / 1_000_000
    )]
    TooManyPixels {
        /// Width as its header says, px.
        width: u32,
        /// Height as its header says, px.
        height: u32,
        /// How many pixels are taken.
        pixels_max: u64,
    },
    /// Another format, or no picture.
    #[error("{}; JPEG, PNG, WebP and BMP are taken", named(*.0))]
    Format(Option<&'static str>),
    /// What iPhones save.
    #[error("it is HEIC; save it as JPEG (on an iPhone: Settings, Camera, Formats, Most Compatible)")]
    Heic,
    /// The end of the file is missing.
    #[error("it is cut off: its transfer broke off")]
    CutOff,
    /// The decoder gives up.
    #[error("{0}")]
    Decode(ImageError),
    /// The header promises other pixels than there are.
    #[error("pixel data does not fit its header")]
    Pixels,
    /// The picture has a size no frame has.
    #[error("{0}")]
    Frame(FrameError),
    /// No face is on it.
    #[error("no face found in the picture")]
    NoFace,
    /// The largest face does not pass the level that was asked for.
    #[error("{0}")]
    Quality(Box<QualityFailure>),
    /// The face cannot be brought to its standard place.
    #[error(transparent)]
    Misaligned(Misaligned),
    /// No feature could be made of the face.
    #[error("{0}")]
    Feature(VisionError),
    /// The networks that find faces failed, which is not the photo's fault.
    #[error("{0}")]
    Detection(VisionError),
}

impl PhotoError {
    /// The protocol's code for it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooManyBytes { .. } | Self::TooManyPixels { .. } | Self::Decode(ImageError::Limits(_)) => {
                StatusCode::ImageTooLarge
            }
            Self::Format(_) | Self::Heic | Self::CutOff | Self::Decode(_) | Self::Pixels | Self::Frame(_) => {
                StatusCode::ImageError
            }
            Self::NoFace => StatusCode::NoFace,
            Self::Quality(failure) if failure.is_size_only() => StatusCode::FaceTooSmall,
            Self::Quality(_) => StatusCode::LowQuality,
            Self::Misaligned(_) | Self::Feature(_) => StatusCode::BadFeature,
            Self::Detection(_) => StatusCode::ServerProcessFailed,
        }
    }
}

impl From<PhotoError> for ProtocolError {
    fn from(error: PhotoError) -> Self {
        let code = error.status();
        // The code's own text says all of it.
        let detail = if code == StatusCode::NoFace { String::new() } else { error.to_string() };
        Self::new(code, detail)
    }
}

fn named(format: Option<&'static str>) -> String {
    format.map_or_else(|| "no picture".to_owned(), |format| format!("it is {format}"))
}

/// Decodes a JPEG, PNG, WebP or BMP, turned upright as its EXIF orientation says, and scaled down when it is large.
///
/// # Errors
/// When the bytes are no such picture, are cut off, or are more than is taken.
pub fn decode_photo(bytes: &[u8]) -> Result<Frame, PhotoError> {
    decode_scaled(bytes).map(|(frame, _)| frame)
}

/// As [`decode_photo`], with the factor from the frame's pixels to the photo's own, 1 or more.
///
/// # Errors
/// As [`decode_photo`].
pub fn decode_scaled(bytes: &[u8]) -> Result<(Frame, f32), PhotoError> {
    decode_within(bytes, limits::PHOTO_PIXELS_MAX)
}

/// As [`decode_scaled`], of a picture of at most `pixels_max` pixels.
///
/// # Errors
/// As [`decode_photo`].
pub fn decode_within(bytes: &[u8], pixels_max: u64) -> Result<(Frame, f32), PhotoError> {
    let rgb = decode(bytes, limits::PHOTO_SIDE_MAX_PX, pixels_max)?;
    let (width, height) = rgb.dimensions();
    let frame = frame_of(width, height, rgb.into_raw())?;
    let factor = width as f32 / frame.width as f32;
    Ok((frame, factor))
}

/// As [`decode_photo`], in its own size; no side may be longer than `side_max`.
///
/// What cameras leave out is put in: standard Huffman tables, and the end marker of a picture whose data is all there.
///
/// # Errors
/// As [`decode_photo`].
pub fn decode_picture(bytes: &[u8], side_max: u32) -> Result<image::RgbImage, PhotoError> {
    decode(bytes, side_max, limits::PHOTO_PIXELS_MAX)
}

fn decode(bytes: &[u8], side_max: u32, pixels_max: u64) -> Result<image::RgbImage, PhotoError> {
    if bytes.len() > limits::PHOTO_BYTES_MAX {
        return Err(PhotoError::TooManyBytes { bytes: bytes.len() });
    }
    if PictureKind::of(bytes).is_none_or(|kind| kind == PictureKind::Heic) {
        return Err(not_taken(bytes));
    }
    let bytes = with_tables(bytes);
    check_size(&bytes, side_max, pixels_max)?;
    let bytes = if is_whole(&bytes) { bytes } else { with_end(&bytes).ok_or(PhotoError::CutOff)?.into() };
    let mut decoder = opened(&bytes)?;
    let mut bounds = Limits::default();
    bounds.max_alloc = Some(limits::PHOTO_PIXELS_MAX * 8);
    decoder.set_limits(bounds).map_err(PhotoError::Decode)?;
    let orientation = decoder.orientation().map_err(PhotoError::Decode)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(PhotoError::Decode)?;
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

fn opened(bytes: &[u8]) -> Result<impl image::ImageDecoder + '_, PhotoError> {
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| PhotoError::Decode(ImageError::IoError(error)))?;
    match reader.format() {
        Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP | ImageFormat::Bmp) => {}
        _ => return Err(not_taken(bytes)),
    }
    reader.into_decoder().map_err(PhotoError::Decode)
}

/// The header alone decides: a 30 000 × 30 000 PNG of a few bytes must cost a few bytes.
fn check_size(bytes: &[u8], side_max: u32, pixels_max: u64) -> Result<(), PhotoError> {
    let decoder = match opened(bytes) {
        // Of one that breaks off in its header nothing is known.
        Err(PhotoError::Decode(_)) if !is_whole(bytes) => return Err(PhotoError::CutOff),
        decoder => decoder?,
    };
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > side_max || height > side_max || pixels > pixels_max {
        return Err(PhotoError::TooManyPixels { width, height, pixels_max });
    }
    Ok(())
}

/// How other files begin.
const KNOWN: [(&[u8], &str); 7] = [
    (b"GIF8", "a GIF"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"%PDF", "a PDF"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL"),
    (b"<", "a web page or XML"),
    (b"{", "JSON"),
];

/// What it is instead, where that is known.
fn not_taken(bytes: &[u8]) -> PhotoError {
    if PictureKind::of(bytes) == Some(PictureKind::Heic) {
        return PhotoError::Heic;
    }
    let begin = bytes.trim_ascii_start();
    let known = KNOWN.iter().find(|(start, _)| bytes.starts_with(start) || begin.starts_with(start));
    let is_avif = bytes.get(4..12).is_some_and(|brand| brand == b"ftypavif");
    PhotoError::Format(if is_avif { Some("an AVIF") } else { known.map(|(_, name)| *name) })
}

/// Side a photo is scaled down to: a face filling a photo this size is ten times what the models see.
const WORKING_SIDE_PX: u32 = 2048;

fn frame_of(width: u32, height: u32, rgb: Vec<u8>) -> Result<Frame, PhotoError> {
    let longest = width.max(height);
    if longest <= WORKING_SIDE_PX {
        return Frame::from_rgb(width, height, rgb, 0).map_err(PhotoError::Frame);
    }
    let scale = f64::from(WORKING_SIDE_PX) / f64::from(longest);
    let to = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    let picture = image::RgbImage::from_raw(width, height, rgb).ok_or(PhotoError::Pixels)?;
    let small = image::imageops::thumbnail(&picture, to(width), to(height));
    let (width, height) = small.dimensions();
    Frame::from_rgb(width, height, small.into_raw(), 0).map_err(PhotoError::Frame)
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
        let code = |bytes: &[u8]| decode_photo(bytes).unwrap_err().status();
        assert_eq!(code(b""), StatusCode::ImageError);
        assert_eq!(code(b"<html>not found</html>"), StatusCode::ImageError);
        assert_eq!(code(b"GIF89a"), StatusCode::ImageError);
        assert_eq!(code(&png(64, 64)[..60]), StatusCode::ImageError);
        assert_eq!(code(&png_claiming(30_000, 30_000)), StatusCode::ImageTooLarge);
        assert_eq!(code(&png_claiming(16_000, 16_000)), StatusCode::ImageTooLarge);
        assert_eq!(code(&vec![0; limits::PHOTO_BYTES_MAX + 1]), StatusCode::ImageTooLarge);
        assert_eq!(code(&png(8, 8)), StatusCode::ImageError, "too small for a face");
    }

    fn written(format: ImageFormat) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 3, y as u8 * 5, 90]));
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(picture).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn photos_of_phones_and_old_programs_are_taken_or_named() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp] {
            let bytes = written(format);
            let frame = decode_photo(&bytes).unwrap();
            assert_eq!((frame.width, frame.height), (64, 48), "{format:?}");
            assert!(PictureKind::of(&bytes).is_some());
            assert!(decode_photo(&bytes[..bytes.len() / 2]).is_err(), "{format:?}");
        }
        for (bytes, expected) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "it is HEIC; save it as JPEG"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "it is HEIC"),
            (b"\0\0\0\x18ftypavif\0\0\0\0", "it is an AVIF; JPEG, PNG, WebP and BMP are taken"),
            (b"GIF89a", "it is a GIF"),
            (b"  <html>login</html>", "it is a web page"),
            (b"hello", "no picture; JPEG"),
        ] {
            let error = decode_photo(bytes).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(error.status(), StatusCode::ImageError);
        }
        // A complete picture without its end marker; one that breaks off.
        let jpeg = written(ImageFormat::Jpeg);
        assert!(decode_photo(&jpeg[..jpeg.len() - 2]).is_ok());
        for cut in [20, jpeg.len() / 3, jpeg.len() * 3 / 4] {
            assert!(matches!(decode_photo(&jpeg[..cut]), Err(PhotoError::CutOff)), "{cut}");
        }
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
