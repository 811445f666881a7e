//! Three days without the platform, and what happens when it is back: a real box with a full store of events with
//! pictures drains it while people keep walking by. Prints one JSON object a line.

mod args;
mod target;
mod testbed;

pub use args::OutageArgs;

use std::collections::HashSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use menshen_testbed::statistics::{percentile, rounded};
use serde_json::json;

use crate::figures::print_figures;
use testbed::TestBed;

/// Live passages that the box sees before the platform is back.
const LIVE_BEFORE: usize = 2;
const SETTLE: Duration = Duration::from_mins(2);
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// 95 of 100 live passages are reported within this while the backlog drains.
const LIVE_P95_MS: u64 = 2_000;

/// Runs the campaign; it fails when an event is lost, doubled or out of order, or live passages are late.
pub fn run(arguments: &OutageArgs) -> Result<ExitCode> {
    let mut bed = TestBed::set_up(arguments)?;
    let started = Instant::now();
    let ids = bed.fill(arguments.events, arguments.picture_kb * 1024)?;
    print_figures(
        &json!({ "step": "filled", "events": ids.len(), "picture_kb": arguments.picture_kb, "seconds": seconds(started) }),
    );
    bed.import()?;
    bed.start_box(SETTLE)?;
    wait("live passages during the outage", SETTLE, || bed.live.count() >= LIVE_BEFORE)?;
    let waiting = bed.device.metric("menshen_outbox_depth");
    print_figures(&json!({ "step": "outage", "live": bed.live.count(), "waiting": waiting }));

    let (back, live_before) = (Instant::now(), bed.live.count());
    bed.history.listen(bed.history_port)?;
    let within = Duration::from_secs(arguments.within_s);
    wait("the backlog to drain", within, || bed.history.count() >= ids.len())?;
    let drained_s = seconds(back);
    let rss_mb = bed.device.process()?.resident_mb().map(|megabytes| megabytes as u64);
    wait("enough live passages", SETTLE, || bed.live.count() >= live_before + arguments.live)?;
    // Nobody walks any more: the passages that are open end, and what was live arrives as history too.
    bed.camera.kill9();
    wait("live passages in history", SETTLE, || bed.live_not_in_history() == 0)?;
    let is_clean = bed.device.stop(STOP_WITHIN)?.success();
    let findings = compare(&ids, &bed, live_before);
    let bytes: usize = bed.history.arrivals().iter().map(|arrival| arrival.bytes).sum();
    print_figures(&json!({
        "step": "drained", "events": ids.len(), "seconds": drained_s,
        "events_per_s": rounded(ids.len() as f64 / drained_s, 1),
        "megabytes": bytes / 1_000_000, "lost": findings.lost, "doubled": findings.doubled,
        "order_violations": findings.disordered, "live_not_in_history": findings.live_not_in_history,
        "resident_mb": rss_mb, "clean_exit": is_clean,
    }));
    print_figures(&json!({
        "step": "live", "passages": findings.delays_ms.len(),
        "p50_ms": percentile(&findings.delays_ms, 50), "p95_ms": percentile(&findings.delays_ms, 95),
        "max_ms": findings.delays_ms.last(),
    }));
    let passed = is_clean
        && findings.lost + findings.doubled + findings.disordered + findings.live_not_in_history == 0
        && percentile(&findings.delays_ms, 95).is_some_and(|p95_ms| p95_ms < LIVE_P95_MS);
    print_figures(&json!({ "step": "judged", "passed": passed }));
    if passed {
        bed.clean_up();
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

struct Findings {
    lost: usize,
    doubled: usize,
    disordered: usize,
    /// Live passages that never became history.
    live_not_in_history: usize,
    /// From first seen to reported, of those reported since the platform was back; sorted.
    delays_ms: Vec<u64>,
}

fn compare(ids: &[String], bed: &TestBed, live_before: usize) -> Findings {
    let arrivals = bed.history.arrivals();
    let mut seen = HashSet::new();
    let first: Vec<_> = arrivals.iter().filter(|arrival| seen.insert(arrival.id.as_str())).collect();
    // The backlog, then what happened since: exactly the order of the store.
    let backlog: Vec<_> = first.iter().take(ids.len()).map(|arrival| arrival.id.as_str()).collect();
    let disordered = backlog.iter().zip(ids).filter(|(got, expected)| *got != expected).count();
    let live = bed.live.arrivals();
    let mut delays_ms: Vec<_> =
        live.iter().skip(live_before).map(|one| one.at_ms.saturating_sub(one.in_timestamp)).collect();
    delays_ms.sort_unstable();
    Findings {
        lost: ids.iter().filter(|id| !seen.contains(id.as_str())).count(),
        doubled: arrivals.len() - first.len(),
        disordered,
        live_not_in_history: bed.live_not_in_history(),
        delays_ms,
    }
}

fn seconds(since: Instant) -> f64 {
    rounded(since.elapsed().as_secs_f64(), 1)
}

fn wait(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let started = Instant::now();
    while !is_so() {
        if started.elapsed() > limit {
            bail!("not within {} s: {what}", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
