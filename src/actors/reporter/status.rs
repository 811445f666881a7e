//! The periodic status report: the machine and its devices as they are now. A missed report is not sent later, and a
//! receiver that fails is asked ever more rarely.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use url::Url;

use super::deps::ReporterDeps;
use super::devices::wire_status;
use super::outcome::{Outcome, outcome_of};
use crate::actors::blocking::spawn_blocking;
use crate::actors::task::Task;
use crate::ports::platform::PostPurpose;
use crate::ports::system::SystemFacts;
use menshen_domain::device::DeviceStatus;
use menshen_domain::limits;
use menshen_domain::receiver_pause::ReceiverPauses;
use menshen_protocol::report::{GatewayExtData, StatusReport, SubDevice};

const BYTES_PER_GB: f64 = 1e9;

/// Period where no login has named one (protocol section 2).
const PERIOD_WITHOUT_LOGIN: Duration = Duration::from_secs(20);

type Pauses = Arc<Mutex<ReceiverPauses>>;

fn locked(pauses: &Pauses) -> MutexGuard<'_, ReceiverPauses> {
    pauses.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports in the login's period, and at once after a login.
pub async fn run(
    deps: ReporterDeps,
    devices: watch::Receiver<Vec<DeviceStatus>>,
    mut logins: watch::Receiver<u64>,
) {
    let mut running: HashMap<Url, Task> = HashMap::new();
    let pauses: Pauses = Arc::new(Mutex::new(ReceiverPauses::new(limits::REPORT_BACKOFF_MS)));
    loop {
        logins.mark_unchanged();
        let session = deps.delivery.sessions.current();
        let mut urls: Vec<Url> =
            session.iter().filter_map(|session| session.device_monitor_url.clone()).collect();
        urls.extend(deps.tuning.load().monitor_urls.iter().cloned());
        running.retain(|url, task| urls.contains(url) && !task.is_finished());
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
        let period = session
            .map_or(PERIOD_WITHOUT_LOGIN, |session| Duration::from_secs(session.device_monitor_period_s));
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            changed = logins.changed() => match changed {
                // A new token may be what was missing.
                Ok(()) => locked(&pauses).clear(),
                Err(_) => return,
            },
        }
    }
}

async fn body(deps: &ReporterDeps, devices: &watch::Receiver<Vec<DeviceStatus>>) -> Vec<u8> {
    let probe = Arc::clone(&deps.delivery.probe);
    let facts = spawn_blocking(move || probe.look()).await.unwrap_or_default();
    serde_json::to_vec(&report(&deps.config.dev_sno, &facts, &devices.borrow())).unwrap_or_default()
}

async fn send(deps: ReporterDeps, url: Url, body: Vec<u8>, pauses: Pauses) {
    let session = deps.delivery.sessions.session_for(&url);
    let sent = deps.delivery.platform.post(session.as_deref(), &url, body, PostPurpose::Report).await;
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

fn report(dev_sno: &str, facts: &SystemFacts, devices: &[DeviceStatus]) -> StatusReport {
    let gigabytes = |bytes: u64| (bytes as f64 / BYTES_PER_GB * 100.0).round() / 100.0;
    let memory_usage = facts.memory_used as f64 / facts.memory_total.max(1) as f64;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    StatusReport {
        gateway_ip: facts.ip.clone(),
        gateway_name: facts.hostname.clone(),
        gateway_status: "online".to_owned(),
        gateway_sn: dev_sno.to_owned(),
        dev_sno: dev_sno.to_owned(),
        gateway_ext_data: GatewayExtData {
            sw_version: version.clone(),
            sdk_version: version,
            gateway_mac: facts.hex_mac.clone(),
            cpu_usage: (f64::from(facts.cpu_percent) * 10.0).round() / 10.0,
            memory_size: gigabytes(facts.memory_total),
            memory_usage: (memory_usage * 1000.0).round() / 1000.0,
            disk_size: gigabytes(facts.disk_total),
            disk_free_size: gigabytes(facts.disk_free),
            temperature: facts.temperature_c.map_or(0, |degrees| degrees.round() as i64),
        },
        sub_devices: devices
            .iter()
            .map(|device| SubDevice {
                ep_id: device.config.ep_id.clone(),
                ep_name: device.config.name.clone(),
                ep_ip: device.config.ip.clone(),
                ep_status: wire_status(device).to_owned(),
                ep_location: device.config.location.clone(),
                ep_type: device.config.kind.wire().to_owned(),
                ep_url: device.config.masked_url(),
            })
            .collect(),
    }
}
