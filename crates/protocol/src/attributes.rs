//! Estimates of age and gender as events and `fiqa` answers carry them (`recognize_face_attr`). Of the object's published
//! fields (SE3 documents, history event) only what is estimated here is written; `age` is a group there, not a number.

use serde::{Deserialize, Serialize};

use super::number::rounded;
use menshen_domain::attributes::{AgeGroup, Attributes, Gender};

/// The estimates of one face; a part that no network estimates is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceAttributes {
    /// Age group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<AgeGroup>,
    /// Our own addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_years: Option<u8>,
    /// Of the group, 0–1; our own addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_confidence: Option<f64>,
    /// The more probable gender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    /// 0.5–1; our own addition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender_confidence: Option<f64>,
}

impl From<&Attributes> for FaceAttributes {
    fn from(Attributes { age, gender }: &Attributes) -> Self {
        Self {
            age: age.map(|guess| guess.group),
            age_years: age.map(|guess| guess.years),
            age_confidence: age.map(|guess| rounded(guess.confidence)),
            gender: gender.map(|guess| guess.gender),
            gender_confidence: gender.map(|guess| rounded(guess.confidence)),
        }
    }
}

/// `sex` of `box_fiqa_info`, as the published example of a history event has it: 0 male, 1 female.
pub fn sex_number(gender: Gender) -> u8 {
    match gender {
        Gender::Male => 0,
        Gender::Female => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::BoxFiqaInfo;
    use crate::fiqa::FaceResult;
    use menshen_domain::attributes::{AgeGuess, GenderGuess};
    use menshen_domain::event::ShotQuality;

    #[test]
    fn guesses_have_the_fields_names_and_what_was_not_looked_at_has_none() {
        let age = AgeGuess { years: 47, group: AgeGroup::MiddleAged, confidence: 0.75 };
        let gender = GenderGuess { gender: Gender::Female, confidence: 1.0 };
        let written =
            |age, gender| serde_json::to_value(FaceAttributes::from(&Attributes { age, gender })).unwrap();
        assert_eq!(
            written(Some(age), Some(gender)),
            json!({
                "age": "middle-aged", "age_years": 47, "age_confidence": 0.75, "gender": "female", "gender_confidence": 1.0,
            })
        );
        assert_eq!(written(None, Some(gender)), json!({ "gender": "female", "gender_confidence": 1.0 }));
        let sex_of = |gender| {
            let attributes = Attributes { age: None, gender: Some(GenderGuess { gender, confidence: 1.0 }) };
            let quality = ShotQuality { attributes: Some(attributes), ..ShotQuality::default() };
            BoxFiqaInfo::from(&quality).sex
        };
        assert_eq!([Gender::Male, Gender::Female].map(sex_of), [Some(0), Some(1)]);
        let attributes = Some(Attributes { age: Some(age), gender: None });
        let quality = ShotQuality { attributes, ..ShotQuality::default() };
        let fiqa = serde_json::to_value(BoxFiqaInfo::from(&quality)).unwrap();
        assert_eq!((&fiqa["age"], fiqa.get("sex")), (&json!(47), None), "{fiqa}");
        let face = serde_json::to_value(FaceResult::from(&quality)).unwrap();
        assert_eq!(face["recognize_face_attr"]["age"], "middle-aged", "{face}");
        let plain = ShotQuality::default();
        let fiqa = serde_json::to_value(BoxFiqaInfo::from(&plain)).unwrap();
        assert!(fiqa.get("age").is_none() && fiqa.get("sex").is_none(), "{fiqa}");
        let face = serde_json::to_value(FaceResult::from(&plain)).unwrap();
        assert!(face.get("recognize_face_attr").is_none(), "{face}");
    }
}
