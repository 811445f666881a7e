//! The dialects of the protocol during a campaign: the platform's changes every few seconds while backlogs wait, one
//! receiver keeps its own, and each event must say the same in both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::receivers::{PINNED, PINNED_DIALECT};
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::scrape;

const CALL: &str = "/menshen/api/dialect";
const OFTEN_MS: std::ops::Range<u64> = 700..3_500;
const TICK: Duration = Duration::from_millis(50);
/// Scores are written with so many digits at least, on the scale to 1.
const SCORE_STEP: f64 = 1e-4;

/// Changes the platform's dialect until it is dropped.
pub struct Changer {
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Changer {
    pub fn start(local_port: u16, seed: u64) -> Self {
        let (stop, taken) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (ended, counted) = (Arc::clone(&stop), Arc::clone(&taken));
        let thread = std::thread::spawn(move || {
            let mut random = StdRng::seed_from_u64(seed ^ 0xD1A1);
            while !ended.load(Ordering::Acquire) {
                let dialect = if random.random_bool(0.5) { "2.6" } else { "2.4" };
                // A box that is down or has a full disk takes none.
                let answer = scrape::put(local_port, CALL, &json!({ "platform": dialect }));
                if taken_as(&answer, dialect) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                let until = Instant::now() + Duration::from_millis(random.random_range(OFTEN_MS));
                while Instant::now() < until && !ended.load(Ordering::Acquire) {
                    std::thread::sleep(TICK);
                }
            }
        });
        Self { stop, taken, thread: Some(thread) }
    }

    /// Changes that the box said it had made.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Changer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn taken_as(answer: &str, dialect: &str) -> bool {
    serde_json::from_str::<Value>(answer).is_ok_and(|answer| answer["data"]["platform"] == dialect)
}

/// What a history body says of its event, in either dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct Told<'a> {
    pub dialect: &'static str,
    pub event_id: &'a str,
    pub camera: &'a str,
    pub in_ms: i64,
    pub out_ms: i64,
    /// 0 to 1.
    score: Option<f64>,
}

impl<'a> Told<'a> {
    pub fn read(body: &'a Value) -> Option<Self> {
        let is_flat = body.get("ep_info").is_some();
        let facts = if is_flat { body } else { &body["ext_data"] };
        let camera = if is_flat { &body["ep_info"]["ep_ip"] } else { &facts["device_ip"] };
        let scale = if is_flat { 100.0 } else { 1.0 };
        Some(Self {
            dialect: if is_flat { "2.6" } else { "2.4" },
            event_id: facts["event_id"].as_str()?,
            camera: camera.as_str()?,
            in_ms: facts["in_timestamp"].as_i64()?,
            out_ms: facts["out_timestamp"].as_i64()?,
            score: body["score"].as_f64().map(|score| score / scale),
        })
    }

    fn is_same_event(&self, other: &Self) -> bool {
        let same_score = match (self.score, other.score) {
            (Some(one), Some(other)) => (one - other).abs() <= SCORE_STEP,
            (one, other) => one.is_none() && other.is_none(),
        };
        (self.camera, self.in_ms, self.out_ms) == (other.camera, other.in_ms, other.out_ms) && same_score
    }
}

/// What came in which dialect.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Accepted bodies by receiver and dialect.
    pub bodies: BTreeMap<String, u64>,
    pub problems: Vec<String>,
}

/// `entries` in the order they came; `paths` are the receivers' own.
pub fn look(entries: &[Entry], paths: &[String]) -> Findings {
    let mut findings = Findings::default();
    let mut known: BTreeMap<&str, Told<'_>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.kind == "history" && entry.is_accepted()) {
        let Some(receiver) = paths.iter().position(|path| *path == entry.path) else { continue };
        let Some(told) = Told::read(&entry.body) else {
            findings.problems.push(format!("receiver {receiver} got a body of no dialect: {}", entry.body));
            continue;
        };
        *findings.bodies.entry(format!("{receiver} in {}", told.dialect)).or_default() += 1;
        if receiver == PINNED && told.dialect != PINNED_DIALECT {
            findings.problems.push(format!(
                "receiver {receiver} got {} in {}, not in its own",
                told.event_id, told.dialect
            ));
        }
        let first = known.entry(told.event_id).or_insert_with(|| told.clone());
        if !first.is_same_event(&told) {
            findings.problems.push(format!("one event told in two ways: {first:?} and {told:?}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::receivers::{RECEIVERS, receiver_path};

    fn entry(receiver: usize, body: Value) -> Entry {
        let path = receiver_path(receiver);
        Entry { number: 0, at_ms: 0, kind: "history", path, status: 200, body }
    }

    fn nested(score: f64) -> Value {
        json!({ "score": score, "timestamp": 9, "ext_data": { "event_id": "a", "device_ip": "lobby", "in_timestamp": 5,
            "out_timestamp": 8 } })
    }

    fn flat(score: f64) -> Value {
        json!({ "score": score, "timestamp": 9, "event_id": "a", "in_timestamp": 5, "out_timestamp": 8,
            "ep_info": { "ep_ip": "lobby" } })
    }

    fn paths() -> [String; RECEIVERS] {
        std::array::from_fn(receiver_path)
    }

    #[test]
    fn one_event_is_the_same_in_both_dialects() {
        let found =
            look(&[entry(0, nested(0.83)), entry(PINNED, flat(83.0)), entry(0, flat(83.0))], &paths());
        assert!(found.problems.is_empty(), "{found:?}");
        let counts = [("0 in 2.4", 1), ("0 in 2.6", 1), ("2 in 2.6", 1)];
        assert_eq!(found.bodies, counts.map(|(name, count)| (name.to_owned(), count)).into());
    }

    #[test]
    fn another_score_another_form_and_another_dialect_are_seen() {
        for (body, words) in [
            (flat(0.83), "in two ways"),
            (nested(0.83), "not in its own"),
            (json!({ "event_id": "a" }), "no dialect"),
        ] {
            let found = look(&[entry(0, nested(0.83)), entry(PINNED, body)], &paths());
            assert!(found.problems.len() == 1 && found.problems[0].contains(words), "{found:?}");
        }
    }
}
