//! Whether everything expected happened: the ground truth of the cameras against the platform's ledger.

use std::collections::BTreeSet;

use serde_json::Value;

use super::show::{Screen, plain};
use menshen_testbed::camera_process::TrueWalk;
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::scrape;

/// A passage ends 2.5 s after the walker left, and history follows within a second or two.
const REPORTED_WITHIN_MS: u64 = 8_000;

pub struct Found {
    pub standalone: bool,
    pub entries: Vec<Entry>,
    pub truth: Vec<TrueWalk>,
    pub enrol_reply: Option<Value>,
    pub metrics: String,
    pub ended_ms: u64,
    pub clean_exit: bool,
}

/// Whom a walker's picture shows, as enrolled; `None` for the stranger.
fn identity(picture: &str) -> Option<&'static str> {
    match picture {
        "obama-2" | "obama-3" => Some("1001"),
        "biden-1" => Some("1002"),
        _ => None,
    }
}

impl Found {
    fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind && entry.is_accepted())
    }

    /// Walks that were over early enough to be reported.
    fn finished(&self) -> Vec<&TrueWalk> {
        let in_time = |to_ms: u64| to_ms + REPORTED_WITHIN_MS < self.ended_ms;
        self.truth.iter().filter(|walk| walk.to_ms.is_some_and(in_time)).collect()
    }

    /// Accepted events of this kind about a walk.
    fn about<'a>(&'a self, kind: &'a str, walk: &TrueWalk) -> Vec<&'a Entry> {
        let to_ms = walk.to_ms.unwrap_or(u64::MAX);
        self.of(kind)
            .filter(|entry| {
                let data = &entry.body["ext_data"];
                let seen_ms = data["in_timestamp"].as_u64().unwrap_or(0);
                data["device_ip"] == walk.camera.as_str() && seen_ms >= walk.from_ms && seen_ms <= to_ms
            })
            .collect()
    }

    /// How many of `walks` have exactly one event of `kind`, of the right person.
    fn reported_once(&self, kind: &str, walks: &[&TrueWalk]) -> usize {
        let right = |walk: &TrueWalk| {
            let events = self.about(kind, walk);
            events.len() == 1 && events[0].body["identity_id"] == identity(&walk.who).unwrap_or("")
        };
        walks.iter().filter(|walk| right(walk)).count()
    }

    fn event_ids(&self, kind: &str) -> Vec<String> {
        self.of(kind).filter_map(|e| e.body["ext_data"]["event_id"].as_str().map(str::to_owned)).collect()
    }

    fn strangers_counted(&self) -> u64 {
        scrape::value(&self.metrics, "menshen_events_total{kind=\"stranger\"}").unwrap_or(0.0) as u64
    }
}

/// Prints the summary table; `true` when every row passed.
pub fn verify(found: &Found, s: &Screen) -> bool {
    plain("");
    plain(s.pick("结果", "Summary"));
    let mut all = true;
    let mut row = |passed: bool, what: &str, text: String| {
        all &= passed;
        s.row(passed, what, &text);
    };
    if !found.standalone {
        platform_rows(found, s, &mut row);
    }
    let finished = found.finished();
    let (known, strangers): (Vec<&TrueWalk>, Vec<&TrueWalk>) =
        finished.into_iter().partition(|walk| identity(&walk.who).is_some());
    let real_time = found.reported_once("realtime", &known);
    row(
        known.len() >= 3 && real_time == known.len(),
        s.pick("已登记人员: 每次通行一次实时事件", "enrolled people: one real-time event a passage"),
        format!("{real_time}/{}", known.len()),
    );
    if found.standalone {
        let counted = found.strangers_counted();
        row(
            !strangers.is_empty() && counted >= strangers.len() as u64,
            s.pick("陌生人事件", "stranger events kept on the box"),
            format!("{counted}/{}", strangers.len()),
        );
    } else {
        let history = found.reported_once("history", &known);
        row(
            history == known.len(),
            s.pick("同样的历史事件", "the same as history"),
            format!("{history}/{}", known.len()),
        );
        let reported = found.reported_once("history", &strangers);
        row(
            !strangers.is_empty() && reported == strangers.len(),
            s.pick("陌生人: 每次通行一次历史事件", "stranger: one history event a passage"),
            format!("{reported}/{}", strangers.len()),
        );
    }
    row(found.clean_exit, s.pick("盒子正常退出", "the box stopped in good order"), String::new());
    all
}

fn platform_rows(found: &Found, s: &Screen, row: &mut impl FnMut(bool, &str, String)) {
    let logins = found.of("login").count();
    row(logins == 1, s.pick("登录", "login"), logins.to_string());
    let codes = |key: &str| -> Vec<i64> {
        let reply = found.enrol_reply.as_ref();
        let users = reply.and_then(|reply| reply["result"][key].as_array());
        users.into_iter().flatten().filter_map(|user| user["code"].as_i64()).collect()
    };
    let (enrolled, refused) = (codes("success_users"), codes("failed_users"));
    row(
        enrolled == [0, 0] && refused == [40004],
        s.pick("登记: 2 成功, 1 无人脸 (40004)", "enrolment: 2 done, 1 without a face (40004)"),
        format!("{} / {refused:?}", enrolled.len()),
    );
    let online = found.of("device-list").any(|entry| {
        let list = entry.body["deviceList"].as_array();
        list.is_some_and(|list| list.len() == 2 && list.iter().all(|device| device["epStatus"] == "online"))
    });
    let lists = found.of("device-list").count();
    row(online, s.pick("设备列表, 两台在线", "device list with both cameras online"), lists.to_string());
    let status = found.of("status").count();
    row(status >= 3, s.pick("状态上报", "status reports"), status.to_string());
    let history = found.event_ids("history");
    let distinct: BTreeSet<_> = history.iter().collect();
    row(
        distinct.len() == history.len(),
        s.pick("历史事件无重复", "no history event twice"),
        format!("{} / {}", distinct.len(), history.len()),
    );
}
