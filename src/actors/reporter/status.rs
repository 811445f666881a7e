//! The periodic status report: the machine and its devices as they are now. A missed one is not made up for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::devices::wire_status;
use super::{ReporterParts, note_success};
use crate::actors::blocking::on_thread;
use crate::core::device::DeviceStatus;
use crate::ports::platform::PostPurpose;
use crate::ports::system::SystemFacts;
use crate::wire::report::{GatewayExtData, StatusReport, SubDevice};

const BYTES_PER_GB: f64 = 1e9;

pub async fn run(parts: ReporterParts, devices: watch::Receiver<Vec<DeviceStatus>>) {
    loop {
        let period_s = parts.session.load().as_ref().map_or(1, |session| session.device_monitor_period_s);
        let wanted =
            parts.session.load().as_ref().is_some_and(|session| session.device_monitor_url.is_some());
        if wanted {
            send(&parts, &devices).await;
        }
        tokio::time::sleep(Duration::from_secs(period_s)).await;
    }
}

async fn send(parts: &ReporterParts, devices: &watch::Receiver<Vec<DeviceStatus>>) {
    let Some(session) = parts.session.load_full() else { return };
    let Some(url) = &session.device_monitor_url else { return };
    let probe = Arc::clone(&parts.probe);
    let Ok(facts) = on_thread(move || Ok(probe.look())).await else { return };
    let report = report(&parts.config.dev_sno, &facts, &devices.borrow());
    let body = serde_json::to_vec(&report).unwrap_or_default();
    match parts.platform.post(Some(&session), url, body, PostPurpose::Report).await {
        Ok(()) => note_success("status"),
        Err(error) => parts.note_failure("status", &error),
    }
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
