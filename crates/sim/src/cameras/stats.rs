//! Walks against what was seen of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::asked::Walker;
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::statistics::percentile;

/// One person walked by; milliseconds of the wall clock.
#[derive(Debug, Clone)]
pub struct Walk {
    pub camera: String,
    /// Walker's name.
    pub name: String,
    pub from_ms: u64,
    pub to_ms: u64,
}

/// One person was recognised.
#[derive(Debug, Clone)]
pub struct Seen {
    pub camera: String,
    pub person: String,
    /// Same for all reports of one passage.
    pub passage: String,
    /// When they were first seen, where that is reported; else when it was reported.
    pub in_ms: u64,
    pub reported_ms: u64,
}

impl Seen {
    pub fn of_event(entry: &Entry) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let more = &entry.body["ext_data"];
        Self {
            camera: text(&more["device_ip"]),
            person: text(&entry.body["identity_id"]),
            passage: text(&more["event_id"]),
            in_ms: more["in_timestamp"].as_u64().unwrap_or(entry.at_ms),
            reported_ms: entry.at_ms,
        }
    }
}

/// Clocks of the camera's process and the box's are one, a camera's frame is on its way for a moment.
const BEFORE_MS: u64 = 300;
const AFTER_MS: u64 = 1500;

#[derive(Debug, Default)]
pub struct Stats {
    walks: usize,
    missed: usize,
    misnamed: usize,
    doubled: usize,
    /// From the first good frame to the event, sorted.
    delays_ms: Vec<i64>,
    pub problems: Vec<String>,
}

impl Stats {
    pub fn of(walks: &[Walk], walkers: &[Walker], seen: &[Seen]) -> Self {
        let mut stats = Self { walks: walks.len(), ..Self::default() };
        for walk in walks {
            let Some(walker) = walkers.iter().find(|walker| walker.name == walk.name) else { continue };
            let here: Vec<&Seen> = seen
                .iter()
                .filter(|seen| seen.camera == walk.camera)
                .filter(|seen| seen.in_ms + BEFORE_MS >= walk.from_ms && seen.in_ms <= walk.to_ms + AFTER_MS)
                .collect();
            stats.compare(walk, walker, &here);
        }
        stats.delays_ms.sort_unstable();
        stats
    }

    fn compare(&mut self, walk: &Walk, walker: &Walker, seen: &[&Seen]) {
        let problem = |what: String| format!("{} on {} at {}: {what}", walk.name, walk.camera, walk.from_ms);
        let passages: BTreeSet<&str> = seen.iter().map(|seen| seen.passage.as_str()).collect();
        if passages.len() > 1 {
            self.doubled += 1;
            self.problems.push(problem(format!("{} events", passages.len())));
        }
        if let Some(other) = seen.iter().find(|seen| seen.person != walker.person) {
            self.misnamed += 1;
            self.problems.push(problem(format!("taken for `{}`", other.person)));
        }
        let right =
            seen.iter().filter(|seen| seen.person == walker.person).map(|seen| seen.reported_ms).min();
        if let Some(reported_ms) = right {
            self.delays_ms.push(reported_ms as i64 - (walk.from_ms + walker.good_after_ms) as i64);
        } else {
            self.missed += 1;
            self.problems.push(problem("no event".to_owned()));
        }
    }

    pub fn is_whole(&self) -> bool {
        self.walks > 0 && self.problems.is_empty()
    }

    pub fn figures(&self, measure: &str) -> Value {
        let at = |percent: usize| percentile(&self.delays_ms, percent);
        json!({
            "measure": measure, "passages": self.walks, "missed": self.missed, "misnamed": self.misnamed,
            "doubled": self.doubled, "delay_ms_p50": at(50), "delay_ms_p95": at(95), "delay_ms_most": at(100),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(camera: &str, person: &str, passage: &str, in_ms: u64) -> Seen {
        let text = str::to_owned;
        Seen {
            camera: text(camera),
            person: text(person),
            passage: text(passage),
            in_ms,
            reported_ms: in_ms + 100,
        }
    }

    #[test]
    fn missed_misnamed_and_doubled_are_told_apart() {
        let walkers = [Walker {
            picture: String::new(),
            name: "a-2".to_owned(),
            person: "a".to_owned(),
            photo: std::path::PathBuf::new(),
            good_after_ms: 500,
        }];
        let walk = |from_ms: u64| Walk {
            camera: "c".to_owned(),
            name: "a-2".to_owned(),
            from_ms,
            to_ms: from_ms + 4000,
        };
        let walks = [walk(10_000), walk(20_000), walk(30_000), walk(40_000)];
        let found = [
            seen("c", "a", "1", 10_500),
            seen("c", "a", "2", 20_500),
            seen("c", "a", "3", 22_000),
            seen("c", "b", "4", 30_500),
            seen("other", "a", "5", 40_500),
        ];
        let stats = Stats::of(&walks, &walkers, &found);
        assert!(!stats.is_whole());
        let figures = stats.figures("x");
        assert_eq!(figures["passages"], 4);
        assert_eq!(
            (&figures["missed"], &figures["misnamed"], &figures["doubled"]),
            (&json!(2), &json!(1), &json!(1))
        );
        assert_eq!(figures["delay_ms_p95"], 100);
        assert!(Stats::of(&walks[..1], &walkers, &found).is_whole());
    }
}
