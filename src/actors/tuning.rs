//! The current values of what can be retuned, shared by everything that uses them, and the one way to change them.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::ports::changes::ChangesStore;
use crate::ports::store::StoreError;
use menshen_domain::tuning::{Changes, Tuning};

/// The current values. Read at every use: a change is effective at once.
#[derive(Clone)]
pub struct SharedTuning(Arc<ArcSwap<Tuning>>);

impl SharedTuning {
    pub fn new(tuning: Tuning) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(tuning)))
    }

    pub fn load(&self) -> Guard<Arc<Tuning>> {
        self.0.load()
    }

    /// As [`load`](Self::load), to be kept for longer than a look.
    pub fn load_full(&self) -> Arc<Tuning> {
        self.0.load_full()
    }
}

/// Changes values: on disk first, then in the shared copy.
#[derive(Clone)]
pub struct Tuner {
    store: Arc<dyn ChangesStore>,
    shared: SharedTuning,
    /// The values of the configuration file.
    base: Arc<Tuning>,
    /// What is on disk; held while it is being changed.
    changes: Arc<Mutex<Changes>>,
}

impl Tuner {
    /// Starts with the configuration file and the changes on disk.
    ///
    /// # Errors
    /// The changes cannot be read.
    pub fn new(store: Arc<dyn ChangesStore>, base: Tuning) -> Result<Self, StoreError> {
        let changes = store.load()?;
        let shared = SharedTuning::new(base.with(&changes));
        Ok(Self { store, shared, base: Arc::new(base), changes: Arc::new(Mutex::new(changes)) })
    }

    pub fn shared(&self) -> SharedTuning {
        self.shared.clone()
    }

    pub fn changes(&self) -> Changes {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a change durable and applies it. Blocks on the disk.
    ///
    /// # Errors
    /// The change cannot be stored; nothing has changed.
    pub fn change(&self, work: impl FnOnce(&mut Changes)) -> Result<(), StoreError> {
        let mut current = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = current.clone();
        work(&mut changed);
        self.store.save(&changed)?;
        self.shared.0.store(Arc::new(self.base.with(&changed)));
        *current = changed;
        Ok(())
    }
}
