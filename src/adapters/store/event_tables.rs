//! The tables of `events.redb`, and how an event is sealed in them.

use redb::TableDefinition;

use super::file::Failure;
use crate::adapters::record;
use crate::adapters::vault::{Place, Sealer};
use menshen_domain::event::EventRecord;

/// event id → bytes of its pictures, a passage that has not ended
pub const OPEN: TableDefinition<&str, (u64, &[u8])> = TableDefinition::new("sealed open");
/// sequence → bytes of row and pictures, event id, event; in history order
pub const HISTORY: TableDefinition<u64, (u64, &str, &[u8])> = TableDefinition::new("sealed history");
/// event id → sequence, so that closing twice is harmless
pub const SEQUENCES: TableDefinition<&str, u64> = TableDefinition::new("sequences");
/// hash of a receiver's address → the address, sealed
pub const RECEIVERS: TableDefinition<&str, &[u8]> = TableDefinition::new("sealed receivers");
/// hash of a receiver's address → last sequence it has
pub const CURSORS: TableDefinition<&str, u64> = TableDefinition::new("hidden cursors");
/// (time of the event in ms, sequence) → the feature it keeps, sealed: a search by picture goes through a span of time
/// without opening an event
pub const FEATURES: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("sealed features");
/// sequence → time of the event, so that its feature is found to be removed, also when the event cannot be read
pub const FEATURE_TIMES: TableDefinition<u64, u64> = TableDefinition::new("feature times");
/// `next_sequence`, `history_bytes`, `newest_event_ms`
pub const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");
pub const NEXT_SEQUENCE: &str = "next_sequence";
pub const HISTORY_BYTES: &str = "history_bytes";
pub const NEWEST_EVENT_MS: &str = "newest_event_ms";
/// (hash of a receiver's address, sequence) → what it refused, sealed
pub const SET_ASIDE: TableDefinition<(&str, u64), &[u8]> = TableDefinition::new("sealed set_aside");

/// Seals an event for its place in the table.
pub fn seal_event(key: &Sealer, event: &EventRecord) -> Result<Vec<u8>, Failure> {
    Ok(key.seal(Place("events", event.event_id.as_bytes()), &record::encode(event)?)?)
}

/// As [`seal_event`], for history, where the feature has a row of its own.
pub fn seal_closed(key: &Sealer, event: &EventRecord) -> Result<Vec<u8>, Failure> {
    if event.feature.is_none() {
        return seal_event(key, event);
    }
    seal_event(key, &EventRecord { feature: None, ..event.clone() })
}

/// Opens what [`seal_event`] sealed.
///
/// # Errors
/// When it was sealed with a destroyed key, is damaged, or was written by a newer version.
pub fn open_event(key: &Sealer, id: &str, sealed: &[u8]) -> Result<EventRecord, Failure> {
    Ok(record::decode(&key.open(Place("events", id.as_bytes()), sealed)?)?)
}
