//! At most so many frames a second, evenly.

use std::time::{Duration, Instant};

/// When the next frame is due.
pub struct Pace {
    interval: Duration,
    due: Instant,
}

impl Pace {
    pub fn new(max_fps: f64, now: Instant) -> Self {
        Self { interval: Duration::from_secs_f64(1.0 / max_fps.max(0.1)), due: now }
    }

    pub fn is_due(&mut self, now: Instant) -> bool {
        // A little early is on time: frames of 15 a second do not come every 66.7 ms sharp.
        if now + self.interval / 4 < self.due {
            return false;
        }
        // What a network held up for a moment may come in one go.
        let earliest = now.checked_sub(self.interval * 2).unwrap_or(now);
        self.due = self.due.max(earliest) + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the frames that come at these milliseconds pass, at most ten a second.
    fn passed(times_ms: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let began = Instant::now();
        let mut pace = Pace::new(10.0, began);
        times_ms.into_iter().filter(|at| pace.is_due(began + Duration::from_millis(*at))).collect()
    }

    #[test]
    fn frames_are_thinned_out_evenly() {
        // Fifty a second; the frame before each tenth of a second is near enough.
        let expected = [0, 80, 180, 280, 380, 480, 580, 680, 780, 880, 980];
        assert_eq!(passed((0..50).map(|i| i * 20)), expected);
    }

    #[test]
    fn a_camera_that_is_not_faster_loses_nothing() {
        // Ten a second, ten milliseconds off either way.
        let times: Vec<u64> = (1..50).map(|i| i * 100 + if i % 2 == 0 { 10 } else { 0 }).collect();
        assert_eq!(passed(times.clone()), times);
    }

    #[test]
    fn what_was_held_up_comes_in_one_go_but_no_more_than_three() {
        assert_eq!(passed([0, 1000, 1001, 1002, 1003, 1004]), [0, 1000, 1001, 1002]);
    }
}
