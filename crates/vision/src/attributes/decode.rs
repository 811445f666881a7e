//! From the outputs of the networks to an estimate.

use crate::error::OutputError;
use crate::spec::{AgeSpec, GenderSpec};
use menshen_domain::attributes::{AgeGroup, AgeGuess, GenderGuess};

/// Shares must add up to 1 within this: more than rounding is another kind of output.
const SUM_TOLERANCE: f32 = 1e-2;

/// The mean of the distribution, to the nearest year, as the authors of `dnn_age_predictor_v1` (dlib-models) count it.
pub fn age(shares: &[f32], spec: AgeSpec) -> Result<AgeGuess, OutputError> {
    check(shares, spec.years)?;
    let mean: f32 = shares.iter().enumerate().map(|(year, share)| worth(year, spec) * share).sum();
    let years = mean.round() as u8;
    let group = AgeGroup::of(years);
    let in_group = shares.iter().enumerate().filter(|(year, _)| AgeGroup::of(*year as u8) == group);
    Ok(AgeGuess { years, group, confidence: in_group.map(|(_, share)| share).sum::<f32>().min(1.0) })
}

fn worth(year: usize, spec: AgeSpec) -> f32 {
    if year == 0 { spec.first_year } else { year as f32 }
}

/// The larger share; the first of two equal ones.
pub fn gender(shares: &[f32], spec: GenderSpec) -> Result<GenderGuess, OutputError> {
    check(shares, spec.order.len())?;
    let at = usize::from(shares[1] > shares[0]);
    Ok(GenderGuess { gender: spec.order[at], confidence: shares[at].min(1.0) })
}

fn check(shares: &[f32], expected: usize) -> Result<(), OutputError> {
    if shares.len() != expected {
        return Err(OutputError::Values { found: shares.len(), expected });
    }
    if shares.iter().any(|share| !share.is_finite()) {
        return Err(OutputError::NotFinite);
    }
    let sum: f32 = shares.iter().sum();
    if shares.iter().any(|share| *share < -SUM_TOLERANCE) || (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(OutputError::NoDistribution { sum });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::attributes::Gender;

    const AGE: AgeSpec = AgeSpec { padding: 0.2, years: 81, first_year: 0.25 };
    const GENDER: GenderSpec = GenderSpec { padding: 0.2, order: [Gender::Female, Gender::Male] };

    /// A distribution over 81 years.
    fn over(years: &[(usize, f32)]) -> Vec<f32> {
        let mut shares = vec![0.0; 81];
        for (year, share) in years {
            shares[*year] = *share;
        }
        shares
    }

    #[test]
    fn an_age_is_the_mean_and_its_group_that_of_the_rounded_year() {
        let guess = age(&over(&[(30, 0.5), (50, 0.25), (20, 0.25)]), AGE).unwrap();
        assert_eq!((guess.years, guess.group), (33, AgeGroup::Youth), "32.5 is 33");
        assert!((guess.confidence - 0.75).abs() < 1e-6, "50 lies in another group: {guess:?}");
        let guess = age(&over(&[(17, 0.4), (18, 0.6)]), AGE).unwrap();
        assert_eq!((guess.years, guess.group), (18, AgeGroup::Youth), "17.6 is 18");
        assert!((guess.confidence - 0.6).abs() < 1e-6);
        let oldest = age(&over(&[(80, 1.0)]), AGE).unwrap();
        assert_eq!((oldest.years, oldest.group, oldest.confidence), (80, AgeGroup::Aged, 1.0));
    }

    #[test]
    fn the_first_year_counts_for_less_than_one() {
        assert_eq!(age(&over(&[(0, 1.0)]), AGE).unwrap().years, 0);
        // 0.8 × 0.25 + 0.2 × 2 = 0.6; were the first year worth nothing it would be 0.4.
        assert_eq!(age(&over(&[(0, 0.8), (2, 0.2)]), AGE).unwrap().years, 1);
    }

    #[test]
    fn the_larger_share_is_the_gender() {
        let male = gender(&[0.2, 0.8], GENDER).unwrap();
        assert_eq!((male.gender, male.confidence), (Gender::Male, 0.8));
        assert_eq!(gender(&[0.5, 0.5], GENDER).unwrap().gender, Gender::Female, "the first of equal ones");
        let turned = GenderSpec { order: [Gender::Male, Gender::Female], ..GENDER };
        assert_eq!(gender(&[0.2, 0.8], turned).unwrap().gender, Gender::Female);
    }

    #[test]
    fn what_is_no_distribution_is_refused_with_a_sentence() {
        let wrong = |shares: &[f32]| gender(shares, GENDER).unwrap_err().to_string();
        assert_eq!(wrong(&[1.0]), "its output has 1 values, its model.toml says 2");
        assert_eq!(wrong(&[]), "its output has 0 values, its model.toml says 2");
        assert_eq!(wrong(&[f32::NAN, 1.0]), "its output is not a number");
        assert_eq!(wrong(&[f32::INFINITY, 0.0]), "its output is not a number");
        assert_eq!(wrong(&[3.0, -2.0]), "its output is no distribution: it adds up to 1.00, not to 1");
        assert_eq!(wrong(&[2.5, 1.0]), "its output is no distribution: it adds up to 3.50, not to 1");
        assert!(age(&vec![1.0 / 80.0; 80], AGE).unwrap_err().to_string().contains("has 80 values"));
        assert!(age(&vec![f32::NAN; 81], AGE).unwrap_err().to_string().contains("not a number"));
    }
}
