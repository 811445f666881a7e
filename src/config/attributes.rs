//! Which networks guess at age and gender, and where besides devices that ask for it.

use super::reader::Section;
use menshen_domain::text;

#[derive(Debug, Clone)]
pub struct AttributeSettings {
    /// Models, by folder of `models/`; empty: that is not guessed.
    pub age_model: String,
    pub gender_model: String,
    /// Whether `fiqa` answers have guesses.
    pub in_fiqa: bool,
}

/// Of the section `recognition`.
pub(super) fn read_attributes(section: &mut Section<'_>) -> AttributeSettings {
    let read = AttributeSettings {
        age_model: section.take("age_model", "age-v1".to_owned()),
        gender_model: section.take("gender_model", "gender-v1".to_owned()),
        in_fiqa: section.take("attributes_in_fiqa", false),
    };
    if read.in_fiqa && read.age_model.is_empty() && read.gender_model.is_empty() {
        section.wrong(
            "attributes_in_fiqa",
            text!(
                "needs age_model or gender_model; both are empty",
                "需要 age_model 或 gender_model；两者均为空"
            ),
        );
    }
    read
}
