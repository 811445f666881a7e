//! Durable storage. Every method that changes something returns only after the change is on disk.
//!
//! The traits are synchronous: they block on the disk and are called from threads, never from an
//! actor's arbiter.

use crate::core::event::EventRecord;
use crate::core::person::{PermissionGroup, Person};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(
        "{path} is in use: another menshen is running on this data_dir; stop it or choose another data_dir"
    )]
    Locked { path: String },
    #[error("{path} is damaged: {reason}")]
    Damaged { path: String, reason: String },
    #[error(
        "{path} was written by a newer menshen (record version {found}, this one reads up to {known}); update menshen"
    )]
    Newer { path: String, found: u8, known: u8 },
    #[error("disk full while writing {path}")]
    DiskFull { path: String },
    /// A key is missing, wrong or not safe; the reason says what to do.
    #[error("{path}: {reason}")]
    Key { path: String, reason: String },
    #[error("cannot {doing} {path}: {reason}")]
    Io { doing: &'static str, path: String, reason: String },
}

/// People and permission groups.
pub trait RegistryStore: Send + Sync {
    /// Every person, in order of id.
    fn for_each(&self, visit: &mut dyn FnMut(Person)) -> Result<(), StoreError>;
    fn get(&self, id: &str) -> Result<Option<Person>, StoreError>;
    /// At most `limit` people whose id comes after `after`, in order of id.
    fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Person>, StoreError>;
    /// At most `limit` people after the first `skip`, in order of id.
    fn page_at(&self, skip: usize, limit: usize) -> Result<Vec<Person>, StoreError>;
    fn count(&self) -> Result<u64, StoreError>;
    /// Inserts or replaces all of them in one durable transaction; returns the replaced records.
    fn put(&self, people: &[Person]) -> Result<Vec<Person>, StoreError>;
    /// Deletes in one durable transaction; returns the records that existed.
    fn delete(&self, ids: &[String]) -> Result<Vec<Person>, StoreError>;
    /// Deletes everyone; permission groups stay.
    fn wipe_people(&self) -> Result<u64, StoreError>;
    fn permission_groups(&self) -> Result<Vec<PermissionGroup>, StoreError>;
    /// Replaces the whole list.
    fn set_permission_groups(&self, groups: &[PermissionGroup]) -> Result<(), StoreError>;
}

/// A stored event with its place in history.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Counts up from 1, without reuse, also across wipes; history order.
    pub sequence: u64,
    pub event: EventRecord,
}

/// What a retention pass removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Pictures that no row refers to any more and that can be deleted.
    pub pictures: Vec<String>,
    pub removed: u64,
    /// Of those, events some receiver had not got yet: a loss that must be shown.
    pub unsent_removed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Passages that have begun and are not in history yet.
    pub open: u64,
    pub stored: u64,
    pub oldest_sequence: Option<u64>,
    pub newest_sequence: Option<u64>,
}

/// Events: first open (a passage that still goes on), then closed into history with a sequence number.
pub trait EventStore: Send + Sync {
    /// Keeps a passage that goes on; called again with the same `event_id` it replaces the record.
    fn put_open(&self, event: &EventRecord) -> Result<(), StoreError>;
    /// Moves the event into history in one transaction, whether or not it was open, and gives its sequence.
    /// Closing an `event_id` that is in history already changes nothing and returns its old sequence.
    fn close(&self, event: &EventRecord) -> Result<u64, StoreError>;
    /// Passages that were open when the process ended.
    fn open_events(&self) -> Result<Vec<EventRecord>, StoreError>;
    /// At most `limit` events after `sequence`, in order.
    fn after(&self, sequence: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;
    /// How far a receiver has got; `None` for one never seen.
    fn cursor(&self, receiver: &str) -> Result<Option<u64>, StoreError>;
    /// Every receiver that has a cursor.
    fn receivers(&self) -> Result<Vec<String>, StoreError>;
    fn set_cursor(&self, receiver: &str, sequence: u64) -> Result<(), StoreError>;
    /// Removes the oldest until `keep` remain. `receivers` are those whose cursors count as "sent".
    fn trim(&self, keep: u64, receivers: &[String]) -> Result<Trimmed, StoreError>;
    fn counts(&self) -> Result<EventCounts, StoreError>;
    /// Whether any row (open or closed) refers to this picture; for the sweep at start.
    fn pictures(&self) -> Result<std::collections::BTreeSet<String>, StoreError>;
    /// Removes all events, keeps cursors and the sequence counter; returns the pictures to delete.
    fn wipe(&self) -> Result<Vec<String>, StoreError>;
}

/// The two shelves of the picture store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shelf {
    Registry,
    Events,
}

/// The keys the two shelves are sealed with: people and their photos, events and their pictures.
pub trait Keys: Send + Sync {
    /// Replaces a shelf's key: what was sealed with the old one can never be read again from this moment on. The
    /// wipe counts as unfinished, over restarts, until [`finish_wipe`](Self::finish_wipe).
    fn destroy(&self, shelf: Shelf) -> Result<(), StoreError>;
    fn is_wipe_unfinished(&self, shelf: Shelf) -> bool;
    /// What the destroyed key had sealed has been removed.
    fn finish_wipe(&self, shelf: Shelf) -> Result<(), StoreError>;
}

/// Picture files beside the databases: written and flushed before the row that names them.
pub trait PictureStore: Send + Sync {
    /// Writes atomically (temporary file, flush, rename, flush of the folder). `name` is a plain file name.
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError>;
    /// `None` when there is no such picture.
    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// Deleting what is not there is fine.
    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError>;
    /// How many files are on the shelf, whoever they belong to.
    fn count(&self, shelf: Shelf) -> Result<u64, StoreError>;
    /// Deletes every file `keep` does not want, temporary files included; returns how many.
    fn sweep(&self, shelf: Shelf, keep: &dyn Fn(&str) -> bool) -> Result<u64, StoreError>;
}
