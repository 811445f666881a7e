//! What is on disk: one way to open it, for the running box and for tools while no box runs on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::recover::{Filled, fill_gallery, finish_wipes, recover_events};
use crate::adapters::dead_letters::DeadLetterFile;
use crate::adapters::pictures::PictureFiles;
use crate::adapters::space::DiskSpace;
use crate::adapters::store::{DatabaseState, RedbEventStore, RedbRegistryStore};
use crate::adapters::vault::{KeyPlaces, Vault};
use crate::config::Settings;
use crate::ports::dead_letters::DeadLetters;
use crate::ports::store::{PictureStore, RegistryStore, StoreError};
use crate::status::storage::StorageStatus;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_gallery::Gallery;

/// The data folder cannot be made.
#[derive(Debug)]
pub struct DataDirError {
    path: String,
    reason: std::io::Error,
}

impl std::fmt::Display for DataDirError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, reason } = self;
        f.write_str(&tr!(
            spoken(),
            "cannot create data_dir {path}: {reason}; choose another with data_dir",
            "无法创建 data_dir {path}：{reason}；请更换 data_dir"
        ))
    }
}

impl std::error::Error for DataDirError {}

/// Makes the data folder where there is none yet.
///
/// # Errors
/// When the folder is not there and cannot be made.
pub fn create_data_dir(path: &Path) -> Result<(), DataDirError> {
    std::fs::create_dir_all(path).map_err(|reason| DataDirError { path: path.display().to_string(), reason })
}

/// Where this configuration's keys are.
pub fn key_places(settings: &Settings) -> KeyPlaces {
    KeyPlaces {
        data_dir: settings.data_dir.clone(),
        key_file: settings.storage.key_file.clone(),
        credentials_dir: std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into),
    }
}

/// The data folder with its keys. Each store is opened when it is asked for, since opening a database reads and checks
/// all of it. All fail with [`StoreError::Locked`] while a box runs on this folder.
pub struct Storage {
    folder: PathBuf,
    vault: Arc<Vault>,
    space: DiskSpace,
}

impl Storage {
    /// Finds the keys of a data folder, or makes them where there is no data yet.
    ///
    /// # Errors
    /// When a key is missing, wrong or not safe.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        Self::reporting(settings, Arc::default())
    }

    /// As [`open`](Self::open), for the running box, whose health reports what `status` holds.
    fn reporting(settings: &Settings, status: Arc<StorageStatus>) -> Result<Self, StoreError> {
        let folder = settings.data_dir.clone();
        let vault = Arc::new(Vault::open(key_places(settings))?);
        let space = DiskSpace::new(&folder, settings.storage.keep_free_bytes, status);
        Ok(Self { folder, vault, space })
    }

    /// People and permission groups.
    ///
    /// # Errors
    /// When the database is in use or cannot be opened; a damaged one is set aside and an empty one takes its place.
    pub fn registry(&self) -> Result<RedbRegistryStore, StoreError> {
        Ok(self.checked_registry()?.0)
    }

    fn checked_registry(&self) -> Result<(RedbRegistryStore, DatabaseState), StoreError> {
        RedbRegistryStore::open(&self.folder, Arc::clone(&self.vault), self.space.clone())
    }

    /// Events and how far each receiver has got.
    ///
    /// # Errors
    /// As [`registry`](Self::registry).
    pub fn events(&self) -> Result<RedbEventStore, StoreError> {
        Ok(self.checked_events()?.0)
    }

    fn checked_events(&self) -> Result<(RedbEventStore, DatabaseState), StoreError> {
        RedbEventStore::open(&self.folder, Arc::clone(&self.vault), self.space.clone())
    }

    /// Photos of people and pictures of events.
    ///
    /// # Errors
    /// When the picture folders cannot be made.
    pub fn pictures(&self) -> Result<PictureFiles, StoreError> {
        PictureFiles::open(&self.folder, Arc::clone(&self.vault), self.space.clone())
    }

    /// Commands that could not be carried out. A running box does not lock them.
    pub fn dead_letters(&self) -> DeadLetterFile {
        DeadLetterFile::new(&self.folder, Arc::clone(&self.vault))
    }
}

/// The stores of a running box, put in order.
pub struct Stores {
    pub registry: Arc<dyn RegistryStore>,
    pub events: Arc<RedbEventStore>,
    pub pictures: Arc<dyn PictureStore>,
    pub keys: Arc<Vault>,
    pub dead_letters: Arc<dyn DeadLetters>,
}

impl Stores {
    /// Opens everything, finishes what a crash left half done, rebuilds what was damaged, and fills `gallery` with the
    /// people of the registry.
    ///
    /// # Errors
    /// When a key is missing, a database is in use, or the disk fails.
    pub fn open(
        settings: &Settings,
        status: &Arc<StorageStatus>,
        gallery: Gallery,
    ) -> Result<(Self, Filled), StoreError> {
        let storage = Storage::reporting(settings, Arc::clone(status))?;
        let (registry, registry_state) = storage.checked_registry()?;
        let (events, events_state) = storage.checked_events()?;
        let pictures = storage.pictures()?;
        finish_wipes(&*storage.vault, &registry, &events, &pictures)?;
        recover_events(&events, &pictures, &events_state, status)?;
        let filled = fill_gallery(&registry, &pictures, &registry_state, status, gallery)?;
        let stores = Self {
            registry: Arc::new(registry),
            events: Arc::new(events),
            pictures: Arc::new(pictures),
            dead_letters: Arc::new(storage.dead_letters()),
            keys: storage.vault,
        };
        Ok((stores, filled))
    }
}
