//! What is on disk: one way to open it, for the running box and for tools while no box runs on it.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::recover::{Filled, fill_gallery, finish_wipes, recover_events};
use crate::actors::erasure::ErasureParts;
use crate::adapters::clock::SystemClock;
use crate::adapters::dead_letters::DeadLetterFile;
use crate::adapters::erasures::ErasureFiles;
use crate::adapters::pictures::PictureFiles;
use crate::adapters::process::close_to_others;
use crate::adapters::space::DiskSpace;
use crate::adapters::store::{DatabaseState, RedbEventStore, RedbRegistryStore};
use crate::adapters::vault::{KeyPlaces, Vault};
use crate::config::Settings;
use crate::ports::clock::Clock as _;
use crate::ports::dead_letters::DeadLetters;
use crate::ports::erasures::ErasureLog;
use crate::ports::store::{PictureStore, RegistryStore, StoreError};
use crate::status::storage::StorageStatus;
use crate::telemetry::log_line::name_people_by;
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
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|reason| DataDirError { path: path.display().to_string(), reason })?;
    close_files(path);
    Ok(())
}

/// Files of the box that others could read are closed to them, and told of: whoever had a copy still has it.
fn close_files(folder: &Path) {
    match close_to_others(folder) {
        Ok(open) if open.is_empty() => {}
        Ok(open) => {
            let first = open[0].display();
            tracing::warn!(files = open.len(), %first, "files that others could read were closed to them (mode 0600)");
        }
        // A folder that is not there holds nothing.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "files could not be closed to others; run menshen as their owner");
        }
    }
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
        close_files(&folder);
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

    /// Erasures on their way, and receipts. A running box does not lock them.
    pub fn erasures(&self) -> ErasureFiles {
        ErasureFiles::new(&self.folder, Arc::clone(&self.vault))
    }

    /// What a person is called in the log.
    pub fn log_name(&self, id: &str) -> String {
        self.vault.log_name(id)
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
    pub erasures: Arc<dyn ErasureLog>,
}

impl Stores {
    /// All that erasing a person concerns.
    pub fn erasure_parts(&self) -> ErasureParts {
        ErasureParts {
            registry: Arc::clone(&self.registry),
            events: Arc::<RedbEventStore>::clone(&self.events),
            pictures: Arc::clone(&self.pictures),
            letters: Arc::clone(&self.dead_letters),
            log: Arc::clone(&self.erasures),
        }
    }

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
        let vault = Arc::clone(&storage.vault);
        name_people_by(move |id| vault.log_name(id));
        let (registry, registry_state) = storage.checked_registry()?;
        let (events, events_state) = storage.checked_events()?;
        let pictures = storage.pictures()?;
        finish_wipes(&*storage.vault, &registry, &events, &pictures)?;
        let stores = Self {
            registry: Arc::new(registry),
            events: Arc::new(events),
            pictures: Arc::new(pictures),
            dead_letters: Arc::new(storage.dead_letters()),
            erasures: Arc::new(storage.erasures()),
            keys: storage.vault,
        };
        // Before anything is rebuilt from pictures: nobody comes back.
        let erasures = stores.erasure_parts().finish_unfinished(SystemClock::default().wall_ms())?;
        if erasures > 0 {
            tracing::warn!(erasures, "interrupted erasures were finished");
        }
        recover_events(&*stores.events, &*stores.pictures, &events_state, status)?;
        let filled = fill_gallery(&*stores.registry, &*stores.pictures, &registry_state, status, gallery)?;
        Ok((stores, filled))
    }
}
