//! Events and history cursors in `events.redb`.

use std::collections::BTreeSet;
use std::path::Path;

use redb::{ReadableTable, ReadableTableMetadata as _, TableDefinition, WriteTransaction};

use super::outbox::SET_ASIDE;
use super::{Failure, File, record};
use crate::core::event::EventRecord;
use crate::ports::store::{EventCounts, EventStore, StoreError, StoredEvent, Trimmed};

/// event id → a passage that still goes on
const OPEN: TableDefinition<&str, &[u8]> = TableDefinition::new("open");
/// sequence → event, in history order
pub(super) const HISTORY: TableDefinition<u64, &[u8]> = TableDefinition::new("history");
/// event id → sequence, so that closing twice is harmless
const SEQUENCES: TableDefinition<&str, u64> = TableDefinition::new("sequences");
/// receiver → last sequence it has
pub(super) const CURSORS: TableDefinition<&str, u64> = TableDefinition::new("cursors");
/// `next_sequence`
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters");
const NEXT_SEQUENCE: &str = "next_sequence";

pub struct RedbEventStore {
    pub(super) file: File,
}

impl RedbEventStore {
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let file = File::open(data_dir.join("events.redb"))?;
        file.write(|transaction| {
            transaction.open_table(OPEN)?;
            transaction.open_table(HISTORY)?;
            transaction.open_table(SEQUENCES)?;
            transaction.open_table(CURSORS)?;
            transaction.open_table(COUNTERS)?;
            transaction.open_table(SET_ASIDE)?;
            Ok(())
        })?;
        Ok(Self { file })
    }
}

fn take_sequence(transaction: &WriteTransaction) -> Result<u64, Failure> {
    let mut counters = transaction.open_table(COUNTERS)?;
    let sequence = counters.get(NEXT_SEQUENCE)?.map_or(1, |row| row.value());
    counters.insert(NEXT_SEQUENCE, sequence + 1)?;
    Ok(sequence)
}

impl EventStore for RedbEventStore {
    fn put_open(&self, event: &EventRecord) -> Result<(), StoreError> {
        self.file.write(|transaction| {
            let id = event.event_id.as_str();
            // A late repeat must not reopen what is history.
            if transaction.open_table(SEQUENCES)?.get(id)?.is_none() {
                transaction.open_table(OPEN)?.insert(id, record::encode(event)?.as_slice())?;
            }
            Ok(())
        })
    }

    fn close(&self, event: &EventRecord) -> Result<u64, StoreError> {
        self.file.write(|transaction| {
            let id = event.event_id.as_str();
            if let Some(sequence) = transaction.open_table(SEQUENCES)?.get(id)? {
                return Ok(sequence.value());
            }
            transaction.open_table(OPEN)?.remove(id)?;
            let sequence = take_sequence(transaction)?;
            transaction.open_table(HISTORY)?.insert(sequence, record::encode(event)?.as_slice())?;
            transaction.open_table(SEQUENCES)?.insert(id, sequence)?;
            Ok(sequence)
        })
    }

    fn open_events(&self) -> Result<Vec<EventRecord>, StoreError> {
        self.file.read(|transaction| {
            let table = transaction.open_table(OPEN)?;
            let rows = table.iter()?;
            rows.map(|row| Ok(record::decode(row?.1.value())?)).collect::<Result<_, Failure>>()
        })
    }

    fn after(&self, sequence: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.file.read(|transaction| {
            let table = transaction.open_table(HISTORY)?;
            table
                .range(sequence.saturating_add(1)..)?
                .take(limit)
                .map(|row| {
                    let (key, value) = row?;
                    Ok(StoredEvent { sequence: key.value(), event: record::decode(value.value())? })
                })
                .collect()
        })
    }

    fn cursor(&self, receiver: &str) -> Result<Option<u64>, StoreError> {
        self.file
            .read(|transaction| Ok(transaction.open_table(CURSORS)?.get(receiver)?.map(|row| row.value())))
    }

    fn receivers(&self) -> Result<Vec<String>, StoreError> {
        self.file.read(|transaction| {
            let table = transaction.open_table(CURSORS)?;
            table.iter()?.map(|row| Ok(row?.0.value().to_owned())).collect()
        })
    }

    fn set_cursor(&self, receiver: &str, sequence: u64) -> Result<(), StoreError> {
        self.file.write(|transaction| {
            let mut cursors = transaction.open_table(CURSORS)?;
            let known = cursors.get(receiver)?.map_or(0, |row| row.value());
            // A late commit of a courier that was stopped must not take it back.
            cursors.insert(receiver, sequence.max(known))?;
            Ok(())
        })
    }

    fn trim(&self, keep: u64, receivers: &[String]) -> Result<Trimmed, StoreError> {
        self.file.write(|transaction| {
            let mut history = transaction.open_table(HISTORY)?;
            let mut sequences = transaction.open_table(SEQUENCES)?;
            let cursors = transaction.open_table(CURSORS)?;
            let mut sent_up_to = u64::MAX;
            for receiver in receivers {
                let cursor = cursors.get(receiver.as_str())?.map_or(0, |row| row.value());
                sent_up_to = sent_up_to.min(cursor);
            }
            let mut trimmed = Trimmed::default();
            while history.len()? > keep {
                let Some((sequence, event)) = pop_first(&mut history)? else { break };
                sequences.remove(event.event_id.as_str())?;
                trimmed.removed += 1;
                trimmed.unsent_removed += u64::from(sequence > sent_up_to);
                trimmed.pictures.extend(event.pictures().map(str::to_owned));
            }
            Ok(trimmed)
        })
    }

