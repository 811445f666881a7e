//! Whether two forms of a model give the same answers, measured on made pictures: nothing needs to be shipped, and a box
//! in the field can repeat it. `menshen models check` repeats it on real photos.

use std::path::Path;
use std::time::Instant;

use crate::description::ModelSpec;
use crate::optimize::OptimizeError;
use menshen_vision::inference::{Inference, InferenceLoader, Placement, Tensor};

/// Answers are equal from this cosine on.
pub const COSINE_MIN: f64 = 0.9999;

/// And on an accelerator, which works in 16 bits: the 8 bits of bfloat16's mantissa leave SFace 0.9996 on these pictures,
/// which are harder than faces. A wrong kernel or layout is far below it.
pub const ACCELERATED_COSINE_MIN: f64 = 0.999;

/// And in 8-bit integers. Made pictures are no faces, which the ranges were measured on, so this only distinguishes a form that works
/// from one that does not; how well it recognises was measured when it was made ([`Loss`](crate::optimize::Loss)).
pub const INT8_COSINE_MIN: f64 = 0.9;

/// Pictures compared: flat, smooth and noisy ones, so that small and large activations both occur.
const PICTURES: usize = 6;

/// Compares an optimised file with the original, both on the CPU; the least cosine over all outputs and pictures.
///
/// # Errors
/// The first output that differs, and when a form cannot be loaded or run.
pub fn verify_equivalence(
    model: &ModelSpec,
    loader: &dyn InferenceLoader,
    optimized: &Path,
) -> Result<f64, OptimizeError> {
    equal(model, loader, (optimized, Placement::Cpu), COSINE_MIN)
}

/// The same for the original on the accelerator.
///
/// # Errors
/// As [`verify_equivalence`].
pub fn verify_accelerated(model: &ModelSpec, loader: &dyn InferenceLoader) -> Result<f64, OptimizeError> {
    equal(model, loader, (&model.path(), Placement::Accelerator), ACCELERATED_COSINE_MIN)
}

/// The same for the form in 8-bit integers on the accelerator.
///
/// # Errors
/// As [`verify_equivalence`].
pub fn verify_int8(
    model: &ModelSpec,
    loader: &dyn InferenceLoader,
    int8: &Path,
) -> Result<f64, OptimizeError> {
    equal(model, loader, (int8, Placement::Accelerator), INT8_COSINE_MIN)
}

/// Compares a file in a place with the original on the CPU.
fn equal(
    model: &ModelSpec,
    loader: &dyn InferenceLoader,
    (path, place): (&Path, Placement),
    cosine_min: f64,
) -> Result<f64, OptimizeError> {
    let load = |path: &Path, place| loader.load(path, &model.input.name, &model.outputs.names, place);
    let (mut original, mut other) = (load(&model.path(), Placement::Cpu)?, load(path, place)?);
    let mut least = 1.0f64;
    for index in 0..PICTURES {
        let picture = made_picture(model, index);
        least = least.min(compare(model, original.as_mut(), other.as_mut(), &picture, cosine_min)?);
    }
    Ok(least)
}

fn compare(
    model: &ModelSpec,
    original: &mut dyn Inference,
    other: &mut dyn Inference,
    picture: &Tensor,
    cosine_min: f64,
) -> Result<f64, OptimizeError> {
    let (expected, found) = (original.run(picture)?, other.run(picture)?);
    let mut least = 1.0f64;
    for ((name, expected), found) in model.outputs.names.iter().zip(&expected).zip(&found) {
        let cosine = cosine(&expected.data, &found.data);
        if expected.data.len() != found.data.len() || cosine < cosine_min || cosine.is_nan() {
            return Err(OptimizeError::Differs { output: name.clone(), cosine, cosine_min });
        }
        least = least.min(cosine);
    }
    Ok(least)
}

/// Cosine of two vectors, -1 to 1; 1 for two zero vectors, which are equal.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let (aa, bb) = (dot(a, a), dot(b, b));
    match (aa > 0.0, bb > 0.0) {
        (false, false) => 1.0,
        (true, true) => dot(a, b) / (aa * bb).sqrt(),
        _ => 0.0,
    }
}

/// Milliseconds one run takes, the median of a few.
///
/// # Errors
/// When the file cannot be loaded or run.
pub fn milliseconds_a_run(
    model: &ModelSpec,
    loader: &dyn InferenceLoader,
    path: &Path,
    place: Placement,
) -> Result<f64, OptimizeError> {
    const RUNS: usize = 15;
    let mut inference = loader.load(path, &model.input.name, &model.outputs.names, place)?;
    let picture = made_picture(model, 1);
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let started = Instant::now();
        inference.run(&picture)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}

/// A picture of soft blobs with more noise the higher its number, normalised as the model wants it.
fn made_picture(model: &ModelSpec, index: usize) -> Tensor {
    let (width, height) = (model.input.width as usize, model.input.height as usize);
    let noise = index as f32 / PICTURES as f32 * 120.0;
    let mut state = 0x9E37_79B9u32.wrapping_mul(index as u32 + 1) | 1;
    let mut random = move || {
        // xorshift32 (Marsaglia 2003): the same pictures everywhere.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32
    };
    let mut data = Vec::with_capacity(3 * width * height);
    for plane in 0..3 {
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
                let wave = (u * (3.0 + index as f32)).sin() * (v * 5.0 + plane as f32).cos();
                let value = (128.0 + 90.0 * wave + noise * (random() - 0.5)).clamp(0.0, 255.0);
                data.push((value - model.input.mean[plane]) * model.input.scale);
            }
        }
    }
    Tensor { shape: vec![1, 3, height, width], data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_of_equal_opposite_and_empty() {
        assert!((cosine(&[1.0, 2.0], &[2.0, 4.0]) - 1.0).abs() < 1e-12);
        assert!((cosine(&[1.0, 0.0], &[-1.0, 0.0]) + 1.0).abs() < 1e-12);
        assert!((cosine(&[0.0], &[0.0]) - 1.0).abs() < 1e-12);
        assert!(cosine(&[0.0], &[1.0]).abs() < 1e-12);
    }
}
