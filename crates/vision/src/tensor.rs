//! Tensors, and the one place where pixels become a network's input.

use crate::spec::{ColourOrder, InputSpec};

/// A dense f32 tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each axis, the slowest first: N, channels, height, width for a picture.
    pub shape: Vec<usize>,
    /// As many values as the product of `shape`.
    pub data: Vec<f32>,
}

/// A picture of packed RGB, `picture_width` px wide, as a network's input of shape 1 × 3 × `height` × `width`: the picture lies in
/// the upper left corner, what is left over is black.
pub fn from_rgb(rgb: &[u8], picture_width: usize, [width, height]: [usize; 2], spec: &InputSpec) -> Tensor {
    let area = width * height;
    let mut data = Vec::with_capacity(area * 3);
    if rgb.len() == area * 3 && picture_width == width {
        data.resize(area * 3, 0.0);
    } else {
        // What is left over is black.
        for mean in spec.mean {
            data.resize(data.len() + area, -mean * spec.scale);
        }
    }
    let rows = rgb.chunks_exact(picture_width * 3);
    let rows = rows.map(|row| row.as_chunks::<3>().0.iter().map(|pixel| pixel.map(f32::from)));
    filled(data, [width, height], spec, rows)
}

/// A picture sampled pixel by pixel as a network's input of shape 1 × 3 × height × width; `rows` give red, green and blue, 0–255.
pub fn from_samples<R: Iterator<Item = [f32; 3]>>(rows: impl Iterator<Item = R>, spec: &InputSpec) -> Tensor {
    let (width, height) = (spec.width as usize, spec.height as usize);
    filled(vec![0.0; width * height * 3], [width, height], spec, rows)
}

fn filled<R: Iterator<Item = [f32; 3]>>(
    mut data: Vec<f32>,
    [width, height]: [usize; 2],
    spec: &InputSpec,
    rows: impl Iterator<Item = R>,
) -> Tensor {
    // The order is known while compiling: pixels then stay in registers.
    match spec.colour {
        ColourOrder::Rgb => fill::<0, R>(&mut data, width, spec, rows),
        ColourOrder::Bgr => fill::<2, R>(&mut data, width, spec, rows),
    }
    Tensor { shape: vec![1, 3, height, width], data }
}

/// Writes all three planes in one pass; `FIRST` is the channel of the first plane, the last plane has the one opposite.
fn fill<const FIRST: usize, R: Iterator<Item = [f32; 3]>>(
    data: &mut [f32],
    width: usize,
    spec: &InputSpec,
    rows: impl Iterator<Item = R>,
) {
    let (scale, mean) = (spec.scale, spec.mean);
    let area = data.len() / 3;
    let (first, rest) = data.split_at_mut(area);
    let (second, third) = rest.split_at_mut(area);
    let planes =
        first.chunks_exact_mut(width).zip(second.chunks_exact_mut(width)).zip(third.chunks_exact_mut(width));
    for (row, ((a, b), c)) in rows.zip(planes) {
        for (((rgb, a), b), c) in row.zip(a).zip(b).zip(c) {
            *a = (rgb[FIRST] - mean[0]) * scale;
            *b = (rgb[1] - mean[1]) * scale;
            *c = (rgb[2 - FIRST] - mean[2]) * scale;
        }
    }
}

/// Several inputs of one picture each and of one shape as one input.
pub fn batch(pictures: Vec<Tensor>) -> Tensor {
    let mut shape = pictures.first().map(|first| first.shape.clone()).unwrap_or_default();
    if let Some(count) = shape.first_mut() {
        *count = pictures.len();
    }
    Tensor { shape, data: pictures.into_iter().flat_map(|picture| picture.data).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(colour: ColourOrder) -> InputSpec {
        InputSpec { name: String::new(), width: 2, height: 2, colour, mean: [10.0, 20.0, 30.0], scale: 0.5 }
    }

    #[test]
    fn planes_come_in_the_models_order_and_the_rest_is_black() {
        // Two pixels in the first row of 2 × 2.
        let rgb = [50, 60, 70, 80, 90, 100];
        let tensor = from_rgb(&rgb, 2, [2, 2], &spec(ColourOrder::Rgb));
        assert_eq!(tensor.shape, [1, 3, 2, 2]);
        assert_eq!(tensor.data, [20.0, 35.0, -5.0, -5.0, 20.0, 35.0, -10.0, -10.0, 20.0, 35.0, -15.0, -15.0]);
        let tensor = from_rgb(&rgb, 1, [2, 2], &spec(ColourOrder::Bgr));
        assert_eq!(tensor.data, [30.0, -5.0, 45.0, -5.0, 20.0, -10.0, 35.0, -10.0, 10.0, -15.0, 25.0, -15.0]);
    }

    #[test]
    fn samples_and_pixels_give_the_same() {
        let rgb: Vec<u8> = (0..12).map(|value| value * 20).collect();
        for colour in [ColourOrder::Rgb, ColourOrder::Bgr] {
            let pixel = |at: usize| [rgb[at * 3], rgb[at * 3 + 1], rgb[at * 3 + 2]].map(f32::from);
            let rows = (0..2).map(|row| (0..2).map(move |column| pixel(row * 2 + column)));
            assert_eq!(from_samples(rows, &spec(colour)), from_rgb(&rgb, 2, [2, 2], &spec(colour)));
        }
    }

    #[test]
    fn a_batch_is_its_pictures_one_after_the_other() {
        let one = Tensor { shape: vec![1, 3, 1, 1], data: vec![1.0, 2.0, 3.0] };
        let both = batch(vec![one.clone(), one]);
        assert_eq!((both.shape, both.data), (vec![2, 3, 1, 1], vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0]));
    }
}
