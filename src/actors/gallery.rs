//! The gallery as the registry (which writes) and the vision workers (which read) share it.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::core::gallery::Gallery;

/// Writers hold it for microseconds; a panic while holding it leaves the gallery usable.
#[derive(Clone)]
pub struct SharedGallery(Arc<RwLock<Gallery>>);

impl SharedGallery {
    pub fn new(gallery: Gallery) -> Self {
        Self(Arc::new(RwLock::new(gallery)))
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Gallery> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Gallery> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