    fn counts(&self) -> Result<EventCounts, StoreError> {
        self.file.read(|transaction| {
            let history = transaction.open_table(HISTORY)?;
            Ok(EventCounts {
                open: transaction.open_table(OPEN)?.len()?,
                stored: history.len()?,
                oldest_sequence: history.first()?.map(|(key, _)| key.value()),
                newest_sequence: history.last()?.map(|(key, _)| key.value()),
            })
        })
    }

    fn pictures(&self) -> Result<BTreeSet<String>, StoreError> {
        self.file.read(|transaction| {
            let mut pictures = BTreeSet::new();
            for row in transaction.open_table(OPEN)?.iter()? {
                let event: EventRecord = record::decode(row?.1.value())?;
                pictures.extend(event.pictures().map(str::to_owned));
            }
            for row in transaction.open_table(HISTORY)?.iter()? {
                let event: EventRecord = record::decode(row?.1.value())?;
                pictures.extend(event.pictures().map(str::to_owned));
            }
            Ok(pictures)
        })
    }

    fn wipe(&self) -> Result<Vec<String>, StoreError> {
        let pictures = self.pictures()?;
        self.file.write(|transaction| {
            transaction.delete_table(OPEN)?;
            transaction.delete_table(HISTORY)?;
            transaction.delete_table(SEQUENCES)?;
            transaction.delete_table(SET_ASIDE)?;
            transaction.open_table(SET_ASIDE)?;
            transaction.open_table(OPEN)?;
            transaction.open_table(HISTORY)?;
            transaction.open_table(SEQUENCES)?;
            Ok(())
        })?;
        Ok(pictures.into_iter().collect())
    }
}

fn pop_first(history: &mut redb::Table<'_, u64, &[u8]>) -> Result<Option<(u64, EventRecord)>, Failure> {
    match history.pop_first()? {
        None => Ok(None),
        Some((key, value)) => Ok(Some((key.value(), record::decode(value.value())?))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::core::event::{EventDevice, ShotQuality, WantAction};

    pub fn event(id: &str) -> EventRecord {
        EventRecord {
            event_id: id.into(),
            device: EventDevice { ep_id: "d__1".into(), ip: "1".into(), device_type: "3".into() },
            identity: None,
            timestamp_ms: 1,
            in_timestamp_ms: 1,
            out_timestamp_ms: 2,
            score: 0.5,
            similarity: None,
            want_action: WantAction::Nothing,
            quality: ShotQuality::default(),
            spot_pic: Some(format!("{id}-spot.jpg")),
            face_pic: None,
            model: "m@1".into(),
        }
    }

    pub fn store() -> (tempfile::TempDir, RedbEventStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = RedbEventStore::open(folder.path()).unwrap();
        (folder, store)
    }

    #[test]
    fn events_close_once_and_in_order() {
        let (_folder, store) = store();
        store.put_open(&event("a")).unwrap();
        assert_eq!(store.counts().unwrap().open, 1);
        assert_eq!(store.close(&event("b")).unwrap(), 1);
        assert_eq!(store.close(&event("a")).unwrap(), 2);
        assert_eq!(store.close(&event("a")).unwrap(), 2, "closing again changes nothing");
        store.put_open(&event("a")).unwrap();
        assert_eq!(store.counts().unwrap().open, 0, "a late repeat does not reopen");
        let ids: Vec<_> = store.after(0, 10).unwrap().into_iter().map(|e| e.event.event_id).collect();
        assert_eq!(ids, ["b", "a"]);
        assert_eq!(store.after(1, 10).unwrap().len(), 1);
    }

    #[test]
    fn trimming_tells_what_nobody_had_got() {
        let (_folder, store) = store();
        for i in 0..10 {
            store.close(&event(&format!("e{i}"))).unwrap();
        }
        store.set_cursor("http://a", 4).unwrap();
        let trimmed = store.trim(3, &["http://a".into()]).unwrap();
        assert_eq!((trimmed.removed, trimmed.unsent_removed), (7, 3));
        assert_eq!(trimmed.pictures[0], "e0-spot.jpg");
        assert_eq!(store.counts().unwrap().oldest_sequence, Some(8));
        assert_eq!(store.trim(3, &[]).unwrap(), Trimmed::default());
    }

    #[test]
    fn a_wipe_keeps_the_counter_and_the_cursors() {
        let (_folder, store) = store();
        store.close(&event("a")).unwrap();
        store.set_cursor("r", 1).unwrap();
        assert_eq!(store.wipe().unwrap(), ["a-spot.jpg"]);
        assert_eq!(store.close(&event("b")).unwrap(), 2);
        assert_eq!(store.cursor("r").unwrap(), Some(1));
    }

    #[test]
    fn a_second_process_and_a_damaged_file_are_named() {
        let (folder, _store) = store();
        assert!(matches!(RedbEventStore::open(folder.path()), Err(StoreError::Locked { .. })));
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("events.redb"), vec![7u8; 10_000]).unwrap();
        assert!(matches!(RedbEventStore::open(other.path()), Err(StoreError::Damaged { .. })));
    }
}
