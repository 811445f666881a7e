//! The devices of the configuration file, with what was added, changed or removed in the field.

use std::sync::{Arc, Mutex, PoisonError};

use super::problems::Problems;
use crate::config::Settings;
use crate::config::devices::{BlockContext, DeviceTables, read_device};
use crate::ports::device_config_store::{ChangedDevice, DeviceConfigStore, RereadError};
use crate::runtime::models::read_selection;
use menshen_domain::address::Address;
use menshen_domain::device::DeviceConfig;
use menshen_domain::device_id;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_domain::tuning::{Changes, DeviceChange, DeviceEntry, DeviceTable};

/// Reads the configuration file once more.
pub type Reread = Arc<dyn Fn() -> Result<Settings, Problems> + Send + Sync>;

pub struct SettingsConfigStore {
    dev_sno: String,
    /// `gate.net_relay_url`.
    net_relay_url: String,
    /// Whether the FTP server is on.
    has_ftp: bool,
    file: Mutex<DeviceTables>,
    reread: Reread,
    /// To see whether the models are there that a device may ask for.
    settings: Settings,
}

impl SettingsConfigStore {
    pub fn new(settings: &Settings, reread: Reread) -> Self {
        Self {
            dev_sno: settings.dev_sno.clone(),
            net_relay_url: settings.net_relay_url.clone(),
            has_ftp: settings.ftp.listen.is_some(),
            file: Mutex::new(settings.device_tables.clone()),
            reread,
            settings: settings.clone(),
        }
    }

