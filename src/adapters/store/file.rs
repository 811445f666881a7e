//! One redb file: opened with a check of every page, set aside when it is damaged, opened again after a disk
//! error, and the one way to run a transaction.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{Database, DatabaseError, ReadableDatabase as _, StorageError, TableDefinition, TableError};

use crate::adapters::files::{io_error, sync_folder};
use crate::adapters::record::RecordError;
use crate::adapters::space::DiskSpace;
use crate::adapters::vault::SealError;
use crate::ports::store::StoreError;

/// What can go wrong inside a transaction.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Redb(redb::Error),
    #[error(transparent)]
    Record(RecordError),
    #[error(transparent)]
    Seal(SealError),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

/// `complete`: what could be rebuilt has been. Without it a crash in the middle of rebuilding would leave a database
/// that looks whole, and the sweep would take the pictures of all who are not in it yet.
const STATE: TableDefinition<&str, u64> = TableDefinition::new("state");
const COMPLETE: &str = "complete";

/// How a database was found at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseState {
    Whole,
    /// Not there, empty, or not rebuilt to the end: the first start, or it was deleted.
    Missing,
    /// Damaged, and put where it says.
    SetAside {
        to: PathBuf,
        reason: String,
    },
}

pub struct File {
    path: PathBuf,
    part: &'static str,
    space: DiskSpace,
    /// `None` only while it could not be opened again.
    database: RwLock<Option<Database>>,
    /// redb refuses everything after a disk error until it is opened again.
    failed: AtomicBool,
}

/// Opens or creates a database file with every page checked, and says clearly why not.
fn open_checked(path: &Path) -> Result<Database, StoreError> {
    let damaged = |reason: String| StoreError::Damaged { path: path.display().to_string(), reason };
    // redb makes no promise not to panic on a file that something else has changed.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let mut database = Database::create(path).map_err(|error| open_error(path, error))?;
        match database.check_integrity() {
            Ok(true) => Ok(database),
            Ok(false) => Err(damaged("its pages do not agree with their checksums".to_owned())),
            Err(error) => Err(open_error(path, error)),
        }
    }));
    opened.unwrap_or_else(|_| Err(damaged("its pages make no sense".to_owned())))
}

fn open_error(path: &Path, error: DatabaseError) -> StoreError {
    let shown = || path.display().to_string();
    match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::Locked { path: shown() },
        DatabaseError::Storage(StorageError::Corrupted(reason)) => {
            StoreError::Damaged { path: shown(), reason }
        }
        DatabaseError::Storage(StorageError::Io(error))
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            StoreError::Damaged { path: shown(), reason: error.to_string() }
        }
        DatabaseError::UpgradeRequired(version) => {
            StoreError::Damaged { path: shown(), reason: format!("file format {version} of an older redb") }
        }
        other => redb_error("open", path, &other.into()),
    }
}

/// Turns any redb error into the port's, with the file it happened to.
fn redb_error(doing: &'static str, path: &Path, error: &redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => io_error(doing, path, error),
        redb::Error::Corrupted(reason) => {
            StoreError::Damaged { path: path.display().to_string(), reason: reason.clone() }
        }
        other => StoreError::Io { doing, path: path.display().to_string(), reason: other.to_string() },
    }
}

/// Renames a damaged database, keeping one such file: it may show the cause.
fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error: std::io::Error| io_error("set aside", path, &error);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let prefix = format!("{name}.damaged-");
    let folder = path.parent().unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder).map_err(failed)?.flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    let at_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let to = folder.join(format!("{prefix}{at_s}"));
    fs::rename(path, &to).map_err(failed)?;
    sync_folder(folder).map_err(failed)?;
    Ok(to)
}

