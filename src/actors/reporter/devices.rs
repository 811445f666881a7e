//! The capture-device report: always the full list, retried until it is accepted, only the newest counts.

use std::time::Duration;

use tokio::sync::watch;

use super::deps::ReporterDeps;
use crate::ports::platform::PostPurpose;
use menshen_domain::backoff::Backoff;
use menshen_domain::device::{DeviceKind, DeviceStatus};
use menshen_domain::limits;
use menshen_domain::report_options::Dialect;
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
    let dialect = deps.tuning.load().reports.dialects.platform;
    let body = serde_json::to_vec(&report(&deps.config.dev_sno, list, dialect)).unwrap_or_default();
    match deps.delivery.platform.post(Some(&session), url, body.into(), PostPurpose::DeviceList).await {
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

/// `epType`: digits in dialect 2.4, words in 2.6.
fn ep_type(kind: DeviceKind, dialect: Dialect) -> &'static str {
    match (dialect, kind) {
        (Dialect::V24, kind) => kind.wire(),
        (Dialect::V26, DeviceKind::NetworkCamera) => "RTSP",
        (Dialect::V26, DeviceKind::Turnstile | DeviceKind::DoorTerminal | DeviceKind::SnapshotCamera) => {
            "photo"
        }
    }
}

fn report(dev_sno: &str, list: &[DeviceStatus], dialect: Dialect) -> DeviceListReport {
    let entry = |device: &DeviceStatus| {
        let config = &device.config;
        DeviceListEntry {
            ep_id: config.ep_id.clone(),
            dev_sno: dev_sno.to_owned(),
            direction: config.direction.wire(),
            ep_type: ep_type(config.kind, dialect).to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_words_or_digits_by_the_dialect() {
        let kinds = [
            DeviceKind::Turnstile,
            DeviceKind::SnapshotCamera,
            DeviceKind::NetworkCamera,
            DeviceKind::DoorTerminal,
        ];
        assert_eq!(kinds.map(|kind| ep_type(kind, Dialect::V24)), ["0", "1", "3", "4"]);
        assert_eq!(kinds.map(|kind| ep_type(kind, Dialect::V26)), ["photo", "photo", "RTSP", "photo"]);
    }
}
