//! One decoded picture from a capture device, still in the pixel format the decoder gave.
//!
//! Frames stay in YUV: detection reads a scaled-down copy, and only crops and scene pictures that are
//! kept are ever converted in full.

use std::sync::Arc;

use bytes::Bytes;

pub use super::pixel::{Colour, Matrix, PixelAspect, PixelAspectError, Range};
use super::view::Window;

/// How the bytes of a [`Frame`] are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Planar 4:2:0: full-size Y, then quarter-size U, then quarter-size V.
    I420,
    /// Semi-planar 4:2:0: full-size Y, then interleaved UV at half size.
    Nv12,
    /// Packed red, green, blue, 8 bit each.
    Rgb,
}

/// Where one plane starts inside [`Frame::data`] and how many bytes one of its rows takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plane {
    /// Bytes from the start of the buffer.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// Why there is no picture of the main stream for a moment.
#[derive(Debug, thiserror::Error)]
pub enum HighResError {
    /// The main stream was not there, or not yet.
    #[error("the main stream had no picture of that moment")]
    NoPicture,
    /// The adapter's decoder failed, for its own reason.
    #[error("{0}")]
    Decoder(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// The same moment in a larger picture, which is decoded only when it is wanted.
pub trait HighResFrame: std::fmt::Debug + Send + Sync {
    /// The same, kept for as long as the result is held; else it is there for a moment only.
    fn held(&self) -> Arc<dyn HighResFrame>;
    /// May take a tenth of a second and more.
    ///
    /// # Errors
    ///
    /// When the main stream has no picture of this moment, or none that can be decoded in time.
    fn decode(&self) -> Result<Frame, HighResError>;
}

/// A picture with its time of capture. Cloning shares the pixels.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The pixels, in the layout of `format` and `planes`.
    pub data: Bytes,
    /// Pixel format.
    pub format: PixelFormat,
    /// What its values mean.
    pub colour: Colour,
    /// Form of its pixels.
    pub pixel_aspect: PixelAspect,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// As many planes as the format has; the rest are zero.
    pub planes: [Plane; 3],
    /// Wall clock at arrival, milliseconds since the Unix epoch, UTC.
    pub captured_at_ms: u64,
    /// Counts up by one a frame per camera, also for frames that are dropped later.
    pub sequence: u64,
    /// The same moment in the camera's main stream, where there is one.
    pub larger: Option<Arc<dyn HighResFrame>>,
}

/// Why bytes and a described layout do not make a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A side is too short or too long.
    #[error("a frame of {width}x{height} px is outside {min}..={max} px a side")]
    Size {
        /// Width, px.
        width: u32,
        /// Height, px.
        height: u32,
        /// Shortest side that is taken, px.
        min: u32,
        /// Longest side that is taken, px.
        max: u32,
    },
    /// A plane does not lie inside the buffer.
    #[error("plane {plane} needs bytes up to {needed}, the buffer has {len}")]
    TooShort {
        /// Index of the plane.
        plane: usize,
        /// Bytes of the buffer the plane needs.
        needed: usize,
        /// Bytes there are.
        len: usize,
    },
}

impl Frame {
    /// Checks that every plane lies inside the buffer, so that readers may index without surprises.
    ///
    /// # Errors
    ///
    /// When a side is out of bounds or a plane does not lie inside the buffer.
    pub fn validate(&self) -> Result<(), FrameError> {
        let (min, max) = (super::limits::FRAME_SIDE_MIN_PX, super::limits::FRAME_SIDE_MAX_PX);
        if !(min..=max).contains(&self.width) || !(min..=max).contains(&self.height) {
            return Err(FrameError::Size { width: self.width, height: self.height, min, max });
        }
        for (plane, (row_bytes, rows)) in self.plane_extents().into_iter().enumerate() {
            let Plane { offset, stride } = self.planes[plane];
            let needed = offset + stride * (rows - 1) + row_bytes;
            if stride < row_bytes || needed > self.data.len() {
                return Err(FrameError::TooShort { plane, needed, len: self.data.len() });
            }
        }
        Ok(())
    }

    /// Bytes per row that carry pixels, and number of rows, of each plane of this format.
    pub fn plane_extents(&self) -> Vec<(usize, usize)> {
        let (w, h) = (self.width as usize, self.height as usize);
        let (half_w, half_h) = (w.div_ceil(2), h.div_ceil(2));
        match self.format {
            PixelFormat::I420 => vec![(w, h), (half_w, half_h), (half_w, half_h)],
            PixelFormat::Nv12 => vec![(w, h), (half_w * 2, half_h)],
            PixelFormat::Rgb => vec![(w * 3, h)],
        }
    }

    /// The bytes of one plane, from its first row to the end of the buffer.
    pub fn plane(&self, index: usize) -> &[u8] {
        &self.data[self.planes[index].offset..]
    }

