//! Age and gender as networks estimate them from one picture of a face. Nothing is decided by these estimates.

use serde::{Deserialize, Serialize};

use super::status::Language;
use super::text::spoken;
use crate::tr;

/// The field's age groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgeGroup {
    /// Under 6 years.
    Child,
    /// 6 to 17.
    Juvenile,
    /// 18 to 39.
    Youth,
    /// 40 to 64.
    MiddleAged,
    /// 65 and older.
    Aged,
}

impl AgeGroup {
    /// The group of an age in whole years.
    pub fn of(years: u8) -> Self {
        match years {
            0..6 => Self::Child,
            6..18 => Self::Juvenile,
            18..40 => Self::Youth,
            40..65 => Self::MiddleAged,
            65.. => Self::Aged,
        }
    }

    /// For people.
    pub fn text(self, language: Language) -> &'static str {
        let (en, zh) = match self {
            Self::Child => ("child", "儿童"),
            Self::Juvenile => ("juvenile", "少年"),
            Self::Youth => ("youth", "青年"),
            Self::MiddleAged => ("middle-aged", "中年"),
            Self::Aged => ("aged", "老年"),
        };
        if language == Language::Zh { zh } else { en }
    }
}

/// As the network tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// Label `female`.
    Female,
    /// Label `male`.
    Male,
}

impl Gender {
    /// For people.
    pub fn text(self, language: Language) -> &'static str {
        let (en, zh) = match self {
            Self::Female => ("female", "女"),
            Self::Male => ("male", "男"),
        };
        if language == Language::Zh { zh } else { en }
    }
}

/// An estimated age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgeGuess {
    /// Whole years.
    pub years: u8,
    /// The group `years` lies in.
    pub group: AgeGroup,
    /// How much of the network's distribution over ages lies in the group, 0–1.
    pub confidence: f32,
}

/// An estimated gender.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GenderGuess {
    /// The more probable one.
    pub gender: Gender,
    /// The network's share of this gender, 0.5–1.
    pub confidence: f32,
}

/// The estimates of one face; a part that no network estimates is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// `None`: not estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<AgeGuess>,
    /// `None`: not estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<GenderGuess>,
}

impl Attributes {
    /// Nothing was estimated, as of a face that cannot be cut out.
    pub fn is_empty(&self) -> bool {
        self.age.is_none() && self.gender.is_none()
    }
}

/// For people, in both languages.
impl std::fmt::Display for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(AgeGuess { years, group, confidence }) = self.age {
            let group = group.text(spoken());
            f.write_str(&tr!(
                spoken(),
                "about {years} years ({group}, {confidence:.2}); ",
                "约 {years} 岁（{group}，{confidence:.2}）；"
            ))?;
        }
        if let Some(GenderGuess { gender, confidence }) = self.gender {
            let gender = gender.text(spoken());
            f.write_str(&tr!(spoken(), "{gender} ({confidence:.2}); ", "{gender}（{confidence:.2}）；"))?;
        }
        f.write_str(&tr!(spoken(), "a guess", "仅为估计"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ShotQuality;

    #[test]
    fn a_group_begins_with_its_first_year() {
        let of = |years: [u8; 2]| years.map(AgeGroup::of);
        assert_eq!(of([0, 5]), [AgeGroup::Child; 2]);
        assert_eq!(of([6, 17]), [AgeGroup::Juvenile; 2]);
        assert_eq!(of([18, 39]), [AgeGroup::Youth; 2]);
        assert_eq!(of([40, 64]), [AgeGroup::MiddleAged; 2]);
        assert_eq!(of([65, 255]), [AgeGroup::Aged; 2]);
    }

    #[test]
    fn events_of_before_are_read_and_guesses_survive_the_store() {
        let without = serde_json::to_string(&ShotQuality::default()).unwrap();
        assert!(!without.contains("attributes"), "nothing is written where no device asks: {without}");
        assert_eq!(serde_json::from_str::<ShotQuality>(&without).unwrap().attributes, None);
        let age = AgeGuess { years: 47, group: AgeGroup::MiddleAged, confidence: 0.75 };
        let gender = GenderGuess { gender: Gender::Male, confidence: 0.5 };
        for attributes in [
            Attributes { age: Some(age), gender: Some(gender) },
            Attributes { age: Some(age), gender: None },
            Attributes::default(),
        ] {
            let quality = ShotQuality { attributes: Some(attributes), ..ShotQuality::default() };
            let stored = serde_json::to_string(&quality).unwrap();
            assert_eq!(serde_json::from_str::<ShotQuality>(&stored).unwrap(), quality, "{stored}");
        }
    }

    #[test]
    fn people_are_told_that_it_is_a_guess() {
        let age = AgeGuess { years: 7, group: AgeGroup::Juvenile, confidence: 0.5 };
        let text = Attributes { age: Some(age), gender: None }.to_string();
        assert_eq!(text, "about 7 years (juvenile, 0.50); a guess");
    }
}
