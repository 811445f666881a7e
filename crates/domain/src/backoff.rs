//! Capped exponential backoff with full-range jitter in the upper half, randomness injected.

/// Delays double from the first to the cap; each is spread over 50–100 % of its value, so that a
/// hundred boxes that lost the same platform do not come back in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first_ms: u64,
    cap_ms: u64,
    failures: u32,
}

impl Backoff {
    /// Delays from `first_ms` to `cap_ms`, or constant ones where the cap is smaller.
    pub fn new(first_ms: u64, cap_ms: u64) -> Self {
        Self { first_ms, cap_ms: cap_ms.max(first_ms), failures: 0 }
    }

    /// The next delay; `jitter` is uniform in [0, 1).
    pub fn next_ms(&mut self, jitter: f64) -> u64 {
        let full = self.first_ms.saturating_mul(1 << self.failures.min(32)).min(self.cap_ms);
        self.failures = self.failures.saturating_add(1);
        (full as f64 * f64::midpoint(1.0, jitter.clamp(0.0, 1.0))).round() as u64
    }

    /// The longest delay at once: asking sooner cannot help. `jitter` is uniform in [0, 1).
    pub fn longest_ms(&mut self, jitter: f64) -> u64 {
        // 2^32 times the first delay is above any cap.
        self.failures = self.failures.max(32);
        self.next_ms(jitter)
    }

    /// Starts over with the first delay.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last reset.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap_and_starts_over() {
        let mut backoff = Backoff::new(100, 1000);
        let delays: Vec<_> = (0..6).map(|_| backoff.next_ms(1.0)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_ms(0.0), 50);
        assert_eq!((backoff.longest_ms(1.0), backoff.next_ms(1.0)), (1000, 1000));
        for _ in 0..100 {
            assert!(backoff.next_ms(0.3) <= 1000);
        }
    }
}
