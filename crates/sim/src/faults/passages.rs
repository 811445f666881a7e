//! Events at both ends: what the cameras showed, what the box kept and pushed, what each receiver got.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::dialects::Told;
use super::receivers::{RECEIVERS, receiver_path};
use super::watch::Looks;
use menshen_testbed::camera_process::TrueWalk;
use menshen_testbed::platform::ledger::Entry;

const DAY_MS: i64 = 86_400_000;
/// The box must have been whole this long before a walk and after it, for the walk to count: its trackers have
/// started afresh, and the passage has had its gap to end in.
const WHOLE_BEFORE_MS: u64 = 1_500;
const WHOLE_AFTER_MS: u64 = 4_500;
/// Of the thirty frames of a walk the box must have looked at so many for the walk to count: with the processor taken
/// away from it, it sees nobody.
const FRAMES_MIN: u64 = 12;
/// Pictures reach the box this much later than the camera says, at most.
const LATE_MS: i64 = 1_500;
/// Two passages of a camera that a crash ended together may change places within this.
const ORDER_SLACK_MS: i64 = 5_000;

/// One event, its times on the true clock.
#[derive(Debug, Clone)]
struct Seen {
    camera: String,
    in_ms: i64,
    out_ms: i64,
}

pub struct Evidence<'a> {
    pub entries: &'a [Entry],
    /// Lines of `menshen events list`.
    pub stored: &'a [Value],
    pub walks: &'a [TrueWalk],
    pub looks: &'a Looks,
    /// When the box was killed or ended.
    pub breaks: &'a [u64],
    /// Times at which walkers may have become another person: from, to.
    pub wipes: &'a [(u64, u64)],
    /// Times at which the disk was full: from, to. What was lost then is counted by the box, not here.
    pub disk_full: &'a [(u64, u64)],
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Findings {
    pub real_time: usize,
    pub stored: usize,
    pub received: Vec<usize>,
    /// The same event once more, under the same id.
    pub repeated: usize,
    pub walks: usize,
    pub walks_counted: usize,
    pub lost: Vec<String>,
    pub reordered: Vec<String>,
    pub doubled: Vec<String>,
}

/// The true time of a wall-clock time of the box, which may be days off: the day nearest to `about_ms`.
fn true_ms(box_ms: i64, about_ms: i64) -> i64 {
    let days = (box_ms - about_ms + DAY_MS / 2).div_euclid(DAY_MS);
    box_ms - days * DAY_MS
}

fn seen(value: &Value, about_ms: i64) -> Option<(String, Seen)> {
    let time = |key: &str| Some(true_ms(value[key].as_i64()?, about_ms));
    Some((
        value["event_id"].as_str()?.to_owned(),
        Seen {
            camera: value["device_ip"].as_str()?.to_owned(),
            in_ms: time("in_timestamp")?,
            out_ms: time("out_timestamp")?,
        },
    ))
}

fn overlaps(times: &[(u64, u64)], from_ms: i64, to_ms: i64) -> bool {
    times.iter().any(|(from, to)| *from as i64 <= to_ms && *to as i64 >= from_ms)
}

/// Ids of stored events that some receiver has not got.
pub fn missing(entries: &[Entry], stored: &[Value]) -> Vec<String> {
    let mut missing = BTreeSet::new();
    for receiver in 0..RECEIVERS {
        let got: BTreeSet<_> = accepted(entries, receiver).into_iter().map(|(id, _)| id).collect();
        let ids = stored.iter().filter_map(|event| event["event_id"].as_str());
        missing.extend(ids.filter(|id| !got.contains(*id)).map(str::to_owned));
    }
    missing.into_iter().collect()
}

/// Accepted history events of a receiver in the order they came.
fn accepted(entries: &[Entry], receiver: usize) -> Vec<(String, &Entry)> {
    let path = receiver_path(receiver);
    let of_receiver = entries.iter().filter(|e| e.kind == "history" && e.path == path && e.is_accepted());
    of_receiver.filter_map(|entry| Some((Told::read(&entry.body)?.event_id.to_owned(), entry))).collect()
}

