//! The devices of the configuration file, with what was added, changed or removed in the field.

use std::sync::{Arc, Mutex, PoisonError};

use super::problems::Problems;
use crate::config::Settings;
use crate::config::devices::{DeviceTables, read_device};
use crate::ports::device_config_store::{DeviceConfigStore, RereadError};
use crate::runtime::models::read_selection;
use menshen_domain::device::DeviceConfig;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::tuning::{Changes, DeviceChange, DeviceTable};

/// Reads the configuration file once more.
pub type Reread = Arc<dyn Fn() -> Result<Settings, Problems> + Send + Sync>;

pub struct SettingsConfigStore {
    dev_sno: String,
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
            has_ftp: settings.ftp.listen.is_some(),
            file: Mutex::new(settings.device_tables.clone()),
            reread,
            settings: settings.clone(),
        }
    }

    fn file(&self) -> DeviceTables {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SettingsConfigStore {
    /// The block of one device does not show whether another has its FTP account, or whether there is a server.
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
                let mut table = table.clone();
                table.retain(|_, value| !value.is_null());
                table
            }
            (DeviceChange::Set(keys), Some(present)) => {
                let mut table = present.clone();
                table.extend(keys.clone());
                table.retain(|_, value| !value.is_null());
                table
            }
        };
        table.insert("ip".to_owned(), ip.into());
        let device = read_device(&table, &self.dev_sno).map_err(|errors| {
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
        self.check_account(changes, &device)?;
        Ok(Some((table, device)))
    }

    fn reread(&self) -> Result<(), RereadError> {
        let settings = (self.reread)().map_err(|problems| RereadError(problems.texts().collect()))?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = settings.device_tables;
        Ok(())
    }
}
