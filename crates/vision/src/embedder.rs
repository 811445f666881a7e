//! Embedding an aligned face: the input of the network, and its output as a feature of unit length.

use crate::align::{ALIGNED_SIDE, AlignedFace, mirror};
use crate::error::{OutputError, VisionError};
use crate::inference::{Network, Tensor};
use crate::spec::{EmbedderSpec, InputSpec, OutputSpec, SpecError};
use crate::tensor::{batch, from_rgb};
use menshen_domain::face::Embedding;

/// Name of the decoder: one 112 × 112 face in, one feature out, as ArcFace (Deng et al., CVPR 2019) has it.
pub const DECODER: &str = "arcface-112";

/// Whether a description fits the decoder.
///
/// # Errors
/// When the input is not 112 × 112, or there is more than one output.
pub fn check(input: &InputSpec, outputs: &OutputSpec) -> Result<(), SpecError> {
    let side = ALIGNED_SIDE as u32;
    if (input.width, input.height) != (side, side) {
        return Err(SpecError::Needs { decoder: DECODER, what: "a 112x112 input" });
    }
    if outputs.names.len() != 1 {
        return Err(SpecError::Needs { decoder: DECODER, what: "exactly one output" });
    }
    Ok(())
}

/// The aligned face, of the input's size, as the model's input tensor.
pub fn to_tensor(face: &[u8], spec: &InputSpec) -> Tensor {
    let [width, height] = [spec.width as usize, spec.height as usize];
    from_rgb(face, width, [width, height], spec)
}

/// A loaded embedder.
pub struct Embedder {
    /// The network.
    pub network: Network,
    /// Length and calibration of its features.
    pub spec: EmbedderSpec,
    /// Mean of the features of many people, subtracted from every feature; as long as a feature.
    pub population: Option<Vec<f32>>,
    /// Label of the features. Features with different labels cannot be compared.
    pub id: String,
    /// Whether the network takes several faces in one run.
    pub takes_batches: bool,
}

impl Embedder {
    /// The unit-length embedding of one aligned face; averaged with its mirrored self's where the model's
    /// description says so.
    ///
    /// # Errors
    /// When the network does not run, or gives no usable feature.
    pub fn embed(&mut self, aligned: &AlignedFace) -> Result<Embedding, VisionError> {
        let input = &self.network.input;
        let mut faces = vec![to_tensor(aligned, input)];
        if self.spec.mirror {
            faces.push(to_tensor(&mirror(aligned, ALIGNED_SIDE), input));
        }
        let views = faces.len();
        if self.takes_batches {
            faces = vec![batch(faces)];
        }
        let mut raw = Vec::new();
        for face in &faces {
            let output = self.network.inference.run(face)?.pop();
            raw.extend(output.map(|Tensor { data, .. }| data).unwrap_or_default());
        }
        to_embedding(&raw, views, self.spec, self.population.as_deref(), &self.id)
            .map_err(|reason| VisionError::Output { model: self.network.name.clone(), reason })
    }
}

/// The feature made of the raw vectors of one face's `views`, one after the other: their mean brought to length 1, less the
/// `population` mean, and brought to length 1 again. Its `norm` is that of the raw mean.
///
/// # Errors
/// When `raw` has another length than `views` features, or the feature has no direction.
pub fn to_embedding(
    raw: &[f32],
    views: usize,
    spec: EmbedderSpec,
    population: Option<&[f32]>,
    model: &str,
) -> Result<Embedding, OutputError> {
    let dimension = spec.dimension;
    if raw.len() != dimension * views {
        return Err(OutputError::Dimension { found: raw.len() / views.max(1), expected: dimension });
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
///
/// # Errors
/// When its length is zero or not a number; it is then left as it is.
pub fn normalise(vector: &mut [f32]) -> Result<f32, OutputError> {
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if !norm.is_finite() || norm < 1e-6 {
        return Err(OutputError::NoDirection);
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
    ) -> Result<Embedding, OutputError> {
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
