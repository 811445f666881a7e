//! Erasures that are not finished, and the receipts of those that are.

use super::store::StoreError;
use menshen_domain::erasure::{ErasureJob, ErasureReceipt};

/// Every change is on disk before a method returns. Blocks: call it on a thread.
pub trait ErasureLog: Send + Sync {
    /// Keeps an erasure before anything of it is done, so that a crash only delays it.
    fn begin(&self, job: &ErasureJob) -> Result<(), StoreError>;
    /// Erasures that a crash or a failing disk cut short, the oldest first.
    fn unfinished(&self) -> Result<Vec<ErasureJob>, StoreError>;
    /// Removes copies of databases that were set aside as damaged: they hold the erased people too.
    fn remove_copies(&self) -> Result<(), StoreError>;
    /// Keeps the receipts of an erasure that is done, and forgets whom it was about. Twice is once.
    fn finish(&self, job: &ErasureJob, finished_at_ms: u64) -> Result<Vec<ErasureReceipt>, StoreError>;
    /// All receipts, oldest first.
    fn receipts(&self) -> Result<Vec<ErasureReceipt>, StoreError>;
    /// How receipts name a person.
    fn name_of(&self, id: &str) -> String;
}
