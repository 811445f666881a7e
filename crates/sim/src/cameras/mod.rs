//! Many network cameras before one box: real RTSP, people whom it knows walking by, and every passage accounted for.
//!
//! The cameras' pictures are encoded before anything is measured; their processor time while serving is reported apart from the
//! box's. A passage is missed when the box's real-time event for it, with the right name, does not reach the receiver.

mod asked;
mod audience;
mod chaos;
mod course;
pub mod enrolment;
mod peer;
mod reading;
mod stats;
mod testbed;
mod user;

pub use asked::{Asked, Audience, Walker};

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use menshen_testbed::platform::ledger::now_ms;
use menshen_testbed::scrape;
use serde_json::{Value, json};

use audience::Invited;
use chaos::Chaos;
use enrolment::{Enrolment, People};
use stats::{Seen, Stats};
use testbed::TestBed;

/// From start to the first figures: caches fill, decoders settle.
const WARM_UP: Duration = Duration::from_secs(15);
/// Events of walks that ended just now may still be on their way.
const TAIL: Duration = Duration::from_secs(4);

/// Runs it; one JSON object a measure goes to `report`. `Ok(false)`: passages were missed.
pub fn run(asked: &Asked, report: &dyn Fn(&Value)) -> Result<bool> {
    let folder = std::env::temp_dir().join(format!("menshen-cameras-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut bed = TestBed::set_up(asked, &folder)?;
    bed.enrol(&asked.walkers)?;
    let begin = |people: &People| Enrolment::start(bed.local_port(), people, &folder.join("photos"));
    let enrolment = asked.enrol.as_ref().map(begin).transpose()?;
    bed.people_walk()?;
    std::thread::sleep(WARM_UP);
    let (before, from_ms) = (bed.reading()?, now_ms());
    let mut chaos = asked.chaos.map(Chaos::new);
    let audience = asked.audience.map(|audience| bed.invite(audience)).transpose()?;
    let course = bed.watch(Duration::from_secs(asked.seconds), chaos.as_mut())?;
    let (after, to_ms) = (bed.reading()?, now_ms());
    let turns = audience.map(Invited::end).transpose()?;
    let enrolled = enrolment.map(Enrolment::stop).transpose()?;
    std::thread::sleep(TAIL);
    let seen: Vec<Seen> = bed.platform.ledger().of_kind("realtime").iter().map(Seen::of_event).collect();
    let mut walks = bed.walks(from_ms, to_ms);
    if let Some(chaos) = &chaos {
        walks = chaos.undisturbed(walks, &bed.cameras);
    }
    let mut stats = Stats::of(&walks, &asked.walkers, &seen);
    let mut line = stats.figures("cameras");
    if let Some(chaos) = &chaos {
        let (figures, problems) = chaos.figures(&bed.cameras);
        merge(&mut line, &figures);
        stats.problems.extend(problems);
    }
    line["streams"] = json!(asked.streams);
    line["optimised"] = json!(!cfg!(debug_assertions));
    merge(&mut line, &after.since(&before, asked.streams));
    merge(&mut line, &course);
    merge(&mut line, &enrolled.unwrap_or_default());
    report(&line);
    if let Some(turns) = &turns {
        let mut line = turns.compare(&walks, &asked.walkers, &seen);
        line["streams"] = json!(asked.streams);
        line["optimised"] = json!(!cfg!(debug_assertions));
        let grown = |result: &str| {
            let series = format!("menshen_stream_messages_total{{result=\"{result}\"}}");
            let at = |metrics: &str| scrape::value(metrics, &series).unwrap_or_default();
            at(&after.metrics) - at(&before.metrics)
        };
        merge(&mut line, &json!({ "messages_sent": grown("sent"), "messages_dropped": grown("dropped") }));
        report(&line);
    }
    for problem in &stats.problems {
        report(&json!({ "measure": "problem", "what": problem }));
    }
    bed.stop_box()?;
    if let Some(python) = &asked.peer {
        let peer = peer::run(python, &asked.walkers, &bed.cameras, asked.seconds)?;
        let stats = Stats::of(&bed.walks(peer.from_ms, peer.to_ms), &asked.walkers, &peer.seen);
        let mut line = stats.figures("peer-opencv");
        line["streams"] = json!(asked.streams);
        merge(&mut line, &peer.figures);
        report(&line);
    }
    drop(bed);
    if stats.is_whole() {
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(stats.is_whole())
}

fn merge(line: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        line[key] = value.clone();
    }
}
