//! The capture-device report: always the full list, retried until it is accepted, only the newest counts.

use std::time::Duration;

use tokio::sync::watch;

use super::deps::ReporterDeps;
use crate::ports::platform::PostPurpose;
use menshen_domain::backoff::Backoff;
use menshen_domain::device::DeviceStatus;
use menshen_domain::limits;
use menshen_protocol::report::{DeviceListEntry, DeviceListReport};

/// Sends the list whenever `devices` changes; the sender also touches it after a login.
pub async fn run(deps: ReporterDeps, mut devices: watch::Receiver<Vec<DeviceStatus>>) {
    let mut backoff = Backoff::new(limits::REPORT_BACKOFF_MS.0, limits::REPORT_BACKOFF_MS.1);
    let mut unsent = true;
    loop {
        if !unsent && devices.changed().await.is_err() {
            return;
        }
        let list = devices.borrow_and_update().clone();
        unsent = !send(&deps, &list).await;
        if unsent {
            let delay = Duration::from_millis(backoff.next_ms(rand::random()));
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                // Something newer, or a login that makes sending possible: no need to wait.
                changed = devices.changed() => if changed.is_err() { return },
            }
        } else {
            backoff.reset();
        }
    }
}

/// `true` when it was accepted, or when the platform wants no list.
async fn send(deps: &ReporterDeps, list: &[DeviceStatus]) -> bool {
    let Some(session) = deps.delivery.sessions.current() else { return false };
    let Some(url) = &session.device_list_url else { return true };
    let body = serde_json::to_vec(&report(&deps.config.dev_sno, list)).unwrap_or_default();
    match deps.delivery.platform.post(Some(&session), url, body, PostPurpose::DeviceList).await {
        Ok(()) => {
            deps.note_success("device-list", url);
            true
        }
        Err(error) => {
            deps.note_failure("device-list", url, &error, Some(&session));
            false
        }
    }
}

/// `online` or `offline`, as in the protocol.
pub fn wire_status(device: &DeviceStatus) -> &'static str {
    if device.state.is_online() { "online" } else { "offline" }
}

fn report(dev_sno: &str, list: &[DeviceStatus]) -> DeviceListReport {
    let entry = |device: &DeviceStatus| {
        let config = &device.config;
        DeviceListEntry {
            ep_id: config.ep_id.clone(),
            dev_sno: dev_sno.to_owned(),
            direction: config.direction.wire(),
            ep_type: config.kind.wire().to_owned(),
            memo: config.memo.clone(),
            ep_name: config.name.clone(),
            ep_ip: config.ip.clone(),
            ep_status: wire_status(device).to_owned(),
            ep_version: env!("CARGO_PKG_VERSION").to_owned(),
            ep_group_name: config.group_name.clone(),
            ep_stream_url: config.masked_url(),
            last_monitor_time: device.last_frame_ms / 1000,
            is_monitor: config.enabled,
            privilege_group_key: config.permission_groups.join(","),
        }
    };
    DeviceListReport { dev_sno: dev_sno.to_owned(), device_list: list.iter().map(entry).collect() }
}
