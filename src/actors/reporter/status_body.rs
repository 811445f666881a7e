//! The body of the status report: the machine's figures, in dialect 2.6 also as objects.

use super::deps::ReporterConfig;
use super::devices::wire_status;
use crate::ports::system::SystemFacts;
use menshen_domain::device::DeviceStatus;
use menshen_domain::report_options::Dialect;
use menshen_protocol::report::{
    CpuDetails, CpuInfo, DiskInfo, GatewayExtData, MachineObjects, MemoryInfo, MemoryPart, StatusReport,
    SubDevice,
};

const BYTES_PER_GB: f64 = 1e9;
const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

/// The report of this moment. Dialect 2.6 has all of 2.4 and more.
pub fn report(
    config: &ReporterConfig,
    dialect: Dialect,
    facts: &SystemFacts,
    devices: &[DeviceStatus],
) -> StatusReport {
    let gigabytes = |bytes: u64| (bytes as f64 / BYTES_PER_GB * 100.0).round() / 100.0;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    StatusReport {
        gateway_ip: facts.ip.clone(),
        gateway_name: facts.hostname.clone(),
        gateway_status: "online".to_owned(),
        gateway_sn: config.dev_sno.clone(),
        dev_sno: config.dev_sno.clone(),
        gateway_port: (dialect == Dialect::V26).then_some(config.web_port),
        gateway_ext_data: GatewayExtData {
            sw_version: version.clone(),
            sdk_version: version,
            gateway_mac: facts.hex_mac.clone(),
            cpu_usage: (f64::from(facts.cpu_percent) * 10.0).round() / 10.0,
            memory_size: gigabytes(facts.memory_total),
            memory_usage: share(facts.memory_used, facts.memory_total),
            disk_size: gigabytes(facts.disk_total),
            disk_free_size: gigabytes(facts.disk_free),
            temperature: facts.temperature_c.map_or(0, |degrees| degrees.round() as i64),
            objects: (dialect == Dialect::V26).then(|| objects(facts)),
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

/// 0–1, three decimals.
fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole.max(1) as f64 * 1000.0).round() / 1000.0
}

/// As published: `549.0M`, from 1 GiB on `10.5G`.
fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / BYTES_PER_MIB;
    if mebibytes < 1024.0 { format!("{mebibytes:.1}M") } else { format!("{:.1}G", mebibytes / 1024.0) }
}

fn objects(facts: &SystemFacts) -> MachineObjects {
    let (used, total) = (facts.memory_used, facts.memory_total);
    let free = total.saturating_sub(used);
    let disk_used = facts.disk_total.saturating_sub(facts.disk_free);
    let part =
        |used: u64, free: u64| MemoryPart { total: size(used + free), free: size(free), used: size(used) };
    MachineObjects {
        cpu_info: CpuInfo {
            cpu_rate: (f64::from(facts.cpu_percent) * 10.0).round() / 1000.0,
            info: CpuDetails {
                cpu_type: facts.cpu_type.clone(),
                cpu_freq: format!("{}MHz", facts.cpu_mhz),
                cpu_count: facts.cpu_count.to_string(),
            },
        },
        // This machine has one memory, which is the system's.
        memory_info: MemoryInfo {
            hardware_total_memory: size(total),
            total_memory: size(total),
            total_free_memory: size(free),
            total_used_memory: size(used),
            total_memory_scale: share(used, total),
            system: part(used, free).scaled("system_scale", share(used, total)),
            tpu: part(0, 0).scaled("tpu_scale", 0.0),
            video: part(0, 0).scaled("video_scale", 0.0),
        },
        disk_info: DiskInfo {
            hardware_total_disk: size(facts.disk_total),
            disk_rate: share(disk_used, facts.disk_total),
            total_disk: size(facts.disk_total),
            free_disk: size(facts.disk_free),
            used_disk: size(disk_used),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(dialect: Dialect) -> Value {
        let config = ReporterConfig {
            dev_sno: "D".to_owned(),
            keep_max: 0,
            keep_bytes: 0,
            keep_days: None,
            has_platform: true,
            web_port: 8886,
        };
        let facts = SystemFacts {
            cpu_percent: 12.34,
            memory_total: 4 << 30,
            memory_used: 549 << 20,
            disk_total: 64 << 30,
            disk_free: 16 << 30,
            cpu_type: "a53".to_owned(),
            cpu_mhz: 1600,
            cpu_count: 8,
            ..SystemFacts::default()
        };
        serde_json::to_value(report(&config, dialect, &facts, &[])).unwrap()
    }

    #[test]
    fn dialect_2_6_has_all_of_2_4_and_objects_with_their_types() {
        let (old, mut new) = (written(Dialect::V24), written(Dialect::V26));
        let facts = &new["gateway_ext_data"];
        assert_eq!(
            facts["cpu_info"],
            json!({ "cpu_rate": 0.123, "info": { "cpu_type": "a53", "cpu_freq": "1600MHz", "cpu_count": "8" } })
        );
        let memory = &facts["memory_info"];
        assert_eq!(
            (&memory["total_memory"], &memory["total_used_memory"]),
            (&json!("4.0G"), &json!("549.0M"))
        );
        assert_eq!(
            (&memory["total_memory_scale"], &memory["system"]["system_scale"]),
            (&json!(0.134), &json!(0.134))
        );
        assert_eq!(
            memory["tpu"],
            json!({ "tpu_scale": 0.0, "total": "0.0M", "free": "0.0M", "used": "0.0M" })
        );
        assert_eq!(memory["video"]["video_scale"], 0.0);
        let disk = json!({
            "hardware_total_disk": "64.0G", "disk_rate": 0.75, "total_disk": "64.0G", "free_disk": "16.0G",
            "used_disk": "48.0G",
        });
        assert_eq!(facts["disk_info"], disk);
        assert_eq!(new["gateway_port"], 8886);
        // Without what is new it is the same as before, key by key.
        new.as_object_mut().unwrap().remove("gateway_port");
        for key in ["cpu_info", "memory_info", "disk_info"] {
            new["gateway_ext_data"].as_object_mut().unwrap().remove(key);
        }
        assert_eq!(old, new);
    }
}