impl Evidence<'_> {
    pub fn verify(&self) -> Findings {
        let mut findings = Findings { stored: self.stored.len(), ..Findings::default() };
        let about_ms = self.walks.last().map_or(0, |walk| walk.from_ms as i64);
        let mut events: BTreeMap<String, Seen> =
            self.stored.iter().filter_map(|event| seen(event, about_ms)).collect();
        let sequences: BTreeMap<&str, u64> = self
            .stored
            .iter()
            .filter_map(|event| Some((event["event_id"].as_str()?, event["sequence"].as_u64()?)))
            .collect();
        let live: BTreeSet<String> = self
            .entries
            .iter()
            .filter(|entry| entry.kind == "realtime")
            .filter_map(|entry| entry.body["ext_data"]["event_id"].as_str().map(str::to_owned))
            .collect();
        findings.real_time = live.len();
        let must: BTreeSet<&str> = live
            .iter()
            .map(String::as_str)
            .chain(self.stored.iter().filter_map(|e| e["event_id"].as_str()))
            .collect();
        for receiver in 0..RECEIVERS {
            let got = accepted(self.entries, receiver);
            let mut first = Vec::new();
            let mut known = BTreeSet::new();
            for (id, entry) in &got {
                if known.insert(id.as_str()) {
                    first.push(id.as_str());
                } else {
                    findings.repeated += 1;
                }
                if let Some(told) = Told::read(&entry.body) {
                    let seen = Seen {
                        camera: told.camera.to_owned(),
                        in_ms: true_ms(told.in_ms, about_ms),
                        out_ms: true_ms(told.out_ms, about_ms),
                    };
                    events.entry(told.event_id.to_owned()).or_insert(seen);
                }
            }
            findings.received.push(first.len());
            for id in must.iter().filter(|id| !known.contains(**id)) {
                let how = if live.contains(*id) { "pushed in real time" } else { "stored" };
                findings.lost.push(format!("receiver {receiver} never got {id}, {how}"));
            }
            order(receiver, &first, &sequences, &events, &mut findings.reordered);
        }
        self.walks(&events, &mut findings);
        findings
    }

    /// Each walk during which the box was whole has an event, and one only.
    fn walks(&self, events: &BTreeMap<String, Seen>, findings: &mut Findings) {
        findings.walks = self.walks.len();
        for walk in self.walks {
            let Some(to_ms) = walk.to_ms else { continue };
            let from_ms = walk.from_ms;
            if !self.looks.whole_during(from_ms - WHOLE_BEFORE_MS, to_ms + WHOLE_AFTER_MS) {
                continue;
            }
            if self.looks.frames_during(&walk.camera, from_ms, to_ms) < FRAMES_MIN {
                continue;
            }
            let (from, to) = (from_ms as i64, to_ms as i64 + LATE_MS);
            if overlaps(self.disk_full, from - 10_000, to + 10_000) {
                continue;
            }
            findings.walks_counted += 1;
            let of_walk: Vec<_> = events
                .iter()
                .filter(|(_, seen)| seen.camera == walk.camera && seen.in_ms <= to && seen.out_ms >= from)
                .collect();
            let what = || format!("{} past {} at {from_ms}", walk.who, walk.camera);
            let broken = self.breaks.iter().any(|at| (from..=to + 3_000).contains(&(*at as i64)));
            if of_walk.is_empty() {
                findings.lost.push(format!("{}: no event", what()));
            } else if of_walk.len() > 1 && !broken && !overlaps(self.wipes, from, to) {
                let ids: Vec<_> = of_walk.iter().map(|(id, _)| id.as_str()).collect();
                findings.doubled.push(format!("{}: {ids:?}", what()));
            }
        }
    }
}

