//! What is on disk, opened for tools while no box runs on it.

use std::sync::Arc;

use crate::adapters::pictures::PictureFiles;
use crate::adapters::space::DiskSpace;
use crate::adapters::store::{RedbEventStore, RedbRegistryStore};
use crate::adapters::vault::{KeyPlaces, Vault};
use crate::config::Settings;
use crate::ports::store::StoreError;

/// What keeps events.
pub struct EventStores {
    pub store: RedbEventStore,
    pub pictures: PictureFiles,
}

/// Opens what keeps events, for tools, while no box runs on this data folder.
pub fn open_events(settings: &Settings) -> Result<EventStores, StoreError> {
    let folder = &settings.data_dir;
    let vault = Arc::new(Vault::open(key_places(settings))?);
    let space = DiskSpace::new(folder, settings.storage.keep_free_bytes, Arc::default());
    let (store, _) = RedbEventStore::open(folder, Arc::clone(&vault), space.clone())?;
    Ok(EventStores { store, pictures: PictureFiles::open(folder, vault, space)? })
}

/// Opens what keeps people, for tools.
pub fn open_registry(settings: &Settings) -> Result<RedbRegistryStore, StoreError> {
    let folder = &settings.data_dir;
    let vault = Arc::new(Vault::open(key_places(settings))?);
    let space = DiskSpace::new(folder, settings.storage.keep_free_bytes, Arc::default());
    Ok(RedbRegistryStore::open(folder, vault, space)?.0)
}

/// As [`open_registry`], with the photos.
pub fn open_registry_and_pictures(
    settings: &Settings,
) -> Result<(RedbRegistryStore, PictureFiles), StoreError> {
    let folder = &settings.data_dir;
    let vault = Arc::new(Vault::open(key_places(settings))?);
    let space = DiskSpace::new(folder, settings.storage.keep_free_bytes, Arc::default());
    let (store, _) = RedbRegistryStore::open(folder, Arc::clone(&vault), space.clone())?;
    Ok((store, PictureFiles::open(folder, vault, space)?))
}

/// Where this configuration's keys are.
pub fn key_places(settings: &Settings) -> KeyPlaces {
    KeyPlaces {
        data_dir: settings.data_dir.clone(),
        key_file: settings.storage.key_file.clone(),
        credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into),
    }
}
