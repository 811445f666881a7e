//! The data of a box that is not running.

use std::sync::Arc;

use crate::actors::tuning::Tuner;
use crate::adapters::changes_file::ChangesFile;
use crate::config::Settings;
use crate::ports::store::StoreError;
use crate::runtime::devices::SettingsConfigStore;
use crate::runtime::storage::{Storage, create_data_dir, key_places};
use crate::runtime::tuning::base_tuning;

/// The devices of a box that is not running.
pub struct Offline {
    pub device_configs: SettingsConfigStore,
    pub tuner: Tuner,
}

/// `None` when a box runs on this data.
pub fn offline(settings: &Settings) -> anyhow::Result<Option<Offline>> {
    create_data_dir(&settings.data_dir)?;
    match Storage::open(settings).and_then(|storage| storage.registry()) {
        Ok(registry) => drop(registry),
        Err(StoreError::Locked { .. }) => return Ok(None),
        Err(other) => return Err(other.into()),
    }
    let tuner = Tuner::new(Arc::new(ChangesFile::new(key_places(settings))), base_tuning(settings))?;
    let mut settings = settings.clone();
    settings.change_identity(&tuner.changes());
    let unchanged = settings.clone();
    let device_configs = SettingsConfigStore::new(&settings, Arc::new(move || Ok(unchanged.clone())));
    Ok(Some(Offline { device_configs, tuner }))
}
