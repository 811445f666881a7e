//! What a description of a model says of its input, its output and its calibration: plain data, and whether it fits the code that
//! decodes the model.
//!
//! Descriptions are read elsewhere (`menshen-models`); here are the values that the chain works with.

use serde::Deserialize;

use menshen_domain::attributes::Gender;

/// Order of the colour planes a model expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// `[input]`: an NCHW f32 tensor; `value = (pixel − mean) × scale`, per plane in the model's order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Name of the input in the model's graph.
    pub name: String,
    /// Width, px; the largest where the model takes any size.
    pub width: u32,
    /// Height, px; as `width`.
    pub height: u32,
    /// Which plane comes first.
    pub colour: ColourOrder,
    /// What is subtracted from the pixels (0–255) of each plane.
    pub mean: [f32; 3],
    /// What the difference is multiplied by.
    pub scale: f32,
}

/// `[outputs]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Names of the outputs in the model's graph, in the order the decoder expects.
    pub names: Vec<String>,
}

/// `[detector]`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSpec {
    /// Faces below this confidence are not returned, 0–1.
    pub score_min: f32,
    /// Of two boxes that overlap by more than this (intersection over union, 0–1), the weaker is dropped.
    pub nms_iou: f32,
}

/// `[[refinement_passes]]`: a face that is to be embedded is cut out and detected again, for steadier landmarks (see
/// [`refine`](crate::refine)).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefinementPass {
    /// Longer side of the face's box in the cut-out, px.
    pub face_px: u32,
    /// Side of the cut-out where the frame is large enough, px.
    pub side_px: u32,
    /// Whether the cut-out is mirrored.
    #[serde(default)]
    pub mirrored: bool,
}

/// `[tilted]`: a face that seems tilted is detected once in this size, which shows by how much, turned upright by that, and
/// detected again as `[[refinement_passes]]` say.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiltedSpec {
    /// Tilt from which on a face is turned, degrees, as the refinement passes measure it.
    pub from_deg: f32,
    /// Where the detector's score is below this, a face may be tilted whatever the refinement passes measure.
    pub sure_score: f32,
    /// Share of a tilt that the refinement passes measure, 0–1.
    #[serde(alias = "share_told")]
    pub reported_share: f32,
    /// As [`RefinementPass::face_px`].
    pub face_px: u32,
    /// As [`RefinementPass::side_px`].
    pub side_px: u32,
}

/// `[turned]`: which way up a face is, where it does not score as an upright one. The detector lays upright landmarks on a face that lies
/// on its side or stands on its head, and the features of such faces are all alike.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TurnedSpec {
    /// A face that scores this in a refinement pass is upright; hardly any turned one does.
    pub upright_score: f32,
    /// By how much a turned way up must score more than every other way; a face that is better turned, but not by this, is refused.
    pub margin: f32,
    /// Where the face scores this as one on its side, upright must score more by the margin: a covered or blurred face scores little
    /// in every way up, one that lies on its side much in several. Absent: upright need only be the best.
    #[serde(default = "never_scored")]
    pub turned_score: f32,
}

/// No face scores more than 1.
fn never_scored() -> f32 {
    2.0
}

/// `[embedder]`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderSpec {
    /// Values of a feature.
    pub dimension: usize,
    /// Raw similarity (cosine) that maps to the lowest score.
    pub similarity_min: f32,
    /// The model's own calibrated match threshold, a raw similarity.
    pub similarity_threshold: f32,
    /// Every face is embedded a second time, mirrored, and the two are averaged: twice the work, fewer errors.
    #[serde(default)]
    pub mirror: bool,
}

/// `[population]`: what features of many different people have in common, which says nothing about any one of them. It is
/// subtracted from every feature (centring), which sharpens both verification and search (docs/recognition/models.md).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopulationSpec {
    /// Mean of the unit-length features of the population, as `menshen bench calibrate` prints it.
    pub mean: Vec<f32>,
}

/// `[liveness]`: one network of passive liveness, which sees a face and what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessSpec {
    /// Side of what is cut out, in sides of the face's box.
    pub crop_scale: f32,
    /// Classes of the output.
    pub classes: usize,
    /// Which of them means a living face, counted from 0.
    pub live_class: usize,
}

/// `[age]`: one value for each year of age, which add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeSpec {
    /// What is cut out beyond the face on each side, in widths of the face.
    pub padding: f32,
    /// Ages it knows: 0 to this many less one.
    pub years: usize,
    /// Years that the first of them, the youngest children, counts for.
    pub first_year: f32,
}

/// `[gender]`: two values, which add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenderSpec {
    /// As [`AgeSpec::padding`].
    pub padding: f32,
    /// Which value is whose.
    pub order: [Gender; 2],
}

/// Why a description does not fit the code that decodes the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// There is no such decoder for models of this role.
    #[error("no {role} decoder `{found}`; there is {known}")]
    Decoder {
        /// Role of the model.
        role: &'static str,
        /// What the description names.
        found: String,
        /// What there is.
        known: &'static str,
    },
    /// The number of outputs is wrong.
    #[error("decoder {decoder} needs {expected} outputs, the description names {found}")]
    Outputs {
        /// The decoder.
        decoder: &'static str,
        /// How many it reads.
        expected: usize,
        /// How many are named.
        found: usize,
    },
    /// Something else that the decoder relies on is missing.
    #[error("decoder {decoder} needs {what}")]
    Needs {
        /// The decoder.
        decoder: &'static str,
        /// What is missing: `a square input`.
        what: &'static str,
    },
    /// Values do not go together.
    #[error("{0}")]
    Rule(&'static str),
    /// A value is outside its range.
    #[error("{key} must be {allowed}")]
    Value {
        /// Path of the key: `age.years`.
        key: &'static str,
        /// What it may be: `2 to 150`.
        allowed: &'static str,
    },
}

impl AgeSpec {
    /// Name of the decoder of this form.
    pub const DECODER: &'static str = "age-years";

    /// Whether a description fits the decoder: a square face in, one list of years out.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, input: &InputSpec, outputs: &OutputSpec) -> Result<(), SpecError> {
        check_face(Self::DECODER, input, outputs, "age.padding", self.padding)?;
        if !(2..=150).contains(&self.years) {
            return Err(SpecError::Value { key: "age.years", allowed: "2 to 150" });
        }
        if !(0.0..=1.0).contains(&self.first_year) {
            return Err(SpecError::Value { key: "age.first_year", allowed: "0 to 1" });
        }
        Ok(())
    }
}

impl GenderSpec {
    /// Name of the decoder of this form.
    pub const DECODER: &'static str = "gender-pair";

    /// Whether a description fits the decoder: a square face in, two values out.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, input: &InputSpec, outputs: &OutputSpec) -> Result<(), SpecError> {
        check_face(Self::DECODER, input, outputs, "gender.padding", self.padding)?;
        if self.order[0] == self.order[1] {
            return Err(SpecError::Rule("gender.order must name female and male"));
        }
        Ok(())
    }
}

/// What both have in common.
fn check_face(
    decoder: &'static str,
    input: &InputSpec,
    outputs: &OutputSpec,
    key: &'static str,
    padding: f32,
) -> Result<(), SpecError> {
    if input.width != input.height {
        return Err(SpecError::Needs { decoder, what: "a square input" });
    }
    if outputs.names.len() != 1 {
        return Err(SpecError::Needs { decoder, what: "exactly one output" });
    }
    if !(0.0..=2.0).contains(&padding) {
        return Err(SpecError::Value { key, allowed: "0 to 2" });
    }
    Ok(())
}
