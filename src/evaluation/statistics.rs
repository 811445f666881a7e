//! What recognition is judged by: pure functions over similarities.

/// Similarity of a pair of which one photo shows no face: never above any threshold.
pub const NO_FACE: f32 = -1.0;

/// Two photos of a verification protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    pub fold: u32,
    pub same: bool,
    pub similarity: f32,
}

/// Mean and standard deviation over the folds, and the mean of the thresholds chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verification {
    pub folds: usize,
    pub accuracy: f64,
    pub accuracy_std: f64,
    pub threshold: f64,
}

/// Accuracy on each fold with the threshold that is best on all the others (the protocol of LFW); `None` with
/// fewer than two folds.
pub fn verification(pairs: &[Pair]) -> Option<Verification> {
    let mut folds: Vec<u32> = pairs.iter().map(|pair| pair.fold).collect();
    folds.sort_unstable();
    folds.dedup();
    if folds.len() < 2 {
        return None;
    }
    let mut accuracies = Vec::new();
    let mut thresholds = Vec::new();
    for fold in &folds {
        let (tested, others): (Vec<Pair>, Vec<Pair>) = pairs.iter().partition(|pair| pair.fold == *fold);
        let threshold = best_threshold(others);
        let right = tested.iter().filter(|pair| (pair.similarity >= threshold) == pair.same).count();
        accuracies.push(right as f64 / tested.len() as f64);
        thresholds.push(f64::from(threshold));
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let accuracy = mean(&accuracies);
    let variance = mean(&accuracies.iter().map(|a| (a - accuracy).powi(2)).collect::<Vec<_>>());
    Some(Verification {
        folds: folds.len(),
        accuracy,
        accuracy_std: variance.sqrt(),
        threshold: mean(&thresholds),
    })
}

/// The threshold most pairs are right with. Of equally good ones the middle of the first widest run: the last
/// digit of one pair's similarity must not decide.
fn best_threshold(mut pairs: Vec<Pair>) -> f32 {
    pairs.sort_by(|a, b| a.similarity.total_cmp(&b.similarity));
    // Below the lowest, everybody is the same person.
    let mut right = pairs.iter().filter(|pair| pair.same).count();
    let (mut most, mut width, mut threshold) = (right, 0.0, f32::NEG_INFINITY);
    for (index, pair) in pairs.iter().enumerate() {
        // The threshold moves above this pair: it is now called different.
        if pair.same {
            right -= 1;
        } else {
            right += 1;
        }
        let next = pairs.get(index + 1).map_or(pair.similarity, |next| next.similarity);
        let gap = next - pair.similarity;
        if right > most || (right == most && gap > width) {
            (most, width, threshold) = (right, gap, f32::midpoint(pair.similarity, next));
        }
    }
    threshold
}

/// A point of an error trade-off: the rate of right accepts at a rate of false ones, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoint {
    pub rate: f64,
    pub threshold: f32,
}

/// Share of `wanted` above the lowest threshold that lets at most the share `false_rate` of `unwanted` pass.
/// Sorts `unwanted`. `None` when one of them is empty.
pub fn rate_at(wanted: &[f32], unwanted: &mut [f32], false_rate: f64) -> Option<OperatingPoint> {
    if wanted.is_empty() || unwanted.is_empty() {
        return None;
    }
    unwanted.sort_unstable_by(|a, b| b.total_cmp(a));
    let allowed = (unwanted.len() as f64 * false_rate) as usize;
    // What equals the threshold does not pass: exactly the `allowed` ones above it do.
    let threshold = unwanted[allowed.min(unwanted.len() - 1)];
    let above = wanted.iter().filter(|similarity| **similarity > threshold).count();
    Some(OperatingPoint { rate: above as f64 / wanted.len() as f64, threshold })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(fold: u32, same: bool, similarity: f32) -> Pair {
        Pair { fold, same, similarity }
    }

    #[test]
    fn the_threshold_comes_from_the_other_folds() {
        // Fold 1 alone would choose 0.15 and be all right; fold 2's threshold lies at 0.5.
        let pairs = [
            pair(1, true, 0.2),
            pair(1, false, 0.1),
            pair(2, true, 0.6),
            pair(2, false, 0.4),
            pair(2, false, 0.1),
            pair(2, true, 0.9),
        ];
        let found = verification(&pairs).unwrap();
        // Fold 1 at 0.5: one of two right. Fold 2 at 0.15: three of four right.
        assert!((found.accuracy - 0.625).abs() < 1e-9, "{found:?}");
        assert!((found.threshold - 0.325).abs() < 1e-6, "{found:?}");
        assert!((found.accuracy_std - 0.125).abs() < 1e-9, "{found:?}");
        assert_eq!(verification(&pairs[..2]), None);
    }

    #[test]
    fn a_pair_without_a_face_is_called_different() {
        let pairs = [
            pair(1, true, NO_FACE),
            pair(1, true, 0.9),
            pair(1, false, 0.0),
            pair(2, false, 0.0),
            pair(2, true, 0.9),
        ];
        let found = verification(&pairs).unwrap();
        assert!((found.accuracy - 5.0 / 6.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn the_rate_is_taken_where_just_as_many_strangers_pass_as_allowed() {
        let mut unwanted: Vec<f32> = (0..100u8).map(|i| f32::from(i) / 100.0).collect();
        let wanted = [0.5, 0.97, 0.985, 0.995];
        let point = rate_at(&wanted, &mut unwanted, 0.01).unwrap();
        assert!((point.threshold - 0.98).abs() < 1e-6);
        assert!((point.rate - 0.5).abs() < 1e-9);
        let none = rate_at(&wanted, &mut unwanted, 0.0).unwrap();
        assert!((none.threshold - 0.99).abs() < 1e-6, "none may pass");
        assert_eq!(rate_at(&[], &mut unwanted, 0.1), None);
    }
}
