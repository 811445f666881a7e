//! A look at the box four times a second: when it was whole, and when not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::sim::platform::ledger::now_ms;
use crate::sim::scrape;

const EVERY: Duration = Duration::from_millis(250);
/// Two good looks further apart than this say nothing of the time between them.
const BLIND_MS: u64 = 1_200;

/// What one look found.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub at_ms: u64,
    /// Ready, and every camera online.
    pub whole: bool,
    pub link_up: bool,
}

#[derive(Clone, Default)]
pub struct Looks(Arc<Mutex<Vec<Look>>>);

impl Looks {
    pub fn last(&self) -> Option<Look> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().copied()
    }

    pub fn add(&self, look: Look) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(look);
    }

    /// Whether the box was whole all the time.
    pub fn whole_during(&self, from_ms: u64, to_ms: u64) -> bool {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = looks.partition_point(|look| look.at_ms < from_ms).saturating_sub(1);
        let mut seen_to = 0;
        for look in &looks[first..] {
            if seen_to != 0 && look.at_ms - seen_to > BLIND_MS || !look.whole {
                return false;
            }
            if seen_to == 0 && look.at_ms > from_ms {
                return false;
            }
            seen_to = look.at_ms;
            if seen_to >= to_ms {
                return true;
            }
        }
        false
    }
}

/// The thread that looks; ends with its handle.
pub struct Watch {
    stop: Arc<AtomicBool>,
}

impl Watch {
    pub fn start(port: u16, looks: Looks) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                looks.add(look(port));
                std::thread::sleep(EVERY);
            }
        });
        Self { stop }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn look(port: u16) -> Look {
    let health: Value = serde_json::from_str(&scrape::get(port, "/healthz")).unwrap_or_default();
    let devices = health["devices"].as_array();
    let online = devices.is_some_and(|list| list.iter().all(|device| device["online"] == true));
    Look {
        at_ms: now_ms(),
        whole: online && health["ready"] == true,
        link_up: health["ready"] == true && health["link"] == "up",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_look_or_a_blind_time_breaks_it() {
        let looks = Looks::default();
        for at_ms in (0..10_000).step_by(250) {
            looks.add(Look { at_ms, whole: at_ms != 5_000, link_up: true });
        }
        looks.add(Look { at_ms: 20_000, whole: true, link_up: true });
        assert!(looks.whole_during(1_010, 4_000));
        assert!(!looks.whole_during(4_100, 5_500), "not whole in the middle");
        assert!(looks.whole_during(6_010, 9_000));
        assert!(!looks.whole_during(9_000, 12_000), "nobody looked");
        assert!(!looks.whole_during(19_000, 30_000), "not over yet");
    }
}
