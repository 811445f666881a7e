//! When to restart a failed part and when to give up: a restart intensity limit.

use std::collections::VecDeque;

/// Counts restarts in a sliding window.
#[derive(Debug)]
pub struct RestartLimit {
    max: usize,
    window_ms: u64,
    restarts_ms: VecDeque<u64>,
}

impl RestartLimit {
    /// At most `max` restarts within `window_ms`.
    pub fn new(max: usize, window_ms: u64) -> Self {
        Self { max, window_ms, restarts_ms: VecDeque::new() }
    }

    /// Notes a failure at `now_ms`; `true` when a restart is still allowed.
    pub fn allow(&mut self, now_ms: u64) -> bool {
        while self.restarts_ms.front().is_some_and(|at| now_ms.saturating_sub(*at) > self.window_ms) {
            self.restarts_ms.pop_front();
        }
        if self.restarts_ms.len() >= self.max {
            return false;
        }
        self.restarts_ms.push_back(now_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_up_when_failures_come_too_fast() {
        let mut limit = RestartLimit::new(2, 1000);
        assert!(limit.allow(0) && limit.allow(10));
        assert!(!limit.allow(20));
        assert!(limit.allow(1100), "old failures are forgiven");
    }
}
