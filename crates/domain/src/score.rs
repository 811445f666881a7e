//! From a model's raw similarity to the protocol's 0–100 score (protocol section 3).

/// `threshold_range`: lowest, best (the match threshold) and highest score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreRange {
    /// Score of the model's least similarity.
    pub lowest: f32,
    /// Score of the match threshold.
    pub best: f32,
    /// Score of two identical embeddings.
    pub highest: f32,
}

impl Default for ScoreRange {
    fn default() -> Self {
        Self { lowest: 0.0, best: 82.0, highest: 100.0 }
    }
}

/// A range that does not rise from 0 to 100.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("threshold_range must rise from at least 0 to at most 100, as in [0, 82, 100]; got [{0}, {1}, {2}]")]
pub struct ScoreRangeError(f32, f32, f32);

/// Where a model's raw similarities lie: its calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Two faces that have nothing in common.
    pub similarity_min: f32,
    /// The model's calibrated match threshold, a cosine similarity.
    pub similarity_threshold: f32,
}

impl Scale {
    /// The map from raw similarities to `range`.
    pub fn map(self, range: ScoreRange) -> ScoreMap {
        ScoreMap::new(range, self.similarity_min, self.similarity_threshold)
    }
}

/// Piecewise linear: model minimum → lowest, model's calibrated threshold → best, 1.0 → highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreMap {
    range: ScoreRange,
    similarity_min: f32,
    similarity_threshold: f32,
}

impl ScoreRange {
    /// A range; scores on a scale of 0–100.
    ///
    /// # Errors
    ///
    /// When the three do not rise from at least 0 to at most 100.
    pub fn new(lowest: f32, best: f32, highest: f32) -> Result<Self, ScoreRangeError> {
        if lowest >= 0.0 && lowest < best && best < highest && highest <= 100.0 {
            Ok(Self { lowest, best, highest })
        } else {
            Err(ScoreRangeError(lowest, best, highest))
        }
    }
}

impl ScoreMap {
    /// `similarity_min < similarity_threshold < 1`, as the catalogue has checked.
    pub fn new(range: ScoreRange, similarity_min: f32, similarity_threshold: f32) -> Self {
        Self { range, similarity_min, similarity_threshold }
    }

    /// Score on the 0–100 scale; what lies outside the mapped range gets the end values.
    pub fn score(&self, similarity: f32) -> f32 {
        let Self { range, similarity_min: min, similarity_threshold: pass } = *self;
        let value = if similarity < pass {
            range.lowest + (similarity - min) / (pass - min) * (range.best - range.lowest)
        } else {
            range.best + (similarity - pass) / (1.0 - pass) * (range.highest - range.best)
        };
        value.clamp(range.lowest, range.highest)
    }

    /// The raw similarity behind a score: the inverse of [`score`](Self::score).
    pub fn similarity(&self, score: f32) -> f32 {
        let Self { range, similarity_min: min, similarity_threshold: pass } = *self;
        if score < range.best {
            min + (score - range.lowest) / (range.best - range.lowest) * (pass - min)
        } else {
            pass + (score - range.best) / (range.highest - range.best) * (1.0 - pass)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_points_map_exactly_and_back() {
        let map = ScoreMap::new(ScoreRange::new(10.0, 82.0, 99.0).unwrap(), 0.0, 0.4);
        for (similarity, score) in [(0.0, 10.0), (0.4, 82.0), (1.0, 99.0), (0.2, 46.0), (0.7, 90.5)] {
            assert!((map.score(similarity) - score).abs() < 1e-4, "{similarity}");
            assert!((map.similarity(score) - similarity).abs() < 1e-4, "{score}");
        }
        assert!((map.score(-1.0) - 10.0).abs() < 1e-4);
    }

    #[test]
    fn a_range_that_does_not_rise_is_refused() {
        for (a, b, c) in [(82.0, 82.0, 100.0), (0.0, 101.0, 102.0), (-1.0, 5.0, 9.0), (0.0, 90.0, 80.0)] {
            assert!(ScoreRange::new(a, b, c).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn more_similar_never_scores_less(a in -1.0f32..1.0, b in -1.0f32..1.0) {
            let map = ScoreMap::new(ScoreRange::default(), 0.0, 0.421);
            proptest::prop_assert!((a <= b) <= (map.score(a) <= map.score(b)));
        }
    }
}
