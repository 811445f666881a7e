//! The periodic status report: the machine and its devices as they are now. A missed report is not sent later, and a
//! receiver that fails is asked ever more rarely.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::deps::ReporterDeps;
use super::outcome::{Outcome, outcome_of};
use super::status_body::report;
use crate::actors::blocking::spawn_blocking;
use crate::actors::task::Task;
use crate::ports::platform::PostPurpose;
use menshen_domain::device::DeviceStatus;
use menshen_domain::limits;
use menshen_domain::receiver_pause::ReceiverPauses;

/// How long a box without receivers waits before it looks for some, unless it is told.
const IDLE: Duration = Duration::from_secs(20);

type Pauses = Arc<Mutex<ReceiverPauses>>;

fn locked(pauses: &Pauses) -> MutexGuard<'_, ReceiverPauses> {
    pauses.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports to each receiver in its period, and to all at once after a login and when receivers were changed.
pub async fn run(
    deps: ReporterDeps,
    devices: watch::Receiver<Vec<DeviceStatus>>,
    mut logins: watch::Receiver<u64>,
) {
    let mut running: HashMap<Url, Task> = HashMap::new();
    let mut due: HashMap<Url, Instant> = HashMap::new();
    let pauses: Pauses = Arc::new(Mutex::new(ReceiverPauses::new(limits::REPORT_BACKOFF_MS)));
    loop {
        logins.mark_unchanged();
        let receivers = receivers(&deps);
        running.retain(|url, task| receivers.contains_key(url) && !task.is_finished());
        due.retain(|url, _| receivers.contains_key(url));
        let now = Instant::now();
        let mut urls = Vec::new();
        for (url, period) in receivers {
            if due.get(&url).is_none_or(|at| *at <= now) {
                due.insert(url.clone(), now + period);
                urls.push(url);
            }
        }
        let now_ms = deps.clock.monotonic_ms();
        urls.retain(|url| !locked(&pauses).is_paused(url.as_str(), now_ms));
        if !urls.is_empty() {
            let body = body(&deps, &devices).await;
            for url in urls {
                // While the last report still waits for its receiver, this one is left out there.
                let (deps, body, pauses) = (deps.clone(), body.clone(), Arc::clone(&pauses));
                running.entry(url.clone()).or_insert_with(|| {
                    let make = move || send(deps.clone(), url.clone(), body.clone(), Arc::clone(&pauses));
                    Task::spawn("status-report", make)
                });
            }
        }
        let next = due.values().min().copied().unwrap_or(now + IDLE);
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            changed = logins.changed() => match changed {
                // A new token may be what was missing, and another period may be meant.
                Ok(()) => {
                    locked(&pauses).clear();
                    due.clear();
                }
                Err(_) => return,
            },
        }
    }
}

/// Who is reported to, and how often: the login's receiver as the login says, the box's own as they were set.
fn receivers(deps: &ReporterDeps) -> HashMap<Url, Duration> {
    let tuning = deps.tuning.load();
    let own = Duration::from_secs(tuning.reports.monitor.period_s);
    let mut receivers: HashMap<Url, Duration> =
        tuning.monitor_urls.iter().map(|url| (url.clone(), own)).collect();
    if let Some(session) = deps.delivery.sessions.current()
        && let Some(url) = &session.device_monitor_url
    {
        receivers.insert(url.clone(), Duration::from_secs(session.device_monitor_period_s));
    }
    receivers
}

async fn body(deps: &ReporterDeps, devices: &watch::Receiver<Vec<DeviceStatus>>) -> Vec<u8> {
    let probe = Arc::clone(&deps.delivery.probe);
    let facts = spawn_blocking(move || probe.look()).await.unwrap_or_default();
    let dialect = deps.tuning.load().reports.dialects.platform;
    let report = report(&deps.config, dialect, &facts, &devices.borrow());
    serde_json::to_vec(&report).unwrap_or_default()
}

async fn send(deps: ReporterDeps, url: Url, body: Vec<u8>, pauses: Pauses) {
    let session = deps.delivery.sessions.session_for(&url);
    let sent = deps.delivery.platform.post(session.as_deref(), &url, body.into(), PostPurpose::Report).await;
    let now_ms = deps.clock.monotonic_ms();
    let Err(error) = sent else {
        locked(&pauses).accepted(url.as_str());
        return deps.note_success("status", &url);
    };
    deps.note_failure("status", &url, &error, session.as_ref());
    let mut pauses = locked(&pauses);
    match outcome_of(&error) {
        Outcome::Refused(_) => pauses.refused(url.as_str(), now_ms, rand::random()),
        Outcome::Accepted | Outcome::Failed(_) => pauses.failed(url.as_str(), now_ms, rand::random()),
    };
}
