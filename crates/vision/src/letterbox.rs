//! A frame scaled to fit a detector's input, what is left over filled with black, as a normalised tensor.

use crate::pixels::rgb_region;
use crate::resize::{Resizer, ScaleError};
use crate::spec::InputSpec;
use crate::tensor::{Tensor, from_rgb};
use menshen_domain::frame::{Frame, PixelFormat};

/// A scaled copy and how to get back: `frame = tensor / scale`.
pub struct Letterbox {
    /// 1 × 3 × height × width, the picture in the upper left corner.
    pub tensor: Tensor,
    /// Pixels of the tensor a pixel of the frame, at most 1.
    pub scale: f32,
}

/// Makes input tensors; keeps its buffers between calls.
pub struct Letterboxer {
    spec: InputSpec,
    free_size: bool,
    resizer: Resizer,
}

impl Letterboxer {
    /// `free_size`: the model takes smaller inputs than `spec` says, so that less is left over.
    pub fn new(spec: InputSpec, free_size: bool) -> Self {
        Self { spec, free_size, resizer: Resizer::default() }
    }

    /// The frame as an input tensor. The planes are scaled in their own layout; only the small copy is converted to colours.
    ///
    /// # Errors
    /// When the frame cannot be scaled.
    pub fn run(&mut self, frame: &Frame) -> Result<Letterbox, ScaleError> {
        let (in_w, in_h) = (self.spec.width as f32, self.spec.height as f32);
        let scale = (in_w / frame.width as f32).min(in_h / frame.height as f32).min(1.0);
        // Even sizes, so that half-size chroma stays half.
        let w = ((frame.width as f32 * scale) as u32 / 2 * 2).max(2);
        let h = ((frame.height as f32 * scale) as u32 / 2 * 2).max(2);
        let small = self.resizer.run(frame, w, h)?;
        Ok(Letterbox { tensor: self.to_tensor(&small), scale: w as f32 / frame.width as f32 })
    }

    fn to_tensor(&self, small: &Frame) -> Tensor {
        from_rgb(&packed_rgb(small), small.width as usize, self.input_size(small), &self.spec)
    }

    fn input_size(&self, small: &Frame) -> [usize; 2] {
        let fitting = |side: u32, most: u32| {
            if self.free_size { side.next_multiple_of(SIDE_STEP).min(most) } else { most }
        };
        [fitting(small.width, self.spec.width), fitting(small.height, self.spec.height)]
            .map(|side| side as usize)
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
    use crate::spec::ColourOrder;

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
