//! Whether networks of age and gender see anything at all: a man and a woman, both grown up, are taken for what they are.
//! It shows that planes, values and order are right, not how often the networks are.

use super::Nets;
use crate::FaceAnalyzer;
use crate::photo::decode_photo;
use crate::self_test::PORTRAITS;
use menshen_domain::attributes::{Attributes, Gender};

/// Who is on the portraits.
const GENDERS: [Gender; 2] = [Gender::Male, Gender::Female];
/// What somebody in the middle of life may be taken for.
const ADULT_YEARS: std::ops::RangeInclusive<u8> = 20..=75;

/// What the networks take the portraits for; an error says in a sentence why they are not to be used.
pub fn self_test(analyzer: &mut FaceAnalyzer, nets: &mut Nets) -> Result<String, String> {
    let mut told = Vec::new();
    for ((who, jpeg), gender) in PORTRAITS.into_iter().zip(GENDERS) {
        let frame = decode_photo(jpeg).map_err(|refusal| refusal.to_string())?;
        let found = analyzer.largest_face(&frame).map_err(|error| error.to_string())?;
        let (face, _) = found.ok_or("the detector finds no face in a portrait of the self-test")?;
        let seen = nets.look(&frame, &face.landmarks).map_err(|error| error.to_string())?;
        judge(who, gender, &seen)?;
        told.push(format!("{who} {seen}"));
    }
    Ok(told.join(", "))
}

fn judge(who: &str, gender: Gender, seen: &Attributes) -> Result<(), String> {
    if let Some(age) = seen.age.filter(|age| !ADULT_YEARS.contains(&age.years)) {
        return Err(format!(
            "it takes the grown-up of portrait {who} of the self-test for {} years old",
            age.years
        ));
    }
    match seen.gender.filter(|guess| guess.gender != gender) {
        Some(guess) => Err(format!(
            "it takes portrait {who} of the self-test for {}, and it is of somebody {}",
            guess.gender.text(),
            gender.text()
        )),
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
        assert_eq!(judged(age(47), gender(Gender::Male)), Ok(()));
        assert_eq!(judged(None, gender(Gender::Male)), Ok(()));
        assert!(judged(age(9), None).unwrap_err().contains("for 9 years old"));
        assert!(judged(age(80), None).is_err());
        let turned = judged(age(47), gender(Gender::Female)).unwrap_err();
        assert!(turned.contains("for female 女, and it is of somebody male 男"), "{turned}");
    }
}
