//! Durable storage. Every method that changes something returns only after the change is on disk.
//!
//! The traits are synchronous: they block on the disk and are called from threads, never from an
//! actor's arbiter.

use std::ops::RangeInclusive;

use menshen_domain::event::EventRecord;
use menshen_domain::person::{PermissionGroup, Person};
use menshen_domain::registry_groups::RegistryGroup;
use menshen_domain::status::Language;
use menshen_domain::text::spoken;
use menshen_domain::tr;

#[derive(Debug)]
pub enum StoreError {
    Locked {
        path: String,
    },
    Damaged {
        path: String,
        reason: String,
    },
    DiskFull {
        path: String,
    },
    /// A key is missing, wrong or not safe; the reason says what to do.
    Key {
        path: String,
        reason: String,
    },
    Io {
        doing: &'static str,
        path: String,
        reason: String,
    },
}

impl StoreError {
    /// What is wrong, and what to do.
    fn text(&self, language: Language) -> String {
        match self {
            Self::Locked { path } => tr!(
                language,
                "{path} is in use: another menshen is running on this data_dir; stop it or choose another data_dir",
                "{path} 正在使用：另一个门神正在使用该数据目录；请停止它，或更换 data_dir"
            ),
            Self::Damaged { path, reason } => {
                tr!(language, "{path} is damaged: {reason}", "{path} 已损坏：{reason}")
            }
            Self::DiskFull { path } => tr!(
                language,
                "disk full while writing {path}: make room on the disk",
                "写入 {path} 时磁盘已满：请清理磁盘空间"
            ),
            Self::Key { path, reason } => format!("{path}: {reason}"),
            Self::Io { doing, path, reason } => {
                let zh = match *doing {
                    "read" => "读取",
                    "write" => "写入",
                    "create" => "创建",
                    "open" => "打开",
                    "delete" | "remove" => "删除",
                    _ => "处理",
                };
                match language {
                    Language::En => format!("cannot {doing} {path}: {reason}"),
                    Language::Zh => format!("无法{zh} {path}：{reason}"),
                }
            }
        }
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text(spoken()))
    }
}

impl std::error::Error for StoreError {}

/// People and groups.
pub trait RegistryStore: Send + Sync {
    /// Every person that can be read; returns how many cannot.
    fn for_each(&self, visit: &mut dyn FnMut(Person)) -> Result<u64, StoreError>;
    fn get(&self, id: &str) -> Result<Option<Person>, StoreError>;
    /// At most `limit` people after the one with the id `after` (who need not be there any more), in an order that
    /// stays the same and says nothing of the ids.
    fn page(&self, after: Option<&str>, limit: usize) -> Result<Vec<Person>, StoreError>;
    /// At most `limit` people after the first `skip`, in the order of [`page`](Self::page).
    fn page_at(&self, skip: usize, limit: usize) -> Result<Vec<Person>, StoreError>;
    /// As [`page_at`](Self::page_at), of the people in a registry group, with how many they are. Reads everyone.
    fn page_of_group(&self, group: &str, skip: usize, limit: usize)
    -> Result<(u64, Vec<Person>), StoreError>;
    fn count(&self) -> Result<u64, StoreError>;
    /// Inserts or replaces all of them in one durable transaction; returns the replaced records.
    fn put(&self, people: &[Person]) -> Result<Vec<Person>, StoreError>;
    /// Deletes in one durable transaction, also what was set aside as unreadable; returns the records that existed.
    fn delete(&self, ids: &[String]) -> Result<Vec<Person>, StoreError>;
    /// Deletes everyone whose key was destroyed; groups stay.
    fn remove_wiped(&self) -> Result<u64, StoreError>;
    /// Whether there is a record of this person and it cannot be read.
    fn is_unreadable(&self, id: &str) -> Result<bool, StoreError>;
    /// Moves records that cannot be read out of the way; returns how many.
    fn set_aside_unreadable(&self) -> Result<u64, StoreError>;
    /// Everything that can be rebuilt has been. A database that is not complete is rebuilt at the next start too.
    fn mark_complete(&self) -> Result<(), StoreError>;
    fn permission_groups(&self) -> Result<Vec<PermissionGroup>, StoreError>;
    /// Replaces the whole list.
    fn set_permission_groups(&self, groups: &[PermissionGroup]) -> Result<(), StoreError>;
    fn registry_groups(&self) -> Result<Vec<RegistryGroup>, StoreError>;
    /// Replaces the whole list.
    fn set_registry_groups(&self, groups: &[RegistryGroup]) -> Result<(), StoreError>;
}

/// A stored event with its place in history.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Counts up from 1, without reuse, also across wipes; history order.
    pub sequence: u64,
    pub event: EventRecord,
}

/// An event that was asked for by its id.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundEvent {
    /// `None` until its passage has ended.
    pub sequence: Option<u64>,
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

/// How much history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    pub keep_events: u64,
    /// Rows and pictures together.
    pub keep_bytes: u64,
    /// Those whose cursors count as "sent".
    pub receivers: Vec<String>,
    /// Leave alone what some receiver has not got yet, whatever the limits.
    pub only_sent: bool,
}

