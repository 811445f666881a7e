//! When a receiver of reports that are not kept is asked again: real-time pushes and status. History holds its queue
//! back for as long; here what comes meanwhile is left out.

use std::collections::HashMap;

use super::backoff::Backoff;
use super::limits;

/// Refusals in a row that are the receiver's fault and not the report's.
const REFUSALS_IN_A_ROW: u32 = 2;

#[derive(Debug)]
struct Pause {
    failures: Backoff,
    refusals: u32,
    refused: Backoff,
    until_ms: u64,
}

/// The receivers that are in trouble.
#[derive(Debug)]
pub struct ReceiverPauses {
    failing_ms: (u64, u64),
    receivers: HashMap<String, Pause>,
}

impl ReceiverPauses {
    /// `failing_ms`: first and longest pause of a receiver that fails.
    pub fn new(failing_ms: (u64, u64)) -> Self {
        Self { failing_ms, receivers: HashMap::new() }
    }

    /// Whether it is too early to ask this receiver again. `now_ms` is monotonic.
    pub fn is_paused(&self, receiver: &str, now_ms: u64) -> bool {
        self.receivers.get(receiver).is_some_and(|pause| now_ms < pause.until_ms)
    }

    /// The receiver took something: it is asked as before.
    pub fn accepted(&mut self, receiver: &str) {
        self.receivers.remove(receiver);
    }

    /// The receiver is down, overloaded, moved, or rejects the token. Returns for how long it is left alone.
    pub fn failed(&mut self, receiver: &str, now_ms: u64, jitter: f64) -> u64 {
        let pause = self.pause(receiver);
        // What was under way when the pause began says nothing new.
        if now_ms >= pause.until_ms {
            pause.until_ms = now_ms + pause.failures.next_ms(jitter);
        }
        pause.until_ms - now_ms
    }

    /// The receiver refused a report for good. One refusal may be that report's fault, more are not. Returns for how
    /// long it is left alone.
    pub fn refused(&mut self, receiver: &str, now_ms: u64, jitter: f64) -> u64 {
        let pause = self.pause(receiver);
        pause.refusals = pause.refusals.saturating_add(1);
        if pause.refusals >= REFUSALS_IN_A_ROW && now_ms >= pause.until_ms {
            pause.until_ms = now_ms + pause.refused.next_ms(jitter);
        }
        pause.until_ms.saturating_sub(now_ms)
    }

    /// A new login may be what was missing everywhere.
    pub fn clear(&mut self) {
        self.receivers.clear();
    }

    fn pause(&mut self, receiver: &str) -> &mut Pause {
        let (first_ms, cap_ms) = self.failing_ms;
        let (refused_first_ms, refused_cap_ms) = limits::REFUSED_BACKOFF_MS;
        self.receivers.entry(receiver.to_owned()).or_insert_with(|| Pause {
            failures: Backoff::new(first_ms, cap_ms),
            refusals: 0,
            refused: Backoff::new(refused_first_ms, refused_cap_ms),
            until_ms: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls within `seconds` when something is to be sent ten times a second.
    fn calls(seconds: u64, mut answer: impl FnMut(&mut ReceiverPauses, u64)) -> usize {
        let mut pauses = ReceiverPauses::new((1_000, 8_000));
        let mut calls = 0;
        for now_ms in (0..seconds * 1000).step_by(100) {
            if !pauses.is_paused("a", now_ms) {
                calls += 1;
                answer(&mut pauses, now_ms);
            }
        }
        assert!(!pauses.is_paused("b", 0), "others are not held back");
        calls
    }

    #[test]
    fn a_receiver_that_fails_is_asked_ever_more_rarely() {
        let failing = calls(100, |pauses, now_ms| {
            pauses.failed("a", now_ms, 1.0);
        });
        assert!((14..=16).contains(&failing), "{failing}");
        let refusing = calls(100, |pauses, now_ms| {
            pauses.refused("a", now_ms, 1.0);
        });
        assert!((14..=17).contains(&refusing), "{refusing}");
        assert_eq!(calls(10, |pauses, _| pauses.accepted("a")), 100);
    }

    #[test]
    fn one_refusal_and_what_was_under_way_cost_nothing_more() {
        let mut pauses = ReceiverPauses::new((1_000, 8_000));
        assert_eq!(pauses.refused("a", 0, 1.0), 0);
        assert!(!pauses.is_paused("a", 0), "it may be this report's fault");
        pauses.accepted("a");
        for _ in 0..20 {
            assert_eq!(pauses.failed("a", 10, 1.0), 1_000);
        }
        assert!(pauses.is_paused("a", 1_009) && !pauses.is_paused("a", 1_010));
        assert_eq!(pauses.failed("a", 1_010, 1.0), 2_000);
        pauses.clear();
        assert!(!pauses.is_paused("a", 1_010));
        assert_eq!(pauses.failed("a", 2_000, 1.0), 1_000, "it starts over");
    }
}
