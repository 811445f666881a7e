//! What a box has used and done, between two moments.

use std::time::Instant;

use serde_json::{Value, json};

use menshen_testbed::scrape;
use menshen_testbed::statistics::rounded;

/// What has been used up to a moment.
pub struct Reading {
    pub at: Instant,
    /// CPU seconds of the box.
    pub own: f64,
    /// CPU seconds of the cameras.
    pub served: f64,
    pub metrics: String,
}

impl Reading {
    pub fn since(&self, before: &Self, streams: usize) -> Value {
        let seconds = (self.at - before.at).as_secs_f64();
        let streams = streams.max(1) as f64;
        let grown = |name: &str| scrape::sum(&self.metrics, name) - scrape::sum(&before.metrics, name);
        let (frames, dropped) = (grown("menshen_frames_total"), grown("menshen_frames_dropped_total"));
        let looks = self.looks_by_camera(before);
        let looks_per_s = looks.iter().map(|looks| looks / seconds);
        json!({
            "seconds": rounded(seconds, 3),
            "cpu_s_per_stream_s": rounded((self.own - before.own) / seconds / streams, 3),
            "serving_cpu_s_per_stream_s": rounded((self.served - before.served) / seconds / streams, 3),
            "frames_per_stream_s": rounded(frames / seconds / streams, 3),
            "frames_dropped": dropped,
            "frames_idle": grown("menshen_frames_idle_total"),
            "looks_per_s_least": rounded(looks_per_s.clone().fold(f64::INFINITY, f64::min), 3),
            "looks_per_s_most": rounded(looks_per_s.fold(0.0, f64::max), 3),
            "looks_fairness": rounded(fairness(&looks), 3),
        })
    }

    /// Frames of each camera in which faces were looked for.
    fn looks_by_camera(&self, before: &Self) -> Vec<f64> {
        let arrived = "menshen_frames_total{";
        let devices = self.metrics.lines().filter_map(|line| line.strip_prefix(arrived)?.split_once('}'));
        devices
            .map(|(device, _)| {
                let grown = |name: &str| {
                    let series = format!("{name}{{{device}}}");
                    let at = |metrics: &str| scrape::value(metrics, &series).unwrap_or_default();
                    at(&self.metrics) - at(&before.metrics)
                };
                grown("menshen_frames_total")
                    - grown("menshen_frames_dropped_total")
                    - grown("menshen_frames_idle_total")
            })
            .collect()
    }
}

/// Jain's index of what each got (R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984): 1 when all got the same, 1/n when one of n
/// got everything.
fn fairness(shares: &[f64]) -> f64 {
    let (sum, squares) =
        shares.iter().fold((0.0, 0.0), |(sum, squares), share| (sum + share, squares + share * share));
    sum * sum / (shares.len() as f64 * squares)
}

#[cfg(test)]
mod tests {
    use super::fairness;

    #[test]
    fn fairness_is_one_for_equals_and_a_share_for_one_who_takes_all() {
        for (shares, expected) in [([3.0, 3.0, 3.0, 3.0], 1.0), ([0.0, 8.0, 0.0, 0.0], 0.25)] {
            assert!((fairness(&shares) - expected).abs() < 1e-9);
        }
    }
}
