//! A frame scaled to fit a detector's input, the rest filled with black, as a normalised tensor.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::catalogue::{ColourOrder, InputSpec};
use crate::core::frame::{Frame, PixelFormat, Plane};
use crate::ports::inference::Tensor;

/// A scaled copy and how to get back: `frame = tensor / scale`.
pub struct Letterbox {
    pub tensor: Tensor,
    pub scale: f32,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot scale a {width}x{height} frame: {reason}")]
pub struct ScaleError {
    width: u32,
    height: u32,
    reason: String,
}

/// Scales frames; keeps its buffers between calls.
pub struct Letterboxer {
    spec: InputSpec,
    resizer: Resizer,
    options: ResizeOptions,
}

impl Letterboxer {
    pub fn new(spec: InputSpec) -> Self {
        // Bilinear convolution averages over the source pixels when shrinking, as area sampling would.
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Self { spec, resizer: Resizer::new(), options }
    }

    /// The planes are scaled in their own layout; only the small copy is converted to colours.
    pub fn run(&mut self, frame: &Frame) -> Result<Letterbox, ScaleError> {
        let (in_w, in_h) = (self.spec.width as f32, self.spec.height as f32);
        let scale = (in_w / frame.width as f32).min(in_h / frame.height as f32).min(1.0);
        // Even sizes, so that half-size chroma stays half.
        let w = ((frame.width as f32 * scale) as u32 / 2 * 2).max(2);
        let h = ((frame.height as f32 * scale) as u32 / 2 * 2).max(2);
        let small = self.shrink(frame, w, h)?;
        Ok(Letterbox { tensor: self.to_tensor(&small), scale: w as f32 / frame.width as f32 })
    }

    fn shrink(&mut self, frame: &Frame, w: u32, h: u32) -> Result<Frame, ScaleError> {
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

    fn to_tensor(&self, small: &Frame) -> Tensor {
        let (in_w, in_h) = (self.spec.width as usize, self.spec.height as usize);
        let area = in_w * in_h;
        let order = match self.spec.colour {
            ColourOrder::Rgb => [0, 1, 2],
            ColourOrder::Bgr => [2, 1, 0],
        };
        let black: [f32; 3] = self.spec.mean.map(|mean| -mean * self.spec.scale);
        let mut data = Vec::with_capacity(area * 3);
        for value in black {
            data.resize(data.len() + area, value);
        }
        for y in 0..small.height as usize {
            for x in 0..small.width as usize {
                let rgb = super::pixels::rgb_at(small, x, y);
                for (plane, channel) in order.into_iter().enumerate() {
                    data[plane * area + y * in_w + x] =
                        (f32::from(rgb[channel]) - self.spec.mean[plane]) * self.spec.scale;
                }
            }
        }
        Tensor { shape: vec![1, 3, in_h, in_w], data }
    }
}

/// The plane without padding; borrowed when it has none.
fn packed_plane(frame: &Frame, index: usize, row: usize, rows: usize) -> std::borrow::Cow<'_, [u8]> {
    let plane = frame.plane(index);
    let stride = frame.planes[index].stride;
    if stride == row {
        return (&plane[..row * rows]).into();
    }
    plane.chunks(stride).take(rows).flat_map(|line| &line[..row]).copied().collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> InputSpec {
        InputSpec {
            name: "input".into(),
            width: 64,
            height: 64,
            colour: ColourOrder::Bgr,
            mean: [0.0; 3],
            scale: 1.0,
        }
    }

    #[test]
    fn wide_frames_fill_the_width_and_leave_black_below() {
        let rgb: Vec<u8> = (0..128 * 64).flat_map(|_| [200, 100, 50]).collect();
        let frame = Frame::from_rgb(128, 64, rgb, 0).unwrap();
        let Letterbox { tensor, scale } = Letterboxer::new(spec()).run(&frame).unwrap();
        assert!((scale - 0.5).abs() < 1e-6);
        assert_eq!(tensor.shape, [1, 3, 64, 64]);
        assert!((tensor.data[0] - 50.0).abs() < 1.5, "blue first");
        assert!((tensor.data[2 * 64 * 64] - 200.0).abs() < 1.5, "red last");
        assert!(tensor.data[33 * 64].abs() < 1e-6, "below the picture it is black");
    }
}