fn is_complete(database: &Database) -> bool {
    let look = || -> Result<bool, redb::Error> {
        match database.begin_read()?.open_table(STATE) {
            Ok(table) => Ok(table.get(COMPLETE)?.is_some()),
            Err(TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    };
    look().unwrap_or(false)
}

/// From now on what no row names is an orphan.
pub fn mark_complete(transaction: &redb::WriteTransaction) -> Result<(), Failure> {
    transaction.open_table(STATE)?.insert(COMPLETE, 1)?;
    Ok(())
}

/// The next start rebuilds what it can, unless it is marked complete before.
pub fn mark_incomplete(transaction: &redb::WriteTransaction) -> Result<(), Failure> {
    transaction.open_table(STATE)?.remove(COMPLETE)?;
    Ok(())
}

impl File {
    /// Opens the database; a damaged one is set aside and an empty one takes its place.
    pub fn open(
        path: PathBuf,
        part: &'static str,
        space: DiskSpace,
    ) -> Result<(Self, DatabaseState), StoreError> {
        let is_there = fs::metadata(&path).is_ok_and(|facts| facts.len() > 0);
        let (database, found) = match open_checked(&path) {
            Ok(database) if is_there && is_complete(&database) => (database, DatabaseState::Whole),
            Ok(database) => (database, DatabaseState::Missing),
            Err(StoreError::Damaged { reason, .. }) => {
                let to = set_aside(&path)?;
                metrics::counter!("menshen_damaged_databases_total", "part" => part).increment(1);
                tracing::error!(
                    path = %path.display(), reason, set_aside = %to.display(),
                    "DAMAGED DATABASE: it was set aside, what can be rebuilt follows"
                );
                (open_checked(&path)?, DatabaseState::SetAside { to, reason })
            }
            Err(other) => return Err(other),
        };
        let database = RwLock::new(Some(database));
        Ok((Self { path, part, space, database, failed: AtomicBool::new(false) }, found))
    }

    /// Makes what a database must have. On a full disk that can only fail where it is there already.
    pub fn prepare(
        &self,
        found: &DatabaseState,
        make: impl FnOnce(&redb::WriteTransaction) -> Result<(), Failure>,
    ) -> Result<(), StoreError> {
        match self.write(make) {
            Err(StoreError::DiskFull { .. }) if *found == DatabaseState::Whole => Ok(()),
            other => other,
        }
    }

    pub fn space(&self) -> &DiskSpace {
        &self.space
    }

    /// Runs `work` in a write transaction and commits it durably; on an error nothing has changed.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&redb::WriteTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.run("write", |database| {
            let transaction = database.begin_write().map_err(redb::Error::from)?;
            let value = work(&transaction)?;
            transaction.commit().map_err(redb::Error::from)?;
            Ok(value)
        })
    }

    /// As [`write`](Self::write), for what makes the file grow: refused before the disk is quite full.
    pub fn grow<T>(
        &self,
        work: impl FnOnce(&redb::WriteTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let result = self.space.check(&self.path).and_then(|()| self.write(work));
        self.space.noted(self.part, result)
    }

    pub fn read<T>(
        &self,
        work: impl FnOnce(&redb::ReadTransaction) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.run("read", |database| work(&database.begin_read().map_err(redb::Error::from)?))
    }

    fn run<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        if self.failed.load(Ordering::Acquire) {
            self.open_again()?;
        }
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &*database else {
            let reason = "it could not be opened again yet".to_owned();
            return Err(StoreError::Io { doing, path: self.path.display().to_string(), reason });
        };
        work(open).map_err(|failure| match failure {
            Failure::Redb(error) => {
                if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) {
                    self.failed.store(true, Ordering::Release);
                }
                redb_error(doing, &self.path, &error)
            }
            unreadable @ (Failure::Record(_) | Failure::Seal(_)) => {
                StoreError::Damaged { path: self.path.display().to_string(), reason: unreadable.to_string() }
            }
        })
    }

    fn open_again(&self) -> Result<(), StoreError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been here first.
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        // Closed before it is opened: redb locks the file.
        *database = None;
        *database = Some(open_checked(&self.path)?);
        self.failed.store(false, Ordering::Release);
        tracing::info!(path = %self.path.display(), "the database was opened again after a disk error");
        Ok(())
    }
}
