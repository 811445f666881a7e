//! Whether the machine's clock can be right.
//!
//! A box without a clock battery starts in 1970 or at the date of its firmware, and an operator can set a wrong date. Two
//! moments are known to have passed: that of the build, and that of the newest stored event. A clock before either of
//! them is wrong; people whose enrolment ends do not pass by it ([`crate::validity`]).

use crate::limits;

/// Moments that have passed, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockEvidence {
    /// When this program was built.
    pub built_ms: u64,
    /// When the newest stored event happened; 0 when there is none.
    pub newest_event_ms: u64,
}

/// Why the clock cannot be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockFault {
    /// Before this program was built.
    #[error("the clock shows a time before this program was built; set it, or let NTP set it")]
    BeforeBuild,
    /// Before the newest stored event.
    #[error(
        "the clock shows a time before the newest stored event; set it, or let NTP set it. If it is right now and was \
         wrong before, confirm it with `menshen clock confirm`"
    )]
    BeforeNewestEvent,
}

impl ClockFault {
    /// A name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeBuild => "before_build",
            Self::BeforeNewestEvent => "before_newest_event",
        }
    }
}

impl ClockEvidence {
    /// What is wrong with a clock that shows `wall_ms`. Small steps back are how NTP corrects a clock.
    pub fn fault(self, wall_ms: u64) -> Option<ClockFault> {
        let latest_ms = wall_ms.saturating_add(limits::CLOCK_STEP_BACK_MS);
        if latest_ms < self.built_ms {
            Some(ClockFault::BeforeBuild)
        } else if latest_ms < self.newest_event_ms {
            Some(ClockFault::BeforeNewestEvent)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT_MS: u64 = 1_790_000_000_000;
    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn a_clock_before_what_has_passed_is_wrong() {
        let evidence = ClockEvidence { built_ms: BUILT_MS, newest_event_ms: BUILT_MS + 10 * HOUR_MS };
        for (wall_ms, fault) in [
            (0, Some(ClockFault::BeforeBuild)),
            (1_000_000_000_000, Some(ClockFault::BeforeBuild)),
            (BUILT_MS - HOUR_MS, Some(ClockFault::BeforeBuild)),
            (BUILT_MS + HOUR_MS, Some(ClockFault::BeforeNewestEvent)),
            (BUILT_MS + 9 * HOUR_MS, Some(ClockFault::BeforeNewestEvent)),
            (BUILT_MS + 10 * HOUR_MS - limits::CLOCK_STEP_BACK_MS, None),
            (BUILT_MS + 10 * HOUR_MS, None),
            (u64::MAX, None),
        ] {
            assert_eq!(evidence.fault(wall_ms), fault, "{wall_ms}");
        }
    }

    #[test]
    fn without_events_the_build_counts() {
        let evidence = ClockEvidence { built_ms: BUILT_MS, newest_event_ms: 0 };
        assert_eq!(evidence.fault(BUILT_MS), None);
        assert_eq!(evidence.fault(BUILT_MS - limits::CLOCK_STEP_BACK_MS - 1), Some(ClockFault::BeforeBuild));
    }
}
