//! Whether networks of age and gender see anything at all: a man and a woman, both grown up, are taken for what they are.
//! It shows that planes, values and order are right, not how often the networks are.

use std::ops::RangeInclusive;

use crate::self_test::PORTRAITS;
use menshen_domain::attributes::{Attributes, Gender};
use menshen_domain::text::spoken;
use menshen_vision::attributes::AttributeNets;
use menshen_vision::photo::{PhotoError, decode_photo};
use menshen_vision::{FaceAnalyzer, VisionError};

/// Who is on the portraits.
const GENDERS: [Gender; 2] = [Gender::Male, Gender::Female];
/// What a person in the middle of life may be taken for.
const ADULT_YEARS: RangeInclusive<u8> = 20..=75;

/// Why networks of age and gender are not to be used.
#[derive(Debug, thiserror::Error)]
pub enum AttributeTestError {
    /// A portrait cannot be decoded.
    #[error("{0}")]
    Photo(PhotoError),
    /// A network does not run or gives nonsense.
    #[error("{0}")]
    Vision(#[from] VisionError),
    /// The detector is blind.
    #[error("the detector finds no face in a portrait of the self-test")]
    NoFace,
    /// A grown-up is taken for a child, or for very old.
    #[error("it takes the grown-up of portrait {portrait} of the self-test for {years} years old")]
    Age {
        /// Which portrait.
        portrait: &'static str,
        /// What the network estimates.
        years: u8,
    },
    /// A person is taken for one of the other gender.
    #[error(
        "it takes portrait {portrait} of the self-test for {}, and it is of somebody {}",
        .found.text(spoken()),
        .expected.text(spoken())
    )]
    Gender {
        /// Which portrait.
        portrait: &'static str,
        /// What the network estimates.
        found: Gender,
        /// Who is on it.
        expected: Gender,
    },
}

/// What the networks take the portraits for, in a sentence.
///
/// # Errors
/// Why they are not to be used.
pub fn attribute_self_test(
    analyzer: &mut FaceAnalyzer,
    nets: &mut AttributeNets,
) -> Result<String, AttributeTestError> {
    let mut seen = Vec::new();
    for ((portrait, jpeg), gender) in PORTRAITS.into_iter().zip(GENDERS) {
        let frame = decode_photo(jpeg).map_err(AttributeTestError::Photo)?;
        let (face, _) = analyzer.largest_face(&frame)?.ok_or(AttributeTestError::NoFace)?;
        let attributes = nets.estimate(&frame, &face.landmarks)?;
        judge(portrait, gender, &attributes)?;
        seen.push(format!("{portrait} {attributes}"));
    }
    Ok(seen.join(", "))
}

fn judge(portrait: &'static str, expected: Gender, seen: &Attributes) -> Result<(), AttributeTestError> {
    if let Some(age) = seen.age.filter(|age| !ADULT_YEARS.contains(&age.years)) {
        return Err(AttributeTestError::Age { portrait, years: age.years });
    }
    match seen.gender.filter(|found| found.gender != expected) {
        Some(found) => Err(AttributeTestError::Gender { portrait, found: found.gender, expected }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::attributes::{AgeGroup, AgeGuess, GenderGuess};

    #[test]
    fn who_is_taken_for_something_else_is_named() {
        let age = |years| Some(AgeGuess { years, group: AgeGroup::of(years), confidence: 1.0 });
        let gender = |gender| Some(GenderGuess { gender, confidence: 1.0 });
        let judged = |age, gender| judge("A", Gender::Male, &Attributes { age, gender });
        assert!(judged(age(47), gender(Gender::Male)).is_ok());
        assert!(judged(None, gender(Gender::Male)).is_ok());
        assert!(judged(age(9), None).unwrap_err().to_string().contains("for 9 years old"));
        assert!(judged(age(80), None).is_err());
        let turned = judged(age(47), gender(Gender::Female)).unwrap_err().to_string();
        assert!(turned.contains("for female, and it is of somebody male"), "{turned}");
    }
}