impl Retention {
    pub const EVERYTHING: Self =
        Self { keep_events: u64::MAX, keep_bytes: u64::MAX, receivers: Vec::new(), only_sent: true };
}

/// An event as its pictures have it.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredEvent {
    pub event: EventRecord,
    pub picture_bytes: u64,
}

/// What closing an event did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub sequence: u64,
    pub trimmed: Trimmed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Passages that have begun and are not in history yet.
    pub open: u64,
    pub stored: u64,
    /// Rows and pictures of those.
    pub stored_bytes: u64,
    /// Events of history that keep their feature.
    pub features: u64,
    pub oldest_sequence: Option<u64>,
    pub newest_sequence: Option<u64>,
}

/// The feature an event of history keeps.
#[derive(Debug, Clone, Copy)]
pub struct KeptFeature<'a> {
    pub sequence: u64,
    /// Time of the event.
    pub timestamp_ms: u64,
    pub device_ip: &'a str,
    pub device_id: &'a str,
    /// Label of the model it was made with.
    pub model: &'a str,
    /// As [`EventFeature`](menshen_domain::event_feature::EventFeature) has it.
    pub vector: &'a [u8],
}

/// What becomes of a stored event.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    Keep,
    Remove,
    /// The same event with another record.
    Rewrite(Box<EventRecord>),
}

/// What a pass over all events has changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changed {
    pub removed: Vec<EventRecord>,
    /// Of those, events some receiver had not got yet.
    pub removed_unsent: u64,
    pub rewritten: Vec<EventRecord>,
}

/// What a targeted change of stored events came to.
#[derive(Debug, Clone, PartialEq)]
pub enum SentChange {
    /// Done; the events as they were before. Ids of no stored event are passed over.
    Done(Vec<EventRecord>),
    /// Nothing was changed: some receiver has not got this one, or its passage has not ended.
    Unsent(String),
}

/// Events: first open (a passage that has not ended), then closed into history with a sequence number.
pub trait EventStore: Send + Sync {
    /// Keeps a passage that has not ended; called again with the same `event_id` it replaces the record. `picture_bytes` is
    /// the size of its pictures; 0 leaves what was said before.
    fn put_open(&self, event: &EventRecord, picture_bytes: u64) -> Result<(), StoreError>;
    /// Moves the event into history, whether or not it was open, gives its sequence and keeps the limits, all in one
    /// transaction. Closing an `event_id` that is in history already changes nothing and returns its old sequence.
    fn close(
        &self,
        event: &EventRecord,
        picture_bytes: u64,
        retention: &Retention,
    ) -> Result<Closed, StoreError>;
    /// Passages that were open when the process ended.
    fn open_events(&self) -> Result<Vec<EventRecord>, StoreError>;
    /// At most `limit` events after `sequence`, in order; one that cannot be read is counted and skipped.
    fn after(&self, sequence: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError>;
    /// Shows events of history, the newest first, from the `skip`th on, with whether some of `receivers` has not got it yet, until
    /// `visit` answers false. Skipped rows are not opened; one that cannot be read is counted and left out.
    fn newest_first(
        &self,
        receivers: &[String],
        skip: u64,
        visit: &mut dyn FnMut(StoredEvent, bool) -> bool,
    ) -> Result<(), StoreError>;
    /// Shows the features of events of history by the time of the event, within these milliseconds, until `visit` answers false. One
    /// that cannot be read is counted and left out.
    fn features(
        &self,
        between: RangeInclusive<u64>,
        newest_first: bool,
        visit: &mut dyn FnMut(KeptFeature<'_>) -> bool,
    ) -> Result<(), StoreError>;
    /// Those of these events of history that are there and can be read, in the order of the list.
    fn at(&self, sequences: &[u64]) -> Result<Vec<StoredEvent>, StoreError>;
    /// Changes events that every receiver has, by their ids, all or none of them, in one transaction.
    fn change_sent(
        &self,
        event_ids: &[String],
        receivers: &[String],
        fate: &dyn Fn(&EventRecord) -> Fate,
    ) -> Result<SentChange, StoreError>;
    /// Puts events that were lost back at the end of history, in one transaction.
    fn restore(&self, events: &[RestoredEvent]) -> Result<(), StoreError>;
    /// How far a receiver has got; `None` for one never seen.
    fn cursor(&self, receiver: &str) -> Result<Option<u64>, StoreError>;
    /// Every receiver that has a cursor.
    fn receivers(&self) -> Result<Vec<String>, StoreError>;
    fn set_cursor(&self, receiver: &str, sequence: u64) -> Result<(), StoreError>;
    /// Removes the oldest until the limits hold.
    fn trim(&self, retention: &Retention) -> Result<Trimmed, StoreError>;
    fn counts(&self) -> Result<EventCounts, StoreError>;
    /// When the newest event ever stored happened, in milliseconds since 1970; 0 when there is none.
    fn newest_event_ms(&self) -> Result<u64, StoreError>;
    /// Later events were stored by a wrong clock: the newest is of this time at most.
    fn confirm_clock(&self, wall_ms: u64) -> Result<(), StoreError>;
    /// Every event that can be read, open or closed, with whether some of `receivers` has not got it yet.
    fn for_each(
        &self,
        receivers: &[String],
        visit: &mut dyn FnMut(&EventRecord, bool),
    ) -> Result<(), StoreError>;
    /// Decides over every event that can be read, open or closed, in one transaction. What a receiver refused of an event that
    /// is removed goes with it; cursors stay.
    fn decide(
        &self,
        receivers: &[String],
        fate: &dyn Fn(&EventRecord) -> Fate,
    ) -> Result<Changed, StoreError>;
    /// One event, open or closed.
    fn find(&self, event_id: &str) -> Result<Option<FoundEvent>, StoreError>;
    /// Whether the event is known, open or closed.
    fn has(&self, event_id: &str) -> Result<bool, StoreError>;
    /// Every picture that some row (open or closed) refers to; for the sweep at start.
    fn pictures(&self) -> Result<std::collections::BTreeSet<String>, StoreError>;
    /// Removes events whose key was destroyed; keeps cursors and the sequence counter. Returns how many.
    fn remove_wiped(&self) -> Result<u64, StoreError>;
    /// Removes events that cannot be read, so that they can be rebuilt; the store is not complete until that is done.
    fn remove_unreadable(&self) -> Result<u64, StoreError>;
    /// Everything that can be rebuilt has been. A database that is not complete is rebuilt at the next start too.
    fn mark_complete(&self) -> Result<(), StoreError>;
}

/// Whose a picture is; kept with it, so that a lost database can be rebuilt.
#[derive(Debug, Clone, Copy)]
pub enum Owner<'a> {
    Person(&'a Person),
    Event(&'a EventRecord),
}

impl Owner<'_> {
    pub fn namespace(&self) -> Namespace {
        match self {
            Self::Person(_) => Namespace::Registry,
            Self::Event(_) => Namespace::Events,
        }
    }
}

/// A picture to be kept. `name` is a plain file name.
#[derive(Debug, Clone, Copy)]
pub struct NewPicture<'a> {
    pub name: &'a str,
    pub bytes: &'a [u8],
    pub owner: Owner<'a>,
}

/// People and their photos, or events and their pictures: each has a key and a folder of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    Registry,
    Events,
}

