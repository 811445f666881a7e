//! The devices of this box as its next start has them; the box need not run, and is not disturbed.

use std::sync::Arc;

use crate::adapters::changes_file::ChangesFile;
use crate::config::Settings;
use crate::ports::changes::ChangesStore as _;
use crate::ports::device_config_store::DeviceConfigStore as _;
use crate::ports::store::StoreError;
use crate::runtime::devices::SettingsConfigStore;
use crate::runtime::storage::key_places;
use menshen_domain::device::DeviceConfig;
use menshen_domain::tuning::Changes;

/// The configuration file's devices with the changes made in the field on top.
pub struct Known {
    pub devices: Vec<DeviceConfig>,
    /// What is wrong with those that are left out.
    pub problems: Vec<String>,
    pub changes: Changes,
}

impl Known {
    pub fn find(&self, ip: &str) -> Option<&DeviceConfig> {
        self.devices.iter().find(|device| device.ip == ip)
    }

    /// Whether it was removed in the field.
    pub fn was_removed(&self, ip: &str) -> bool {
        self.changes.devices.get(ip).is_some_and(Option::is_none)
    }
}

/// Reads them.
///
/// # Errors
/// When the changes cannot be read.
pub fn known_devices(settings: &Settings) -> Result<Known, StoreError> {
    let changes = ChangesFile::new(key_places(settings)).load()?;
    let mut settings = settings.clone();
    settings.change_identity(&changes);
    let unchanged = settings.clone();
    let configs = SettingsConfigStore::new(&settings, Arc::new(move || Ok(unchanged.clone())));
    let (devices, problems) = configs.list(&changes);
    Ok(Known { devices, problems, changes })
}
