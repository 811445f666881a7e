//! Smaller copies of frames, plane by plane in its own layout.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{self as fir, FilterType, PixelType, ResizeAlg, ResizeOptions};

use crate::pixels::joined;
use menshen_domain::frame::{Frame, PixelFormat, Plane};

/// A frame could not be scaled.
#[derive(Debug, thiserror::Error)]
#[error("cannot scale a {width}x{height} frame: {reason}")]
pub struct ScaleError {
    width: u32,
    height: u32,
    reason: String,
}

/// Makes smaller copies; keeps its buffers between calls.
pub struct Resizer {
    resizer: fir::Resizer,
    options: ResizeOptions,
}

impl Default for Resizer {
    fn default() -> Self {
        // Bilinear convolution averages over the source pixels when shrinking, as area sampling would.
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Self { resizer: fir::Resizer::new(), options }
    }
}

impl Resizer {
    /// A copy of `w` × `h` px in the frame's own layout; both are even.
    ///
    /// # Errors
    /// When a plane of the frame is shorter than its size says, or a side is zero.
    pub fn run(&mut self, frame: &Frame, w: u32, h: u32) -> Result<Frame, ScaleError> {
        if (w, h) == (frame.width, frame.height) {
            return Ok(frame.clone());
        }
        let layout: &[(PixelType, u32)] = match frame.format {
            PixelFormat::Rgb => &[(PixelType::U8x3, 1)],
            PixelFormat::I420 => &[(PixelType::U8, 1), (PixelType::U8, 2), (PixelType::U8, 2)],
            PixelFormat::Nv12 => &[(PixelType::U8, 1), (PixelType::U8x2, 2)],
        };
        let mut data = Vec::new();
        let mut planes = [Plane::default(); 3];
        for (index, &(kind, divisor)) in layout.iter().enumerate() {
            let wrong = |reason: String| ScaleError { width: frame.width, height: frame.height, reason };
            let source_w = frame.width.div_ceil(divisor);
            let source_h = frame.height.div_ceil(divisor);
            let row = source_w as usize * kind.size();
            let packed = packed_plane(frame, index, row, source_h as usize);
            let source =
                ImageRef::new(source_w, source_h, &packed, kind).map_err(|e| wrong(e.to_string()))?;
            let (target_w, target_h) = (w.div_ceil(divisor), h.div_ceil(divisor));
            let mut target = Image::new(target_w, target_h, kind);
            self.resizer.resize(&source, &mut target, &self.options).map_err(|e| wrong(e.to_string()))?;
            planes[index] = Plane { offset: data.len(), stride: target_w as usize * kind.size() };
            data.extend_from_slice(target.buffer());
        }
        Ok(Frame { data: data.into(), planes, width: w, height: h, ..frame.clone() })
    }
}

/// The plane without padding; borrowed when it has none.
fn packed_plane(frame: &Frame, index: usize, row: usize, rows: usize) -> std::borrow::Cow<'_, [u8]> {
    let plane = frame.plane(index);
    let stride = frame.planes[index].stride;
    if stride == row {
        return (&plane[..row * rows]).into();
    }
    joined(plane.chunks(stride).take(rows).map(|line| &line[..row]), row * rows).into()
}