/// The keys the two namespaces are sealed with.
pub trait Keys: Send + Sync {
    /// Replaces a namespace's key: what was sealed with the old one can never be read again from this moment on. The
    /// wipe counts as unfinished, over restarts, until [`finish_wipe`](Self::finish_wipe).
    fn destroy(&self, namespace: Namespace) -> Result<(), StoreError>;
    fn is_wipe_unfinished(&self, namespace: Namespace) -> bool;
    /// What the destroyed key had sealed has been removed.
    fn finish_wipe(&self, namespace: Namespace) -> Result<(), StoreError>;
}

/// Picture files beside the databases: written and flushed before the row that names them.
pub trait PictureStore: Send + Sync {
    /// A name for a registry photo that says nothing of the person. Two people with the same photo never share a
    /// file, so that deleting one cannot take the other's.
    fn photo_name(&self, id: &str, photo_sha256: &str) -> String;
    /// Writes each atomically (temporary file, flush, rename), with one flush of the folder for all of them. On an
    /// error some may have been written.
    fn put(&self, pictures: &[NewPicture<'_>]) -> Result<(), StoreError>;
    /// `None` when there is no such picture.
    fn get(&self, namespace: Namespace, name: &str) -> Result<Option<Vec<u8>>, StoreError>;
    /// The people the registry photos were kept for, as they were then; files that cannot be read are passed over.
    fn people(&self, visit: &mut dyn FnMut(Person)) -> Result<(), StoreError>;
    /// The events the event pictures were kept for, as they were then, with the size of the picture; an event comes
    /// once for each of its pictures.
    fn events(&self, visit: &mut dyn FnMut(EventRecord, u64)) -> Result<(), StoreError>;
    /// Deletes what was sealed with a key that is destroyed.
    fn remove_wiped(&self, namespace: Namespace) -> Result<u64, StoreError>;
    /// Deletes the registry photos that were kept for people whom `is_gone` names, whether or not a row names them; returns
    /// how many.
    fn remove_of_people(&self, is_gone: &dyn Fn(&str) -> bool) -> Result<u64, StoreError>;
    /// Deleting what is not there is fine.
    fn remove(&self, namespace: Namespace, name: &str) -> Result<(), StoreError>;
    /// How many files there are, whether or not a row names them.
    fn count(&self, namespace: Namespace) -> Result<u64, StoreError>;
    /// Deletes every file `keep` does not want, temporary files included; returns how many.
    fn sweep(&self, namespace: Namespace, keep: &dyn Fn(&str) -> bool) -> Result<u64, StoreError>;
}
