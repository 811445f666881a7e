//! What 8-bit integers cost in recognition, and how much of that is accepted.

use serde::{Deserialize, Serialize};

/// Recognition rates over all pairs of a set of photos.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Share of genuine pairs above the threshold that one of a thousand impostor pairs is above.
    pub true_match_rate: f64,
    /// That threshold, a cosine similarity.
    #[serde(alias = "mark")]
    pub threshold: f32,
}

/// What 8-bit integers cost, measured on photos that the ranges were not measured on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// Pairs of photos of one person.
    pub genuine_pairs: usize,
    /// Pairs of photos of two people.
    pub impostor_pairs: usize,
    /// Least cosine between a face's feature in 8-bit integers and its feature as it was.
    pub cosine_least: f64,
    /// Mean of these cosines.
    pub cosine_mean: f64,
    /// Rates of features as they were.
    pub original: Rates,
    /// Rates of features in 8-bit integers.
    pub int8: Rates,
    /// One photo of each pair as it was, the other in 8-bit integers: what a registry of the time before meets.
    pub mixed: Rates,
}

impl Loss {
    /// True match rate that may be lost: what refinement and centring gain (docs/measurements/accuracy.md) is twice that.
    pub const RATE_MAX: f64 = 0.002;
    /// How far the threshold may move: the match threshold stays as it is calibrated.
    pub const THRESHOLD_SHIFT_MAX: f32 = 0.01;
    /// One pair must weigh no more than half of [`Loss::RATE_MAX`].
    pub const GENUINE_MIN: usize = 1000;
    /// Ten pairs above the threshold.
    pub const IMPOSTOR_MIN: usize = 10_000;

    /// Why it is too much, or cannot be measured; `None`: acceptable.
    pub fn objection(&self) -> Option<Objection> {
        let Self { genuine_pairs, impostor_pairs, original, .. } = *self;
        if genuine_pairs < Self::GENUINE_MIN || impostor_pairs < Self::IMPOSTOR_MIN {
            return Some(Objection::TooFew { genuine_pairs, impostor_pairs });
        }
        [("in 8-bit integers", self.int8), ("mixed with features as they were", self.mixed)]
            .into_iter()
            .map(|(what, found)| Objection::TooMuch {
                what,
                lost: original.true_match_rate - found.true_match_rate,
                moved: (original.threshold - found.threshold).abs(),
            })
            .find(|objection| !objection.is_acceptable())
    }
}

/// Why a loss is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Objection {
    /// It cannot be measured on so few photos.
    #[error(
        "{genuine_pairs} pairs of photos of one person and {impostor_pairs} of two are too few to tell a loss; at \
         least {} and {} are needed (a folder for each person, several photos in many of them)",
        Loss::GENUINE_MIN,
        Loss::IMPOSTOR_MIN
    )]
    TooFew {
        /// Pairs of photos of one person.
        genuine_pairs: usize,
        /// Pairs of photos of two people.
        impostor_pairs: usize,
    },
    /// Too much recognition is lost.
    #[error(
        "{what}, {:.2} points of the true match rate are lost and the threshold moves by {moved:.3}; at most {:.2} \
         and {} are accepted",
        .lost * 100.0,
        Loss::RATE_MAX * 100.0,
        Loss::THRESHOLD_SHIFT_MAX
    )]
    TooMuch {
        /// Which features.
        what: &'static str,
        /// True match rate that is lost, 0–1.
        lost: f64,
        /// How far the threshold moves, a cosine similarity.
        moved: f32,
    },
}

impl Objection {
    /// Also what is no number is not.
    fn is_acceptable(&self) -> bool {
        match *self {
            Self::TooFew { .. } => false,
            Self::TooMuch { lost, moved, .. } => lost <= Loss::RATE_MAX && moved <= Loss::THRESHOLD_SHIFT_MAX,
        }
    }
}
