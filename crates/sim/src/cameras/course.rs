//! Memory and open files over a run: whether something grows.

use std::time::Duration;

use menshen_testbed::statistics::rounded;

/// Memory is compared from here on: by then every camera has shown everybody once.
const SETTLED_AFTER: Duration = Duration::from_mins(1);
/// Parts of a run, whose means show whether something grows.
const PARTS: u32 = 6;

/// What was measured at one moment.
pub struct Sample {
    pub at: Duration,
    /// Resident, MB.
    pub memory: f64,
    pub files: usize,
    /// Whether no stream was being opened or closed.
    pub is_calm: bool,
}

/// Memory and open files of each part of the run, means of the calm samples; `None` where there was none.
pub fn course(samples: &[Sample], whole: Duration) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let part = |index: u32| {
        let span = (whole * index / PARTS).max(SETTLED_AFTER)..whole * (index + 1) / PARTS;
        let calm: Vec<&Sample> =
            samples.iter().filter(|sample| sample.is_calm && span.contains(&sample.at)).collect();
        let mean = |value: &dyn Fn(&Sample) -> f64| {
            let count = calm.len() as f64;
            (count > 0.0).then(|| rounded(calm.iter().map(|sample| value(sample)).sum::<f64>() / count, 3))
        };
        (mean(&|sample| sample.memory), mean(&|sample| sample.files as f64))
    };
    (0..PARTS).map(part).unzip()
}
