//! Settings changed in the field, kept over restarts.

use super::store::StoreError;
use menshen_domain::tuning::Changes;

pub trait ChangesStore: Send + Sync {
    fn load(&self) -> Result<Changes, StoreError>;
    /// Replaces them all; returns only after they are on disk. Blocks: call it on a thread.
    fn save(&self, changes: &Changes) -> Result<(), StoreError>;
}
