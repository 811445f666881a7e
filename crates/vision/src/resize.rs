//! Smaller copies of frames, plane by plane in its own layout.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3};
use fast_image_resize::{self as fir, FilterType, PixelTrait, ResizeAlg, ResizeOptions};

use crate::pixels::joined;
use menshen_domain::frame::{Frame, PixelFormat, Plane};

/// A frame could not be scaled.
#[derive(Debug, thiserror::Error)]
#[error("cannot scale a {width}x{height} frame: {reason}")]
pub struct ScaleError {
    width: u32,
    height: u32,
    reason: Reason,
}

/// Makes smaller copies; keeps its buffers between calls.
pub struct Resizer {
    resizer: fir::Resizer,
    options: ResizeOptions,
}

impl Default for Resizer {
    fn default() -> Self {
        // Bilinear convolution averages over the source pixels when shrinking, as area sampling would.
        // The second value of two is a colour of NV12, not an alpha to multiply with.
        let options =
            ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false);
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
        let layout: &[(Pixel, u32)] = match frame.format {
            PixelFormat::Rgb => &[(Pixel::Three, 1)],
            PixelFormat::I420 => &[(Pixel::One, 1), (Pixel::One, 2), (Pixel::One, 2)],
            PixelFormat::Nv12 => &[(Pixel::One, 1), (Pixel::Two, 2)],
        };
        let mut data = Vec::new();
        let mut planes = [Plane::default(); 3];
        for (index, &(pixel, divisor)) in layout.iter().enumerate() {
            let from = (frame.width.div_ceil(divisor), frame.height.div_ceil(divisor));
            let to = (w.div_ceil(divisor), h.div_ceil(divisor));
            let packed = packed_plane(frame, index, from.0 as usize * pixel.bytes(), from.1 as usize);
            let scaled = match pixel {
                Pixel::One => self.scale::<U8>(&packed, from, to),
                Pixel::Two => self.scale::<U8x2>(&packed, from, to),
                Pixel::Three => self.scale::<U8x3>(&packed, from, to),
            };
            let wrong = |reason| ScaleError { width: frame.width, height: frame.height, reason };
            planes[index] = Plane { offset: data.len(), stride: to.0 as usize * pixel.bytes() };
            data.extend_from_slice(&scaled.map_err(wrong)?);
        }
        Ok(Frame { data: data.into(), planes, width: w, height: h, ..frame.clone() })
    }

    /// One packed plane. By pixel type: the library's untyped call would be compiled for all its 13 types, which takes
    /// minutes.
    fn scale<P: PixelTrait>(
        &mut self,
        plane: &[u8],
        (from_w, from_h): (u32, u32),
        (to_w, to_h): (u32, u32),
    ) -> Result<Vec<u8>, Reason> {
        let source = TypedImageRef::<P>::from_buffer(from_w, from_h, plane)?;
        let mut scaled = vec![0; to_w as usize * to_h as usize * P::size()];
        let mut target = TypedImage::<P>::from_buffer(to_w, to_h, &mut scaled)?;
        self.resizer.resize_typed(&source, &mut target, &self.options)?;
        Ok(scaled)
    }
}

/// What the library says is wrong with a plane.
#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error(transparent)]
    Plane(#[from] fir::ImageBufferError),
    #[error(transparent)]
    Resize(#[from] fir::ResizeError),
}

/// Bytes of a pixel of one plane.
#[derive(Clone, Copy)]
enum Pixel {
    One,
    Two,
    Three,
}

impl Pixel {
    fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Chroma of NV12 whose V is zero keeps its U: the two are colours, neither is the weight of the other.
    #[test]
    fn chroma_values_do_not_weigh_each_other() {
        let (w, h) = (32u32, 32u32);
        let mut data = vec![100u8; (w * h) as usize];
        data.extend((0..w * h / 4).flat_map(|_| [180u8, 0]));
        let luma = Plane { offset: 0, stride: w as usize };
        let chroma = Plane { offset: (w * h) as usize, stride: w as usize };
        let plain = Frame::from_rgb(w, h, vec![0; (w * h * 3) as usize], 0).unwrap();
        let frame = Frame {
            data: data.into(),
            planes: [luma, chroma, Plane::default()],
            format: PixelFormat::Nv12,
            ..plain
        };
        let small = Resizer::default().run(&frame, 16, 16).unwrap();
        assert!(small.plane(0)[..256].iter().all(|luma| *luma == 100));
        assert!(small.plane(1)[..128].chunks(2).all(|uv| uv == [180, 0]), "{:?}", small.plane(1));
    }
}