/// First arrivals must follow the box's sequence, and each camera's the true time.
fn order(
    receiver: usize,
    first: &[&str],
    sequences: &BTreeMap<&str, u64>,
    events: &BTreeMap<String, Seen>,
    reordered: &mut Vec<String>,
) {
    let mut last = 0;
    let mut last_out: BTreeMap<&str, i64> = BTreeMap::new();
    for id in first {
        if let Some(sequence) = sequences.get(id) {
            if *sequence < last {
                reordered.push(format!("receiver {receiver} got {id} ({sequence}) after {last}"));
            }
            last = last.max(*sequence);
        }
        if let Some(seen) = events.get(*id) {
            let latest = last_out.entry(&seen.camera).or_insert(i64::MIN);
            if seen.out_ms < latest.saturating_sub(ORDER_SLACK_MS) {
                reordered.push(format!(
                    "receiver {receiver} got {id} of {} {} ms after a later one",
                    seen.camera,
                    *latest - seen.out_ms
                ));
            }
            *latest = (*latest).max(seen.out_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::watch::Look;

    const T: u64 = 1_795_000_000_000;

    fn event(id: &str, sequence: u64, in_ms: u64, out_ms: u64) -> Value {
        json!({ "sequence": sequence, "event_id": id, "device_ip": "lobby", "in_timestamp": in_ms, "out_timestamp": out_ms })
    }

    fn history(receiver: usize, id: &str, in_ms: u64, out_ms: u64, status: u16) -> Entry {
        let data =
            json!({ "event_id": id, "device_ip": "lobby", "in_timestamp": in_ms, "out_timestamp": out_ms });
        Entry {
            number: 0,
            at_ms: 0,
            kind: "history",
            path: receiver_path(receiver),
            status,
            body: json!({ "ext_data": data }),
        }
    }

    fn walk(from_ms: u64) -> TrueWalk {
        TrueWalk { camera: "lobby".into(), who: "x".into(), from_ms, to_ms: Some(from_ms + 3_000) }
    }

    fn verify(entries: &[Entry], stored: &[Value], walks: &[TrueWalk], breaks: &[u64]) -> Findings {
        let looks = Looks::default();
        for step in 0..200 {
            let frames = [("lobby".to_owned(), step * 2)].into();
            looks.add(Look { at_ms: T - 10_000 + step * 250, whole: true, link_up: true, frames });
        }
        let evidence = Evidence { entries, stored, walks, looks: &looks, breaks, wipes: &[], disk_full: &[] };
        evidence.verify()
    }

    fn all(id: &str, in_ms: u64, out_ms: u64) -> [Entry; RECEIVERS] {
        std::array::from_fn(|receiver| history(receiver, id, in_ms, out_ms, 200))
    }

    #[test]
    fn all_is_well_on_a_clock_a_day_ahead_and_with_a_repeat() {
        let ahead = DAY_MS as u64;
        let stored = [event("a", 1, T + 500, T + 2_500), event("b", 2, T + 7_000 + ahead, T + 9_000 + ahead)];
        let mut entries: Vec<_> = all("a", T + 500, T + 2_500).into();
        entries.extend(all("a", T + 500, T + 2_500));
        entries.extend(all("b", T + 7_000 + ahead, T + 9_000 + ahead));
        let found = verify(&entries, &stored, &[walk(T), walk(T + 6_500)], &[]);
        assert_eq!((found.repeated, found.walks_counted, &found.received), (3, 2, &vec![2, 2, 2]));
        assert!(found.lost.is_empty() && found.reordered.is_empty() && found.doubled.is_empty(), "{found:?}");
    }

    #[test]
    fn what_a_receiver_lacks_or_got_as_a_page_is_lost() {
        let stored = [event("a", 1, T + 500, T + 2_500)];
        let [first, mut second, third] = all("a", T + 500, T + 2_500);
        second.status = menshen_testbed::platform::ledger::LOGIN_PAGE;
        let found = verify(&[first.clone(), second, third], &stored, &[walk(T)], &[]);
        assert_eq!(found.lost.len(), 1, "{found:?}");
        assert_eq!(missing(&[first], &stored), ["a"]);
        let found = verify(&[], &[], &[walk(T)], &[]);
        assert_eq!(found.lost.len(), 1, "a walk without an event: {found:?}");
    }

    #[test]
    fn order_and_doubles_are_seen() {
        let stored = [event("a", 1, T + 500, T + 900), event("b", 2, T + 1_500, T + 2_500)];
        let entries: Vec<_> =
            all("b", T + 1_500, T + 2_500).into_iter().chain(all("a", T + 500, T + 900)).collect();
        let found = verify(&entries, &stored, &[walk(T)], &[]);
        assert_eq!((found.reordered.len(), found.doubled.len()), (3, 1), "{found:?}");
        let found = verify(&entries, &stored, &[walk(T)], &[T + 1_000]);
        assert!(found.doubled.is_empty(), "a kill fell into it: {found:?}");
    }
}
