//! How storing is doing, shared by the stores that write it and by health, which shows it.

use std::sync::{Mutex, PoisonError};

use menshen_domain::storage::StorageFacts;

/// The facts behind a lock that is held for a moment only.
#[derive(Default)]
pub struct StorageStatus(Mutex<StorageFacts>);

impl StorageStatus {
    pub fn change(&self, change: impl FnOnce(&mut StorageFacts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn facts(&self) -> StorageFacts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
