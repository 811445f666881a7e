//! Everything the platform received, in order, to be asked about and waited for.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::Value;

/// Noted as the status when a login page was sent with 200: what stands in front of the platform answered, the
/// platform itself never saw the call.
pub const LOGIN_PAGE: u16 = 299;

/// One thing received. `kind`: `login`, `users`, `photo`, `realtime`, `history`, `device-list`, `status`,
/// `reply` (over MQ), `notify` (reply over HTTP), `other` (a path the platform does not have).
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Counted from 0.
    pub number: u64,
    /// When it was received, wall clock.
    pub at_ms: u64,
    /// One of the kinds above.
    pub kind: &'static str,
    /// Path of the call, or the queue.
    pub path: String,
    /// Status it was answered with; 0 for what came over MQ.
    pub status: u16,
    /// What was received; `"not JSON"` where it is not.
    pub body: Value,
}

impl Entry {
    /// A reply to a command, whichever way it came.
    pub fn is_reply(&self) -> bool {
        matches!(self.kind, "reply" | "notify")
    }

    /// Whether the platform said that it has it.
    pub fn is_accepted(&self) -> bool {
        self.status == 200 || self.status == 0
    }
}

/// What the platform received; threads wait for what is to come.
pub struct Ledger {
    inner: Mutex<Inner>,
    news: Condvar,
}

struct Inner {
    entries: Vec<Entry>,
    file: Option<File>,
}

impl Ledger {
    /// An empty ledger; `file` gets each entry as a line.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn new(file: Option<&Path>) -> io::Result<Self> {
        let file = file.map(File::create).transpose()?;
        Ok(Self { inner: Mutex::new(Inner { entries: Vec::new(), file }), news: Condvar::new() })
    }

    /// Adds an entry and wakes those who wait.
    pub fn add(&self, kind: &'static str, path: &str, status: u16, body: Value) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry {
            number: inner.entries.len() as u64,
            at_ms: now_ms(),
            kind,
            path: path.to_owned(),
            status,
            body,
        };
        if let Some(file) = &mut inner.file {
            let line = serde_json::to_string(&entry).unwrap_or_default();
            // The ledger in memory is what counts.
            let _ = writeln!(file, "{line}");
        }
        inner.entries.push(entry);
        self.news.notify_all();
    }

    /// Entries from number `after` on that `wanted` picks.
    pub fn since(&self, after: u64, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.entries.iter().skip(after as usize).filter(|entry| wanted(entry)).cloned().collect()
    }

    /// All entries of a kind so far.
    pub fn of_kind(&self, kind: &str) -> Vec<Entry> {
        self.since(0, |entry| entry.kind == kind)
    }

    /// Number of entries so far.
    pub fn len(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).entries.len() as u64
    }

    /// Whether nothing was received.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first entry `wanted` picks, old or new; `None` when none comes in time.
    pub fn wait(&self, limit: Duration, wanted: impl Fn(&Entry) -> bool) -> Option<Entry> {
        self.wait_count(limit, 1, wanted).into_iter().next()
    }

    /// Waits until `count` entries are picked; returns what there is at the end.
    pub fn wait_count(&self, limit: Duration, count: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let deadline = Instant::now() + limit;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let found: Vec<_> = inner.entries.iter().filter(|entry| wanted(entry)).cloned().collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if found.len() >= count || left.is_zero() {
                return found;
            }
            inner = self.news.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The wall clock, ms since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
