//! Devices one by one: as the file has them, and as they are added and changed while the box runs.

use std::collections::HashMap;

use toml::Table;

use super::reader::{Findings, Mistake, Section};
use super::settings::read_devices;
use crate::core::device::DeviceConfig;
use crate::core::tuning::DeviceTable;

/// `[[devices]]` blocks by `ip`, in the file's order.
#[derive(Clone, Default, PartialEq)]
pub struct DeviceTables(Vec<(String, DeviceTable)>);

/// Never shows a password.
impl std::fmt::Debug for DeviceTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(ip, _)| ip)).finish()
    }
}

impl DeviceTables {
    pub(super) fn new(tables: &[Table]) -> Self {
        let named = |table: &Table| {
            let ip = table.get("ip")?.as_str()?.to_owned();
            match serde_json::to_value(table).ok()? {
                serde_json::Value::Object(table) => Some((ip, table)),
                _ => None,
            }
        };
        Self(tables.iter().filter_map(named).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &DeviceTable)> {
        self.0.iter().map(|(ip, table)| (ip.as_str(), table))
    }

    pub fn get(&self, ip: &str) -> Option<&DeviceTable> {
        self.iter().find_map(|(known, table)| (known == ip).then_some(table))
    }
}

/// Reads one device, with every mistake in it.
pub fn read_device(table: &DeviceTable, dev_sno: &str) -> Result<DeviceConfig, Vec<Mistake>> {
    let ip = table.get("ip").and_then(serde_json::Value::as_str).unwrap_or_default();
    let findings = Findings::new(&format!("device {ip}"), HashMap::new());
    let mut devices = match Table::try_from(table) {
        Ok(table) => read_devices(vec![Section::root(&findings, table)], dev_sno),
        Err(error) => {
            findings.add("(device)", error.to_string());
            Vec::new()
        }
    };
    let device = devices.pop();
    let mistakes = findings.into_mistakes();
    device.filter(|_| mistakes.is_empty()).ok_or(mistakes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> DeviceTable {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_device_is_read_as_the_file_is() {
        let given = table(
            r#"{ "ip": "10.0.0.5", "type": "turnstile", "url": "rtsp://u:secret@h/x", "enabled": false }"#,
        );
        let device = read_device(&given, "SNO").unwrap();
        assert_eq!(
            (device.ep_id.as_str(), device.name.as_str(), device.enabled),
            ("SNO__10.0.0.5", "10.0.0.5", false)
        );
    }

    fn told(given: &DeviceTable) -> String {
        let mistakes = read_device(given, "SNO").unwrap_err();
        mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_mistake_is_told_and_no_password() {
        let given = table(
            r#"{ "ip": "", "typ": "turnstile", "direction": "up", "url": "rtsp://u:secret@h/x", "memo": null }"#,
        );
        let null = told(&given);
        assert!(!null.contains("secret"), "{null}");
        // TOML knows no null.
        assert!(null.contains("(device)"), "{null}");
        let mut given = given;
        given.remove("memo");
        let told = told(&given);
        for part in ["`ip`: must be given", "did you mean `type`", "`direction`"] {
            assert!(told.contains(part), "{part} not in {told}");
        }
    }
}
