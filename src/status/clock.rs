//! Whether the machine's clock can be right, shared by those who judge people by it and by health, which shows it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use menshen_domain::clock::{ClockEvidence, ClockFault};
use menshen_domain::validity::Moment;

/// What has passed, and what was last found wrong. The default knows of nothing that has passed.
#[derive(Default)]
pub struct ClockStatus {
    built_ms: u64,
    newest_event_ms: AtomicU64,
    fault: Mutex<Option<ClockFault>>,
}

impl ClockStatus {
    /// Of a program built at that time.
    pub fn new(built_ms: u64) -> Self {
        Self { built_ms, ..Self::default() }
    }

    /// Of this program.
    pub fn of_build() -> Self {
        Self::new(env!("BUILD_EPOCH_S").parse::<u64>().unwrap_or_default() * 1000)
    }

    /// An event of that time is stored.
    pub fn event_at(&self, timestamp_ms: u64) {
        self.newest_event_ms.fetch_max(timestamp_ms, Ordering::Relaxed);
    }

    /// Events after that moment were stored by a wrong clock.
    pub fn confirm(&self, wall_ms: u64) {
        self.newest_event_ms.fetch_min(wall_ms, Ordering::Relaxed);
    }

    /// What is wrong with a clock that shows `wall_ms`.
    pub fn fault_at(&self, wall_ms: u64) -> Option<ClockFault> {
        let newest_event_ms = self.newest_event_ms.load(Ordering::Relaxed);
        ClockEvidence { built_ms: self.built_ms, newest_event_ms }.fault(wall_ms)
    }

    /// That moment, and whether it can be right.
    pub fn moment(&self, wall_ms: u64, utc_offset_min: i32) -> Moment {
        Moment { wall_ms, utc_offset_min, is_plausible: self.fault_at(wall_ms).is_none() }
    }

    /// Looks at the clock for health, metrics and the log, which tells a change once.
    pub fn watch(&self, wall_ms: u64) {
        let fault = self.fault_at(wall_ms);
        metrics::gauge!("menshen_clock_plausible").set(f64::from(u8::from(fault.is_none())));
        let before =
            std::mem::replace(&mut *self.fault.lock().unwrap_or_else(PoisonError::into_inner), fault);
        match (before, fault) {
            (None, Some(fault)) => {
                tracing::error!(
                    reason = %fault, clock_ms = wall_ms,
                    "THE CLOCK IS WRONG: people whose enrolment has an end_time are not recognised"
                );
            }
            (Some(_), None) => tracing::info!(clock_ms = wall_ms, "the clock is plausible again"),
            _ => {}
        }
    }

    /// What [`watch`](Self::watch) found last.
    pub fn fault(&self) -> Option<ClockFault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::limits::CLOCK_STEP_BACK_MS;

    #[test]
    fn an_event_of_a_wrong_future_is_taken_back_by_a_confirmation() {
        let (now_ms, future_ms) = (1_790_000_000_000, 1_990_000_000_000);
        let status = ClockStatus::new(now_ms - 1);
        status.event_at(future_ms);
        status.event_at(now_ms);
        assert_eq!(status.fault_at(now_ms), Some(ClockFault::BeforeNewestEvent));
        status.watch(now_ms);
        assert_eq!(status.fault(), Some(ClockFault::BeforeNewestEvent));
        status.confirm(now_ms);
        status.watch(now_ms);
        assert_eq!(status.fault(), None);
        assert_eq!(status.fault_at(now_ms - CLOCK_STEP_BACK_MS - 2), Some(ClockFault::BeforeBuild));
    }

    #[test]
    fn this_build_was_made_in_the_past() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let status = ClockStatus::of_build();
        assert_eq!(status.fault_at(now.as_millis() as u64), None);
        assert_eq!(status.fault_at(0), Some(ClockFault::BeforeBuild));
    }
}
