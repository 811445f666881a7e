//! Embedding an aligned face.

use super::align::ALIGNED_SIDE;
use super::catalogue::{ColourOrder, EmbedderSpec, InputSpec, ModelSpec};
use crate::inference::Tensor;
use menshen_domain::face::Embedding;

/// Whether a description fits the `arcface-112` layout: one 112×112 input, one output vector.
pub fn check(model: &ModelSpec) -> Result<EmbedderSpec, String> {
    let side = ALIGNED_SIDE as u32;
    if (model.input.width, model.input.height) != (side, side) {
        return Err(format!("decoder arcface-112 needs a {side}x{side} input"));
    }
    if model.outputs.names.len() != 1 {
        return Err("decoder arcface-112 needs exactly one output".to_owned());
    }
    model.embedder.ok_or_else(|| "decoder arcface-112 needs an [embedder] section".to_owned())
}

/// The aligned face, of the input's size, as the model's input tensor.
pub fn to_tensor(face: &[u8], spec: &InputSpec) -> Tensor {
    let (width, height) = (spec.width as usize, spec.height as usize);
    let order = match spec.colour {
        ColourOrder::Rgb => [0, 1, 2],
        ColourOrder::Bgr => [2, 1, 0],
    };
    let mut data = Vec::with_capacity(width * height * 3);
    for (plane, channel) in order.into_iter().enumerate() {
        data.extend(face.chunks_exact(3).map(|p| (f32::from(p[channel]) - spec.mean[plane]) * spec.scale));
    }
    Tensor { shape: vec![1, 3, height, width], data }
}

/// Several inputs of one face each as one.
pub fn batch(faces: Vec<Tensor>) -> Tensor {
    let shape = vec![faces.len(), 3, ALIGNED_SIDE, ALIGNED_SIDE];
    Tensor { shape, data: faces.into_iter().flat_map(|face| face.data).collect() }
}

/// Normalises the mean of the raw vectors of one face's `views`, takes the population's mean out and normalises again;
/// an error when the result is unusable. `norm` is that of the raw mean.
pub fn to_embedding(
    raw: &[f32],
    views: usize,
    spec: EmbedderSpec,
    population: Option<&[f32]>,
    model: &str,
) -> Result<Embedding, String> {
    let dimension = spec.dimension;
    if raw.len() != dimension * views {
        let a_face = raw.len() / views.max(1);
        return Err(format!("its output has {a_face} value(s) a face, its model.toml says {dimension}"));
    }
    let mut vector = vec![0.0f32; dimension];
    for view in raw.chunks_exact(dimension) {
        for (sum, value) in vector.iter_mut().zip(view) {
            *sum += value / views as f32;
        }
    }
    let norm = normalise(&mut vector)?;
    if let Some(population) = population {
        for (value, mean) in vector.iter_mut().zip(population) {
            *value -= mean;
        }
        normalise(&mut vector)?;
    }
    Ok(Embedding { model: model.to_owned(), vector, norm })
}

/// Brings a vector to length 1; its length before.
pub fn normalise(vector: &mut [f32]) -> Result<f32, String> {
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if !norm.is_finite() || norm < 1e-6 {
        return Err("the feature is zero or not a number".to_owned());
    }
    for value in vector {
        *value /= norm;
    }
    Ok(norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedding(
        raw: &[f32],
        dimension: usize,
        views: usize,
        mean: Option<&[f32]>,
    ) -> Result<Embedding, String> {
        let spec =
            EmbedderSpec { dimension, similarity_min: 0.0, similarity_threshold: 0.4, mirror: views == 2 };
        to_embedding(raw, views, spec, mean, "m")
    }

    #[test]
    fn unusable_features_are_refused() {
        assert!(embedding(&[0.0; 4], 4, 1, None).is_err());
        assert!(embedding(&[f32::NAN, 1.0], 2, 1, None).is_err());
        assert!(embedding(&[1.0], 2, 1, None).is_err());
        assert!(embedding(&[3.0, 4.0], 2, 2, None).is_err(), "one view is missing");
        let good = embedding(&[3.0, 4.0], 2, 1, None).unwrap();
        assert_eq!((good.vector, good.norm), (vec![0.6, 0.8], 5.0));
    }

    #[test]
    fn views_are_averaged_before_they_are_normalised() {
        let mean = embedding(&[6.0, 0.0, 0.0, 8.0], 2, 2, None).unwrap();
        assert_eq!((mean.vector, mean.norm), (vec![0.6, 0.8], 5.0));
    }

    #[test]
    fn what_all_have_in_common_is_taken_out() {
        let centred = embedding(&[3.0, 4.0], 2, 1, Some(&[0.6, 0.3])).unwrap();
        assert!((centred.norm - 5.0).abs() < 1e-6, "the quality signal stays the raw one");
        assert!(centred.vector[0].abs() < 1e-6 && (centred.vector[1] - 1.0).abs() < 1e-6);
        assert!(embedding(&[3.0, 4.0], 2, 1, Some(&[0.6, 0.8])).is_err(), "nobody in particular");
    }
}
