//! Figures for reports.

/// The smallest value that at least `percent` per cent of a sorted list do not exceed (nearest rank); `None` for an empty list.
pub fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// `value` with so many decimal places.
pub fn rounded(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_of_the_list() {
        let sorted: Vec<u64> = (1..=20).collect();
        for (percent, expected) in [(0, 1), (5, 1), (50, 10), (51, 11), (95, 19), (96, 20), (100, 20)] {
            assert_eq!(percentile(&sorted, percent), Some(expected), "{percent}");
        }
        assert_eq!(percentile::<u64>(&[], 50), None);
        assert_eq!(percentile(&[7], 95), Some(7));
    }

    #[test]
    fn values_are_rounded_to_decimal_places() {
        for (value, places, expected) in [(1.2345, 2, 1.23), (1.2355, 3, 1.236), (149.96, 1, 150.0)] {
            assert!((rounded(value, places) - expected).abs() < 1e-12, "{value}");
        }
    }
}
