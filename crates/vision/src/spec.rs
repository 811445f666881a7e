//! What a `model.toml` says of a network that guesses age or gender.

use serde::Deserialize;

use crate::catalogue::ModelSpec;
use menshen_domain::attributes::Gender;

/// `[age]`: one value for each year of age, which add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgeSpec {
    /// What is cut out beyond the face on each side, in widths of the face (see `chip`).
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

impl AgeSpec {
    pub fn of(model: &ModelSpec) -> Result<Self, String> {
        let spec = model.age.ok_or_else(|| "a model of age needs an [age] section".to_owned())?;
        check_face(model, "age-years", spec.padding)?;
        if !(2..=150).contains(&spec.years) {
            return Err("age.years must be 2 to 150".to_owned());
        }
        if !(0.0..=1.0).contains(&spec.first_year) {
            return Err("age.first_year must be 0 to 1".to_owned());
        }
        Ok(spec)
    }
}

impl GenderSpec {
    pub fn of(model: &ModelSpec) -> Result<Self, String> {
        let spec = model.gender.ok_or_else(|| "a model of gender needs a [gender] section".to_owned())?;
        check_face(model, "gender-pair", spec.padding)?;
        if spec.order[0] == spec.order[1] {
            return Err("gender.order must name female and male".to_owned());
        }
        Ok(spec)
    }
}

/// What both have in common: a square face in, one list of values out.
fn check_face(model: &ModelSpec, decoder: &str, padding: f32) -> Result<(), String> {
    if model.decoder != decoder {
        return Err(format!("no {} decoder `{}`; there is {decoder}", model.role, model.decoder));
    }
    if model.input.width != model.input.height {
        return Err(format!("decoder {decoder} needs a square input"));
    }
    if model.outputs.names.len() != 1 {
        return Err(format!("decoder {decoder} needs exactly one output"));
    }
    if !(0.0..=2.0).contains(&padding) {
        return Err(format!("{}.padding must be 0 to 2", model.role));
    }
    Ok(())
}
