//! A look at the box four times a second: when it was whole, and when not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::scrape;

const EVERY: Duration = Duration::from_millis(250);
/// Two good looks further apart than this say nothing of the time between them.
const BLIND_MS: u64 = 1_200;

/// What one look found.
#[derive(Debug, Clone)]
pub struct Look {
    pub at_ms: u64,
    /// Ready, and every camera online.
    pub whole: bool,
    pub link_up: bool,
    /// Frames looked at since the box's start, by camera.
    pub frames: BTreeMap<String, u64>,
}

#[derive(Clone, Default)]
pub struct Looks(Arc<Mutex<Vec<Look>>>);

impl Looks {
    pub fn last(&self) -> Option<Look> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    pub fn add(&self, look: Look) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(look);
    }

    /// Frames of a camera that the box looked at in this time, if it was not started in it.
    pub fn frames_during(&self, camera: &str, from_ms: u64, to_ms: u64) -> u64 {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |at_ms: u64| {
            let index = looks.partition_point(|look| look.at_ms <= at_ms);
            index.checked_sub(1).and_then(|index| looks[index].frames.get(camera).copied()).unwrap_or(0)
        };
        count(to_ms).saturating_sub(count(from_ms))
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
    let metrics = scrape::get(port, "/metrics");
    let online = devices.is_some_and(|list| list.iter().all(|device| device["online"] == true));
    Look {
        at_ms: now_ms(),
        whole: online && health["ready"] == true,
        link_up: health["ready"] == true && health["link"] == "up",
        frames: devices.into_iter().flatten().filter_map(|device| frames(&metrics, device)).collect(),
    }
}

/// A camera's name and the frames looked at: those that came without those that a newer one replaced.
fn frames(metrics: &str, device: &Value) -> Option<(String, u64)> {
    let id = device["ip"].as_str()?;
    let value = |name: &str| scrape::value(metrics, &format!("{name}{{device=\"{id}\"}}")).unwrap_or(0.0);
    let looked_at = value("menshen_frames_total") - value("menshen_frames_dropped_total");
    Some((device["name"].as_str()?.to_owned(), looked_at as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_look_or_a_blind_time_breaks_it() {
        let looks = Looks::default();
        for at_ms in (0..10_000).step_by(250) {
            let frames = [("lobby".to_owned(), at_ms / 100)].into();
            looks.add(Look { at_ms, whole: at_ms != 5_000, link_up: true, frames });
        }
        looks.add(Look { at_ms: 20_000, whole: true, link_up: true, frames: BTreeMap::new() });
        assert_eq!(looks.frames_during("lobby", 1_000, 4_000), 30);
        assert_eq!(looks.frames_during("gate", 1_000, 4_000), 0);
        assert!(looks.whole_during(1_010, 4_000));
        assert!(!looks.whole_during(4_100, 5_500), "not whole in the middle");
        assert!(looks.whole_during(6_010, 9_000));
        assert!(!looks.whole_during(9_000, 12_000), "nobody looked");
        assert!(!looks.whole_during(19_000, 30_000), "not over yet");
    }
}
