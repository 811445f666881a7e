//! The capture-device list (protocol section 6) and the status report (section 7).

use serde::{Deserialize, Serialize};

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
