//! The delivery queue of each history receiver, and the events it refused for good.

use serde::{Deserialize, Serialize};

use super::store::StoreError;
use menshen_domain::event::EventRecord;

/// An event whose record cannot be read, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableEvent(pub String);

/// The next event of a delivery queue.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxEntry {
    pub sequence: u64,
    pub event: Result<EventRecord, UnreadableEvent>,
}

/// An event that one receiver refused for good, taken out of its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedEvent {
    pub receiver: String,
    pub sequence: u64,
    pub reason: String,
    pub at_ms: u64,
    /// An operator wants it tried again.
    #[serde(default)]
    pub retry: bool,
}

/// Every change is on disk before a method returns. Blocks: call it on a thread.
pub trait Outbox: Send + Sync {
    /// At most `limit` events after `sequence`, in order, readable or not.
    fn next(&self, sequence: u64, limit: usize) -> Result<Vec<OutboxEntry>, StoreError>;
    /// How many events come after `sequence`. Numbers between them may be missing.
    fn waiting(&self, sequence: u64) -> Result<u64, StoreError>;
    /// Keeps what was refused and moves the receiver's cursor past it, in one transaction. Rows of events that
    /// retention has taken meanwhile are dropped.
    fn set_aside(&self, receiver: &str, refused: &[QuarantinedEvent], cursor: u64) -> Result<(), StoreError>;
    /// At most `limit` rows after the first `skip`, by receiver and sequence.
    fn set_asides(&self, skip: usize, limit: usize) -> Result<Vec<QuarantinedEvent>, StoreError>;
    fn set_aside_count(&self, receiver: &str) -> Result<u64, StoreError>;
    /// Marks rows for another try: of one receiver (its address, whole or as it is shown) or of all, one event or all
    /// of them. Returns how many.
    fn retry_set_aside(&self, receiver: Option<&str>, sequence: Option<u64>) -> Result<u64, StoreError>;
    /// At most `limit` rows of a receiver that are to be tried again.
    fn to_retry(&self, receiver: &str, limit: usize) -> Result<Vec<QuarantinedEvent>, StoreError>;
    /// The receiver took it after all, or it is gone.
    fn drop_set_aside(&self, receiver: &str, sequence: u64) -> Result<(), StoreError>;
}
