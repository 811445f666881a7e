//! A frame scaled to fit a detector's input, what is left over filled with black, as a normalised tensor.

use super::catalogue::{ColourOrder, InputSpec};
use super::pixels::rgb_region;
use super::resize::{Resizer, ScaleError};
use crate::inference::Tensor;
use menshen_domain::frame::{Frame, PixelFormat};

/// A scaled copy and how to get back: `frame = tensor / scale`.
pub struct Letterbox {
    pub tensor: Tensor,
    pub scale: f32,
}

/// Makes input tensors; keeps its buffers between calls.
pub struct Letterboxer {
    spec: InputSpec,
    /// Whether the model takes smaller inputs than `spec` says, so that less is left over.
    free_size: bool,
    shrinker: Resizer,
}

impl Letterboxer {
    pub fn new(spec: InputSpec, free_size: bool) -> Self {
        Self { spec, free_size, shrinker: Resizer::default() }
    }

    /// The planes are scaled in their own layout; only the small copy is converted to colours.
    pub fn run(&mut self, frame: &Frame) -> Result<Letterbox, ScaleError> {
        let (in_w, in_h) = (self.spec.width as f32, self.spec.height as f32);
        let scale = (in_w / frame.width as f32).min(in_h / frame.height as f32).min(1.0);
        // Even sizes, so that half-size chroma stays half.
        let w = ((frame.width as f32 * scale) as u32 / 2 * 2).max(2);
        let h = ((frame.height as f32 * scale) as u32 / 2 * 2).max(2);
        let small = self.shrinker.run(frame, w, h)?;
        Ok(Letterbox { tensor: self.to_tensor(&small), scale: w as f32 / frame.width as f32 })
    }

    fn to_tensor(&self, small: &Frame) -> Tensor {
        let (in_w, in_h) = self.input_size(small);
        let area = in_w * in_h;
        let order = match self.spec.colour {
            ColourOrder::Rgb => [0, 1, 2],
            ColourOrder::Bgr => [2, 1, 0],
        };
        let width = small.width as usize;
        let rgb = packed_rgb(small);
        let (scale, mean) = (self.spec.scale, self.spec.mean);
        // What is left over is black.
        let mut data = Vec::with_capacity(area * 3);
        for mean in mean {
            data.resize(data.len() + area, -mean * scale);
        }
        let (first, rest) = data.split_at_mut(area);
        let (second, third) = rest.split_at_mut(area);
        let planes =
            first.chunks_exact_mut(in_w).zip(second.chunks_exact_mut(in_w)).zip(third.chunks_exact_mut(in_w));
        for (row, ((a, b), c)) in rgb.chunks_exact(width * 3).zip(planes) {
            for (((pixel, a), b), c) in row.as_chunks::<3>().0.iter().zip(a).zip(b).zip(c) {
                *a = (f32::from(pixel[order[0]]) - mean[0]) * scale;
                *b = (f32::from(pixel[order[1]]) - mean[1]) * scale;
                *c = (f32::from(pixel[order[2]]) - mean[2]) * scale;
            }
        }
        Tensor { shape: vec![1, 3, in_h, in_w], data }
    }

    fn input_size(&self, small: &Frame) -> (usize, usize) {
        let fitting = |side: u32, most: u32| {
            if self.free_size { side.next_multiple_of(SIDE_STEP).min(most) } else { most }
        };
        (fitting(small.width, self.spec.width) as usize, fitting(small.height, self.spec.height) as usize)
    }
}

/// The whole picture as packed RGB; borrowed where it is that already.
fn packed_rgb(frame: &Frame) -> std::borrow::Cow<'_, [u8]> {
    let (width, height) = (frame.width as usize, frame.height as usize);
    if frame.format == PixelFormat::Rgb && frame.planes[0].stride == width * 3 {
        return frame.plane(0)[..width * height * 3].into();
    }
    rgb_region(frame, 0, 0, width, height).0.into()
}

/// Detectors halve their input five times.
const SIDE_STEP: u32 = 32;

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
        let Letterbox { tensor, scale } = Letterboxer::new(spec(), false).run(&frame).unwrap();
        assert!((scale - 0.5).abs() < 1e-6);
        assert_eq!(tensor.shape, [1, 3, 64, 64]);
        assert!((tensor.data[0] - 50.0).abs() < 1.5, "blue first");
        assert!((tensor.data[2 * 64 * 64] - 200.0).abs() < 1.5, "red last");
        assert!(tensor.data[33 * 64].abs() < 1e-6, "below the picture it is black");
    }
    #[test]
    fn a_model_of_any_size_gets_what_just_fits() {
        let rgb: Vec<u8> = (0..128 * 40).flat_map(|_| [200, 100, 50]).collect();
        let frame = Frame::from_rgb(128, 40, rgb, 0).unwrap();
        let tensor = Letterboxer::new(spec(), true).run(&frame).unwrap().tensor;
        assert_eq!(tensor.shape, [1, 3, 32, 64]);
        assert!((tensor.data[19 * 64] - 50.0).abs() < 1.5 && tensor.data[20 * 64].abs() < 1e-6);
        let small = Frame::from_rgb(20, 20, vec![9; 1200], 0).unwrap();
        let tensor = Letterboxer::new(spec(), true).run(&small).unwrap().tensor;
        assert_eq!(tensor.shape, [1, 3, 32, 32], "nothing is scaled up");
        assert!((tensor.data[19] - 9.0).abs() < 1e-6 && tensor.data[20].abs() < 1e-6);
    }
}
