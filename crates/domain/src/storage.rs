//! How storing is doing: what is full, what was damaged, what waits. Written by the stores, shown by health.

use std::collections::BTreeSet;

use serde::Serialize;

/// How storing is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StorageFacts {
    /// Parts whose last write found no room: `registry`, `events`, `registry pictures`, `event pictures`.
    pub full: BTreeSet<&'static str>,
    /// Damaged databases of this start, where they were put and what came back.
    pub set_aside: Vec<String>,
    /// Single records found unreadable since the start.
    pub unreadable_records: u64,
    /// Events in memory that could not be stored yet.
    pub events_waiting: u64,
    /// Events given up since the start, because they could not be stored for too long.
    pub events_lost: u64,
}

impl StorageFacts {
    /// Whether there is nothing to report.
    pub fn is_ok(&self) -> bool {
        *self == Self::default()
    }
}
