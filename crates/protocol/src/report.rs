//! The capture-device list (protocol section 6) and the status report (section 7).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Body of `POST {deviceListInfoAddr}`: always the full list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceListReport {
    /// The box's serial number.
    pub dev_sno: String,
    /// All configured devices.
    pub device_list: Vec<DeviceListEntry>,
}

/// One capture device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceListEntry {
    /// `{dev_sno}__{device ip or stream}`.
    pub ep_id: String,
    /// The box's serial number.
    pub dev_sno: String,
    /// 0 in, 1 out.
    pub direction: i64,
    /// Wire number of the device type, as text.
    pub ep_type: String,
    /// Free text of the configuration.
    pub memo: String,
    /// The name to show.
    pub ep_name: String,
    /// The device's address.
    pub ep_ip: String,
    /// `online` or `offline`.
    pub ep_status: String,
    /// Version of this program.
    pub ep_version: String,
    /// The configured group of devices.
    pub ep_group_name: String,
    /// Credentials masked.
    pub ep_stream_url: String,
    /// Seconds since the epoch.
    pub last_monitor_time: u64,
    /// Whether its stream is to be opened.
    pub is_monitor: bool,
    /// Permission groups, separated by commas.
    pub privilege_group_key: String,
}

/// Body of `POST {deviceMonitorAddr}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The box's address.
    pub gateway_ip: String,
    /// The box's host name.
    pub gateway_name: String,
    /// `online`.
    pub gateway_status: String,
    /// The box's serial number.
    pub gateway_sn: String,
    /// The box's serial number.
    pub dev_sno: String,
    /// Port of the box's web pages; dialect 2.6 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_port: Option<u16>,
    /// Measurements of the machine.
    pub gateway_ext_data: GatewayExtData,
    /// All configured devices.
    pub sub_devices: Vec<SubDevice>,
}

/// Measurements of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatewayExtData {
    /// Version of this program.
    pub sw_version: String,
    /// Version of this program.
    pub sdk_version: String,
    /// MAC address, hexadecimal digits only.
    pub gateway_mac: String,
    /// Percent, 0–100.
    pub cpu_usage: f64,
    /// GB.
    pub memory_size: f64,
    /// 0–1.
    pub memory_usage: f64,
    /// GB.
    pub disk_size: f64,
    /// GB.
    pub disk_free_size: f64,
    /// °C; 0 when the machine has no sensor.
    pub temperature: i64,
    /// The same as objects; dialect 2.6 only.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<MachineObjects>,
}

/// The figures of the machine as generation 2.6 has them. Sizes are texts: `549.0M`, `10.5G`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MachineObjects {
    /// The processor.
    pub cpu_info: CpuInfo,
    /// Memory in all and of its parts.
    pub memory_info: MemoryInfo,
    /// The disk with the data.
    pub disk_info: DiskInfo,
}

/// The processor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CpuInfo {
    /// 0–1.
    pub cpu_rate: f64,
    /// What it is.
    pub info: CpuDetails,
}

/// What a processor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuDetails {
    /// Its name.
    pub cpu_type: String,
    /// As in `1600MHz`.
    pub cpu_freq: String,
    /// Cores, as a text.
    pub cpu_count: String,
}

/// Memory in all and of its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryInfo {
    /// Built in.
    pub hardware_total_memory: String,
    /// Usable.
    pub total_memory: String,
    /// Of it free.
    pub total_free_memory: String,
    /// Of it used.
    pub total_used_memory: String,
    /// Used share, 0–1.
    pub total_memory_scale: f64,
    /// The system's, with `system_scale`.
    pub system: Map<String, Value>,
    /// An accelerator's, with `tpu_scale`.
    pub tpu: Map<String, Value>,
    /// The video decoder's, with `video_scale`.
    pub video: Map<String, Value>,
}

/// A part of the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPart {
    /// All of it.
    pub total: String,
    /// Of it free.
    pub free: String,
    /// Of it used.
    pub used: String,
}

impl MemoryPart {
    /// With its used share, 0–1, whose name differs from part to part.
    pub fn scaled(self, name: &str, scale: f64) -> Map<String, Value> {
        let fields = [("total", self.total), ("free", self.free), ("used", self.used)];
        let texts = fields.map(|(name, text)| (name.to_owned(), Value::from(text)));
        texts.into_iter().chain([(name.to_owned(), scale.into())]).collect()
    }
}

/// The disk with the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskInfo {
    /// Built in.
    pub hardware_total_disk: String,
    /// Used share, 0–1.
    pub disk_rate: f64,
    /// Usable.
    pub total_disk: String,
    /// Of it free.
    pub free_disk: String,
    /// Of it used.
    pub used_disk: String,
}

/// One capture device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubDevice {
    /// `{dev_sno}__{device ip or stream}`.
    pub ep_id: String,
    /// The name to show.
    pub ep_name: String,
    /// The device's address.
    pub ep_ip: String,
    /// `online` or `offline`.
    pub ep_status: String,
    /// Where it is, in words.
    pub ep_location: String,
    /// Wire number of the device type, as text.
    pub ep_type: String,
    /// Credentials masked.
    pub ep_url: String,
}
