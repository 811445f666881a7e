//! Free space: what makes the data grow stops a little before the disk is full, so that there is still room for
//! what must go on, deletions and cursors first of all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ports::store::StoreError;
use crate::status::storage::StorageStatus;

/// Watches the disk of the data folder, and notes in the status which store found no room.
#[derive(Clone)]
pub struct DiskSpace {
    data_dir: PathBuf,
    keep_free_bytes: u64,
    status: Arc<StorageStatus>,
}

impl DiskSpace {
    pub fn new(data_dir: &Path, keep_free_bytes: u64, status: Arc<StorageStatus>) -> Self {
        Self { data_dir: data_dir.to_path_buf(), keep_free_bytes, status }
    }

    pub fn status(&self) -> &StorageStatus {
        &self.status
    }

    /// Refuses growth where too little is free. A disk that does not say is tried.
    pub fn check(&self, path: &Path) -> Result<(), StoreError> {
        let Ok(facts) = rustix::fs::statvfs(&self.data_dir) else { return Ok(()) };
        if facts.f_bavail.saturating_mul(facts.f_frsize) < self.keep_free_bytes {
            return Err(StoreError::DiskFull { path: path.display().to_string() });
        }
        Ok(())
    }

    /// Notes how a write that grows went, and passes it on.
    pub fn noted<T>(&self, part: &'static str, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let full = match &result {
            Ok(_) => Some(false),
            Err(StoreError::DiskFull { .. }) => Some(true),
            Err(_) => None,
        };
        if let Some(full) = full {
            let mut changed = false;
            self.status.change(|facts| {
                changed = if full { facts.full.insert(part) } else { facts.full.remove(part) };
            });
            if changed {
                metrics::gauge!("menshen_storage_full", "part" => part).set(f64::from(u8::from(full)));
                if full {
                    tracing::error!(part, "DISK FULL: nothing more can be stored until there is room");
                } else {
                    tracing::info!(part, "there is room on the disk again");
                }
            }
        }
        result
    }

    /// Counts records that cannot be read and are skipped.
    pub fn unreadable(&self, what: &'static str, count: u64) {
        if count > 0 {
            metrics::counter!("menshen_unreadable_records_total", "what" => what).increment(count);
            self.status.change(|facts| facts.unreadable_records += count);
        }
    }
}