    /// A part of it, without a copy. The window must lie in the picture, as those of [`View`](super::view::View) do.
    pub fn window(&self, window: Window) -> Self {
        let (x, y) = (window.x as usize, window.y as usize);
        let mut planes = self.planes;
        for (index, plane) in planes.iter_mut().enumerate() {
            let (across, down) = match (self.format, index) {
                (PixelFormat::Rgb, _) => (x * 3, y),
                (_, 0) | (PixelFormat::Nv12, _) => (x, if index == 0 { y } else { y / 2 }),
                (PixelFormat::I420, _) => (x / 2, y / 2),
            };
            // Planes the format does not have stay where they are.
            plane.offset += if plane.stride == 0 { 0 } else { down * plane.stride + across };
        }
        Self { width: window.width, height: window.height, planes, ..self.clone() }
    }

    /// A copy that owns its pixels. Keeping a frame for long must not keep a decoder's buffer.
    pub fn detached(&self) -> Self {
        let larger = self.larger.as_ref().map(|larger| larger.held());
        Self { data: Bytes::copy_from_slice(&self.data), larger, ..self.clone() }
    }

    /// A frame from tightly packed RGB rows.
    ///
    /// # Errors
    ///
    /// When a side is out of bounds or there are too few bytes.
    pub fn from_rgb(width: u32, height: u32, rgb: Vec<u8>, captured_at_ms: u64) -> Result<Self, FrameError> {
        let frame = Self {
            data: Bytes::from(rgb),
            format: PixelFormat::Rgb,
            colour: Colour::default(),
            pixel_aspect: PixelAspect::SQUARE,
            width,
            height,
            planes: [Plane { offset: 0, stride: width as usize * 3 }, Plane::default(), Plane::default()],
            captured_at_ms,
            sequence: 0,
            larger: None,
        };
        frame.validate()?;
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_buffer_is_refused() {
        let err = Frame::from_rgb(32, 32, vec![0; 32 * 32 * 3 - 1], 0).unwrap_err();
        assert_eq!(err, FrameError::TooShort { plane: 0, needed: 3072, len: 3071 });
    }

    /// Every byte of a plane's rows, which are `row` long.
    fn rows(frame: &Frame) -> Vec<Vec<u8>> {
        let plane = |(index, (row, rows)): (usize, (usize, usize))| {
            let stride = frame.planes[index].stride;
            (0..rows).flat_map(|y| frame.plane(index)[y * stride..][..row].to_vec()).collect()
        };
        frame.plane_extents().into_iter().enumerate().map(plane).collect()
    }

    #[test]
    fn a_window_shows_the_pixels_of_its_place() {
        // Each byte tells its place: in I420 and NV12 of 20x18 px the planes are 20, and 10 or 20 bytes wide.
        let window = Window { x: 2, y: 2, width: 16, height: 16 };
        for (format, chroma_stride, chroma_planes) in
            [(PixelFormat::I420, 10, 2), (PixelFormat::Nv12, 20, 1), (PixelFormat::Rgb, 0, 0)]
        {
            let luma_stride = if format == PixelFormat::Rgb { 60 } else { 20 };
            let luma = luma_stride * 18;
            let mut planes = [Plane { offset: 0, stride: luma_stride }, Plane::default(), Plane::default()];
            for index in 0..chroma_planes {
                planes[index + 1] = Plane { offset: luma + index * 9 * chroma_stride, stride: chroma_stride };
            }
            let data: Vec<u8> =
                (0..luma + chroma_planes * 9 * chroma_stride).map(|at| (at % 251) as u8).collect();
            let data = Bytes::from(data);
            let frame = Frame {
                data,
                format,
                colour: Colour::default(),
                pixel_aspect: PixelAspect::SQUARE,
                width: 20,
                height: 18,
                planes,
                captured_at_ms: 0,
                sequence: 0,
                larger: None,
            };
            frame.validate().unwrap();
            let seen = frame.window(window);
            seen.validate().unwrap();
            let expected: Vec<Vec<u8>> = rows(&frame)
                .into_iter()
                .enumerate()
                .map(|(index, plane)| {
                    let stride = planes[index].stride;
                    let (x, y, row, rows) = match (format, index) {
                        (PixelFormat::Rgb, _) => (6, 2, 48, 16),
                        (_, 0) => (2, 2, 16, 16),
                        (PixelFormat::Nv12, _) => (2, 1, 16, 8),
                        (PixelFormat::I420, _) => (1, 1, 8, 8),
                    };
                    (y..y + rows).flat_map(|y| plane[y * stride + x..][..row].to_vec()).collect()
                })
                .collect();
            assert_eq!(rows(&seen), expected, "{format:?}");
        }
    }

    #[test]
    fn i420_with_odd_sizes_rounds_chroma_up() {
        let (w, h) = (17, 17);
        let frame = Frame {
            data: Bytes::from(vec![0; 17 * 17 + 2 * 9 * 9]),
            format: PixelFormat::I420,
            colour: Colour::default(),
            pixel_aspect: PixelAspect::SQUARE,
            width: w,
            height: h,
            planes: [
                Plane { offset: 0, stride: 17 },
                Plane { offset: 289, stride: 9 },
                Plane { offset: 370, stride: 9 },
            ],
            captured_at_ms: 0,
            sequence: 0,
            larger: None,
        };
        assert_eq!(frame.validate(), Ok(()));
    }
}
