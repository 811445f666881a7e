//! The capture-device list (protocol section 6) and the status report (section 7).

use serde::{Deserialize, Serialize};

/// Body of `POST {deviceListInfoAddr}`: always the full list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceListReport {
    pub dev_sno: String,
    pub device_list: Vec<DeviceListEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceListEntry {
    pub ep_id: String,
    pub dev_sno: String,
    /// 0 in, 1 out.
    pub direction: i64,
    pub ep_type: String,
    pub memo: String,
    pub ep_name: String,
    pub ep_ip: String,
    /// `online` or `offline`.
    pub ep_status: String,
    pub ep_version: String,
    pub ep_group_name: String,
    /// Credentials masked.
    pub ep_stream_url: String,
    /// Seconds since the epoch.
    pub last_monitor_time: u64,
    pub is_monitor: bool,
    pub privilege_group_key: String,
}

/// Body of `POST {deviceMonitorAddr}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    pub gateway_ip: String,
    pub gateway_name: String,
    pub gateway_status: String,
    pub gateway_sn: String,
    pub dev_sno: String,
    pub gateway_ext_data: GatewayExtData,
    pub sub_devices: Vec<SubDevice>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatewayExtData {
    pub sw_version: String,
    pub sdk_version: String,
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
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubDevice {
    pub ep_id: String,
    pub ep_name: String,
    pub ep_ip: String,
    pub ep_status: String,
    pub ep_location: String,
    pub ep_type: String,
    pub ep_url: String,
}
