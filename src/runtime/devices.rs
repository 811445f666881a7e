//! Devices of the configuration file, and what was added, changed or removed in the field.

use std::sync::{Mutex, PoisonError};

use crate::config::Settings;
use crate::config::devices::{DeviceTables, read_device};
use crate::ports::device_config_store::DeviceConfigStore;
use crate::runtime::models::read_selection;
use menshen_domain::device::DeviceConfig;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::tuning::{Changes, DeviceChange, DeviceTable};

/// Reads the configuration file once more.
pub type Reread = Box<dyn Fn() -> Result<Settings, Vec<String>> + Send + Sync>;

pub struct SettingsConfigStore {
    dev_sno: String,
    /// Whether the FTP server is on.
    has_ftp: bool,
    file: Mutex<DeviceTables>,
    reread: Reread,
    /// Whether a device may ask for liveness, and why not.
    liveness_is_there: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// The same for guesses at age and gender.
    attributes_are_there: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl SettingsConfigStore {
    pub fn new(settings: &Settings, reread: Reread) -> Self {
        let (of_box, same) = (settings.clone(), settings.clone());
        Self {
            dev_sno: settings.dev_sno.clone(),
            has_ftp: settings.ftp.listen.is_some(),
            file: Mutex::new(settings.device_tables.clone()),
            reread,
            liveness_is_there: Box::new(move || {
                let checked = read_selection(&of_box).and_then(|selection| selection.check_liveness());
                checked.map_err(|error| error.to_string())
            }),
            attributes_are_there: Box::new(move || {
                let picked = read_selection(&same).and_then(|selection| selection.attributes());
                picked.map(drop).map_err(|error| error.to_string())
            }),
        }
    }

    fn file(&self) -> DeviceTables {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SettingsConfigStore {
    /// One device cannot tell whether another has its FTP account, or whether there is a server.
    fn check_account(&self, changes: &Changes, device: &DeviceConfig) -> Result<(), ProtocolError> {
        let Some(account) = &device.photos.ftp else { return Ok(()) };
        if !self.has_ftp {
            let detail = "pipeline = \"ftp\" needs the FTP server: set ftp.listen in the configuration and start again";
            return Err(refused(StatusCode::LocalParamError, detail));
        }
        let has_it = |other: &DeviceConfig| {
            other.ip != device.ip && other.photos.ftp.as_ref().is_some_and(|ftp| ftp.user == account.user)
        };
        match self.list(changes).0.iter().find(|other| has_it(other)) {
            Some(other) => {
                let detail =
                    format!("`ftp_user`: device `{}` has this account; each needs its own", other.ip);
                Err(refused(StatusCode::LocalParamError, detail))
            }
            None => Ok(()),
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
            match read_device(table, &self.dev_sno) {
                Ok(device) => devices.push(device),
                // Only a foreign hand, or another version, can have written it.
                Err(mistakes) => problems.extend(
                    mistakes.iter().map(|mistake| format!("device `{ip}` is passed over: {mistake}")),
                ),
            }
        }
        (devices, problems)
    }

    fn changed(
        &self,
        changes: &Changes,
        ip: &str,
        change: &DeviceChange,
    ) -> Result<Option<(DeviceTable, DeviceConfig)>, ProtocolError> {
        let file = self.file();
        let present = present(&file, changes, ip);
        let mut table = match (change, present) {
            (DeviceChange::Add(_), Some(_)) => {
                let detail = format!("there is a device `{ip}`; change it, or choose another `ip`");
                return Err(refused(StatusCode::LocalParamError, detail));
            }
            (DeviceChange::Set(_) | DeviceChange::Remove, None) => {
                return Err(refused(StatusCode::LocalNotFound, format!("no device has ip `{ip}`")));
            }
            (DeviceChange::Remove, Some(_)) => return Ok(None),
            (DeviceChange::Add(table), None) => {
                let many = self.list(changes).0.len();
                if many >= limits::DEVICES_MAX {
                    let detail = format!("{many} devices; at most {} fit one box", limits::DEVICES_MAX);
                    return Err(refused(StatusCode::LocalParamError, detail));
                }
                table.clone()
            }
            (DeviceChange::Set(keys), Some(present)) => {
                let mut table = present.clone();
                table.extend(keys.clone());
                table.retain(|_, value| !value.is_null());
                table
            }
        };
        table.insert("ip".to_owned(), ip.into());
        let device = read_device(&table, &self.dev_sno).map_err(|mistakes| {
            let told: Vec<String> =
                mistakes.iter().map(|mistake| format!("`{}`: {}", mistake.key, mistake.problem)).collect();
            refused(StatusCode::LocalParamError, told.join("; "))
        })?;
        if device.liveness && device.enabled {
            (self.liveness_is_there)()
                .map_err(|error| refused(StatusCode::LocalParamError, format!("`liveness`: {error}")))?;
        }
        if device.attributes && device.enabled {
            (self.attributes_are_there)()
                .map_err(|error| refused(StatusCode::LocalParamError, format!("`attributes`: {error}")))?;
        }
        self.check_account(changes, &device)?;
        Ok(Some((table, device)))
    }

    fn reread(&self) -> Result<(), Vec<String>> {
        let settings = (self.reread)()?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = settings.device_tables;
        Ok(())
    }
}