    fn context(&self) -> BlockContext<'_> {
        BlockContext { dev_sno: &self.dev_sno, net_relay_url: &self.net_relay_url }
    }

    fn file(&self) -> DeviceTables {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SettingsConfigStore {
    /// The block of one device does not show whether another has its FTP account, or whether there is a server.
    fn check_account(
        &self,
        changes: &Changes,
        device: &DeviceConfig,
        was: &str,
    ) -> Result<(), ProtocolError> {
        let Some(account) = &device.photos.ftp else { return Ok(()) };
        if !self.has_ftp {
            let detail = tr!(
                spoken(),
                "pipeline = \"ftp\" needs the FTP server: set ftp.listen in the configuration and start again",
                "pipeline = \"ftp\" 需要 FTP 服务器：请在配置中设置 ftp.listen 并重新启动"
            );
            return Err(refused(StatusCode::LocalParamError, detail));
        }
        let has_it = |other: &DeviceConfig| {
            other.ip != device.ip
                && other.ip != was
                && other.photos.ftp.as_ref().is_some_and(|ftp| ftp.user == account.user)
        };
        match self.list(changes).0.iter().find(|other| has_it(other)) {
            Some(other) => {
                let detail = tr!(
                    spoken(),
                    "`ftp_user`: device `{ip}` has this account; each needs its own",
                    "`ftp_user`：设备 `{ip}` 已使用该账号；每台设备需要各自的账号",
                    ip = other.ip
                );
                Err(refused(StatusCode::LocalParamError, detail))
            }
            None => Ok(()),
        }
    }
}

impl SettingsConfigStore {
    /// Gives a device without an id one of its own where that of its `ip` is another's: of one that has moved away.
    fn give_id(&self, changes: &Changes, table: &mut DeviceTable, was: &str) -> Result<(), ProtocolError> {
        let given = table.get("device_id").and_then(serde_json::Value::as_str);
        let ip = table.get("ip").and_then(serde_json::Value::as_str).unwrap_or_default();
        let id = given.map_or_else(|| device_id::of_ip(ip), str::to_owned);
        let (present, _) = self.list(changes);
        let other = present.iter().find(|other| other.device_id == id && other.ip != was);
        match (given, other) {
            (_, None) => Ok(()),
            (Some(_), Some(other)) => {
                let detail = tr!(
                    spoken(),
                    "`device_id`: device `{ip}` has it; each device needs its own",
                    "`device_id`：设备 `{ip}` 已使用；每台设备必须不同",
                    ip = other.ip
                );
                Err(refused(StatusCode::LocalParamError, detail))
            }
            (None, Some(_)) => {
                table.insert("device_id".to_owned(), uuid::Uuid::now_v7().to_string().into());
                Ok(())
            }
        }
    }

    /// As the configuration file says again.
    fn reset(
        &self,
        file: &DeviceTables,
        changes: &Changes,
        ip: &str,
    ) -> Result<ChangedDevice, ProtocolError> {
        if !changes.devices.contains_key(ip) {
            let detail = tr!(
                spoken(),
                "device `{ip}` is as the configuration file says: nothing was changed",
                "设备 `{ip}` 与配置文件一致：没有修改过"
            );
            return Err(refused(StatusCode::LocalNotFound, detail));
        }
        let config = file.get(ip).map(|table| self.usable(changes, table, ip)).transpose()?;
        Ok(ChangedDevice { entries: vec![(ip.to_owned(), DeviceEntry::AsInFile)], config })
    }

    /// Reads a device and checks what its block alone does not show; `was` is the `ip` it has now.
    fn usable(
        &self,
        changes: &Changes,
        table: &DeviceTable,
        was: &str,
    ) -> Result<DeviceConfig, ProtocolError> {
        let device = read_device(table, self.context()).map_err(|errors| {
            let texts: Vec<String> =
                errors.iter().map(|error| format!("`{}`: {}", error.key, error.problem)).collect();
            refused(StatusCode::LocalParamError, texts.join("; "))
        })?;
        if device.liveness && device.enabled {
            read_selection(&self.settings)
                .and_then(|selection| selection.check_liveness())
                .map_err(|error| refused(StatusCode::LocalParamError, format!("`liveness`: {error}")))?;
        }
        if device.attributes && device.enabled {
            read_selection(&self.settings)
                .and_then(|selection| selection.attributes())
                .map_err(|error| refused(StatusCode::LocalParamError, format!("`attributes`: {error}")))?;
        }
        self.check_account(changes, &device, was)?;
        Ok(device)
    }
}

/// The `ip` a change gives a device, where that is another one.
fn moves_to(ip: &str, keys: &DeviceTable) -> Result<Option<String>, ProtocolError> {
    match keys.get("ip") {
        None => Ok(None),
        Some(serde_json::Value::String(new)) if !new.is_empty() => {
            Ok(Some(new.clone()).filter(|new| new != ip))
        }
        Some(_) => {
            let detail = tr!(
                spoken(),
                "`ip` must be the device's new address as a text, as in \"192.168.1.26\"; to take the device away, remove it",
                "`ip` 应为设备的新地址（文字），如 \"192.168.1.26\"；要去掉设备请用 remove"
            );
            Err(refused(StatusCode::LocalParamError, detail))
        }
    }
}

/// Keys that are, or hold, addresses at the device.
const ADDRESSES: [&str; 3] = ["url", "main_url", "action_url"];

/// Whatever led to the old address leads to the new one.
fn move_addresses(table: &mut DeviceTable, from: &str, to: &str) {
    for (key, value) in table {
        match value {
            serde_json::Value::String(text) if ADDRESSES.contains(&key.as_str()) => {
                if let Some(moved) = Address::read(text).and_then(|address| address.moved(from, to)) {
                    *text = moved;
                }
            }
            serde_json::Value::Object(inner) if key == "parameters" => move_addresses(inner, from, to),
            _ => {}
        }
    }
}

fn refused(code: StatusCode, detail: impl Into<String>) -> ProtocolError {
    ProtocolError::new(code, detail)
}

/// A device as it is now, if it is there.
fn present<'a>(file: &'a DeviceTables, changes: &'a Changes, ip: &str) -> Option<&'a DeviceTable> {
    match changes.devices.get(ip) {
        Some(changed) => changed.as_ref(),
        None => file.get(ip),
    }
}

impl DeviceConfigStore for SettingsConfigStore {
    fn list(&self, changes: &Changes) -> (Vec<DeviceConfig>, Vec<String>) {
        let file = self.file();
        let of_file =
            file.iter().map(|(ip, table)| (ip, changes.devices.get(ip).map_or(Some(table), Option::as_ref)));
        let added = changes
            .devices
            .iter()
            .filter(|(ip, _)| file.get(ip).is_none())
            .map(|(ip, table)| (ip.as_str(), table.as_ref()));
        let (mut devices, mut problems) = (Vec::new(), Vec::new());
        for (ip, table) in of_file.chain(added) {
            let Some(table) = table else { continue };
            match read_device(table, self.context()) {
                Ok(device) => devices.push(device),
                // Written by hand, or by another version.
                Err(errors) => problems
                    .extend(errors.iter().map(|error| format!("device `{ip}` is passed over: {error}"))),
            }
        }
        (devices, problems)
    }

    fn changed(
        &self,
        changes: &Changes,
        ip: &str,
        change: &DeviceChange,
    ) -> Result<ChangedDevice, ProtocolError> {
        let file = self.file();
        let present = present(&file, changes, ip);
        let mut entries = Vec::new();
        let table = match (change, present) {
            (DeviceChange::Add(_), Some(_)) => {
                let detail = tr!(
                    spoken(),
                    "there is a device `{ip}`; change it, or choose another `ip`",
                    "已有设备 `{ip}`；请修改它，或使用其他 `ip`"
                );
                return Err(refused(StatusCode::LocalParamError, detail));
            }
            (DeviceChange::Reset, _) => return self.reset(&file, changes, ip),
            (DeviceChange::Set(_) | DeviceChange::Remove, None) => {
                return Err(refused(
                    StatusCode::LocalNotFound,
                    tr!(spoken(), "no device has ip `{ip}`", "没有 ip 为 `{ip}` 的设备"),
                ));
            }
            (DeviceChange::Remove, Some(_)) => {
                let entries = vec![(ip.to_owned(), DeviceEntry::Gone)];
                return Ok(ChangedDevice { entries, config: None });
            }
            (DeviceChange::Add(table), None) => {
                let many = self.list(changes).0.len();
                if many >= limits::DEVICES_MAX {
                    let detail = tr!(
                        spoken(),
                        "{many} devices; at most {max} fit one box",
                        "{many} 台设备；本机最多 {max} 台",
                        max = limits::DEVICES_MAX
                    );
                    return Err(refused(StatusCode::LocalParamError, detail));
                }
                let mut table = table.clone();
                table.insert("ip".to_owned(), ip.into());
                table
            }
            (DeviceChange::Set(keys), Some(present)) => {
                let mut table = present.clone();
                if let Some(new) = moves_to(ip, keys)? {
                    if self::present(&file, changes, &new).is_some() {
                        let detail = tr!(
                            spoken(),
                            "there is a device `{new}` already; remove it first, or choose another `ip`",
                            "已有设备 `{new}`；请先删除，或使用其他 `ip`"
                        );
                        return Err(refused(StatusCode::LocalParamError, detail));
                    }
                    move_addresses(&mut table, ip, &new);
                    // It is the same device at another address.
                    table.entry("device_id").or_insert_with(|| device_id::of_ip(ip).into());
                    let is_of_file = file.get(ip).is_some();
                    entries.push((
                        ip.to_owned(),
                        if is_of_file { DeviceEntry::Gone } else { DeviceEntry::AsInFile },
                    ));
                }
                table.extend(keys.clone());
                table
            }
        };
        let mut table = table;
        table.retain(|_, value| !value.is_null());
        self.give_id(changes, &mut table, ip)?;
        let device = self.usable(changes, &table, ip)?;
        entries.push((device.ip.clone(), DeviceEntry::Becomes(table)));
        Ok(ChangedDevice { entries, config: Some(device) })
    }

    fn reread(&self) -> Result<(), RereadError> {
        let settings = (self.reread)().map_err(|problems| RereadError(problems.texts().collect()))?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = settings.device_tables;
        Ok(())
    }
}
