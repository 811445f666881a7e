//! Durable storage in redb: people in `registry.redb`, events in `events.redb`, so that one damaged file
//! does not take the other along.
//!
//! Every write commits with `Durability::Immediate`: when a method returns, the change has been flushed.

mod event_store;
mod outbox;
mod record;
mod registry_store;

pub use event_store::RedbEventStore;
pub use registry_store::RedbRegistryStore;

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, StorageError};

use crate::ports::store::StoreError;

/// Opens or creates a database file, and says clearly why not.
fn open(path: &Path) -> Result<Database, StoreError> {
    let shown = || path.display().to_string();
    Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: shown() },
        DatabaseError::Storage(StorageError::Corrupted(reason)) => {
            StoreError::Damaged { path: shown(), reason }
        }
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            StoreError::Damaged { path: shown(), reason: error.to_string() }
        }
        DatabaseError::UpgradeRequired(version) => {
            StoreError::Damaged { path: shown(), reason: format!("file format {version} of an older redb") }
        }
        other => io_error("open", path, &other.into()),
    })
}

/// Turns any redb error into the port's, with the file it happened to.
fn io_error(doing: &'static str, path: &Path, error: &redb::Error) -> StoreError {
    let path = path.display().to_string();
    match error {
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            StoreError::DiskFull { path }
        }
        redb::Error::Corrupted(reason) => StoreError::Damaged { path, reason: reason.clone() },
        other => StoreError::Io { doing, path, reason: other.to_string() },
    }
}

/// A database with its path, and the one way to run a transaction.
struct File {
    path: PathBuf,
    database: Database,
}

impl File {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        Ok(Self { database: open(&path)?, path })
    }

    /// Runs `work` in a write transaction and commits it durably; on an error nothing has changed.
    fn write<T>(
        &self,
        work: impl FnOnce(&redb::WriteTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let run = || -> Result<T, Failure> {
            let transaction = self.database.begin_write().map_err(redb::Error::from)?;
            let value = work(&transaction)?;
            transaction.commit().map_err(redb::Error::from)?;
            Ok(value)
        };
        run().map_err(|failure| self.told("write", failure))
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&redb::ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let run = || -> Result<T, Failure> {
            use redb::ReadableDatabase as _;
            work(&self.database.begin_read().map_err(redb::Error::from)?)
        };
        run().map_err(|failure| self.told("read", failure))
    }

    fn told(&self, doing: &'static str, failure: Failure) -> StoreError {
        match failure {
            Failure::Redb(error) => io_error(doing, &self.path, &error),
            Failure::Record(record::RecordError::Newer { found, known }) => {
                StoreError::Newer { path: self.path.display().to_string(), found, known }
            }
            Failure::Record(record::RecordError::Broken(reason)) => {
                StoreError::Damaged { path: self.path.display().to_string(), reason }
            }
        }
    }
}

/// What can go wrong inside a transaction.
#[derive(Debug)]
enum Failure {
    Redb(redb::Error),
    Record(record::RecordError),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl From<record::RecordError> for Failure {
    fn from(error: record::RecordError) -> Self {
        Self::Record(error)
    }
}
