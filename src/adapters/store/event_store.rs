//! Events and history cursors in `events.redb`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use redb::{ReadableTable, ReadableTableMetadata as _, WriteTransaction};

use super::event_features::Features;
use super::event_tables::{
    COUNTERS, CURSORS, FEATURE_TIMES, FEATURES, HISTORY, HISTORY_BYTES, NEWEST_EVENT_MS, NEXT_SEQUENCE, OPEN,
    RECEIVERS, SEQUENCES, SET_ASIDE, open_event, seal_closed, seal_event,
};
use super::file::{DatabaseState, Failure, mark_complete, mark_incomplete};
use super::receivers::{self, hidden, remember};
use super::sealed_file::SealedFile;
use crate::adapters::space::DiskSpace;
use crate::adapters::vault::{Sealer, Vault};
use crate::ports::store::{
    Changed, Closed, EventCounts, EventStore, Fate, FoundEvent, KeptFeature, Namespace, RestoredEvent,
    Retention, SentChange, StoreError, StoredEvent, Trimmed,
};
use menshen_domain::event::EventRecord;

pub struct RedbEventStore {
    pub(super) file: SealedFile,
}

impl RedbEventStore {
    /// Opens the events' database, or makes it, and says how it was found.
    ///
    /// # Errors
    /// When another process has it open, or the disk fails. A damaged one is no error: it is set aside.
    pub fn open(
        data_dir: &Path,
        vault: Arc<Vault>,
        space: DiskSpace,
    ) -> Result<(Self, DatabaseState), StoreError> {
        let tables = |transaction: &WriteTransaction| {
            transaction.open_table(OPEN)?;
            transaction.open_table(HISTORY)?;
            transaction.open_table(SEQUENCES)?;
            transaction.open_table(CURSORS)?;
            transaction.open_table(RECEIVERS)?;
            transaction.open_table(COUNTERS)?;
            transaction.open_table(SET_ASIDE)?;
            transaction.open_table(FEATURES)?;
            transaction.open_table(FEATURE_TIMES)?;
            Ok(())
        };
        let (file, state) = SealedFile::open(data_dir, Namespace::Events, vault, space, tables)?;
        receivers::seal_old(&file)?;
        Ok((Self { file }, state))
    }

    /// `None`, counted, when it cannot be read: one bad record must not hold up the line behind it.
    pub(super) fn readable(&self, key: &Sealer, id: &str, sealed: &[u8]) -> Option<EventRecord> {
        match open_event(key, id, sealed) {
            Ok(event) => Some(event),
            Err(failure) => {
                self.file.space().unreadable("event", 1);
                tracing::error!(event = id, ?failure, "an event's record cannot be read and is skipped");
                None
            }
        }
    }
}

pub(super) fn counter(transaction: &WriteTransaction, name: &str) -> Result<u64, Failure> {
    Ok(transaction.open_table(COUNTERS)?.get(name)?.map_or(0, |row| row.value()))
}

pub(super) fn set_counter(transaction: &WriteTransaction, name: &str, value: u64) -> Result<(), Failure> {
    transaction.open_table(COUNTERS)?.insert(name, value)?;
    Ok(())
}

/// Remembers that an event of that time is stored.
fn note_time(transaction: &WriteTransaction, event: &EventRecord) -> Result<(), Failure> {
    if event.timestamp_ms > counter(transaction, NEWEST_EVENT_MS)? {
        set_counter(transaction, NEWEST_EVENT_MS, event.timestamp_ms)?;
    }
    Ok(())
}

/// Up to where every receiver has got.
pub(super) fn sent_up_to(
    transaction: &WriteTransaction,
    key: &Sealer,
    receivers: &[String],
) -> Result<u64, Failure> {
    let cursors = transaction.open_table(CURSORS)?;
    let mut sent = u64::MAX;
    for receiver in receivers {
        sent = sent.min(cursors.get(hidden(key, receiver).as_str())?.map_or(0, |row| row.value()));
    }
    Ok(sent)
}

impl RedbEventStore {
    /// Moves an event into history; gives the old sequence where it is there already.
    fn close_in(
        &self,
        transaction: &WriteTransaction,
        event: &EventRecord,
        picture_bytes: u64,
    ) -> Result<u64, Failure> {
        let id = event.event_id.as_str();
        if let Some(sequence) = transaction.open_table(SEQUENCES)?.get(id)? {
            return Ok(sequence.value());
        }
        let known = transaction.open_table(OPEN)?.remove(id)?.map_or(0, |row| row.value().0);
        let pictures = if picture_bytes == 0 { known } else { picture_bytes };
        let sequence = counter(transaction, NEXT_SEQUENCE)?.max(1);
        // With one key: a wipe in between must not leave the one without the other.
        let (sealed, feature_bytes) = self.file.with_key(|key| {
            let feature_bytes = Features::open(transaction)?.insert(key, sequence, event)?;
            Ok::<_, Failure>((seal_closed(key, event)?, feature_bytes))
        })?;
        let size = pictures + sealed.len() as u64 + feature_bytes;
        note_time(transaction, event)?;
        set_counter(transaction, NEXT_SEQUENCE, sequence + 1)?;
        set_counter(transaction, HISTORY_BYTES, counter(transaction, HISTORY_BYTES)? + size)?;
        transaction.open_table(HISTORY)?.insert(sequence, (size, id, sealed.as_slice()))?;
        transaction.open_table(SEQUENCES)?.insert(id, sequence)?;
        Ok(sequence)
    }

    fn is_all_readable(&self) -> Result<bool, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                for row in transaction.open_table(OPEN)?.iter()? {
                    let (id, value) = row?;
                    if open_event(key, id.value(), value.value().1).is_err() {
                        return Ok(false);
                    }
                }
                for row in transaction.open_table(HISTORY)?.iter()? {
                    let row = row?.1;
                    let (_, id, sealed) = row.value();
                    if open_event(key, id, sealed).is_err() {
                        return Ok(false);
                    }
                }
                Ok(true)
            })
        })
    }

    /// Removes every row that `keep` does not want, and counts.
    fn retain_in(
        &self,
        transaction: &WriteTransaction,
        keep: impl Fn(&Sealer, &str, &[u8]) -> bool,
    ) -> Result<u64, Failure> {
        self.file.with_key(|key| {
            let mut open = transaction.open_table(OPEN)?;
            let mut history = transaction.open_table(HISTORY)?;
            let mut sequences = transaction.open_table(SEQUENCES)?;
            let mut features = Features::open(transaction)?;
            let before = open.len()? + history.len()?;
            let mut bytes = 0;
            let mut gone = Vec::new();
            open.retain(|id, (_, sealed)| keep(key, id, sealed))?;
            let mut kept = BTreeSet::new();
            history.retain(|sequence, (size, id, sealed)| {
                let is_kept = keep(key, id, sealed);
                if is_kept {
                    bytes += size;
                    kept.insert(sequence);
                } else {
                    gone.push(id.to_owned());
                }
                is_kept
            })?;
            for id in gone {
                sequences.remove(id.as_str())?;
            }
            transaction.open_table(SET_ASIDE)?.retain(|(_, sequence), _| kept.contains(&sequence))?;
            features.retain(key, &kept)?;
            set_counter(transaction, HISTORY_BYTES, bytes)?;
            Ok(before - open.len()? - history.len()?)
        })
    }

    /// Removes the oldest until the limits hold. Receivers get events in order, so the oldest are those that
    /// every receiver has; one that a receiver lacks is reached only when nothing else is left.
    fn trim_in(&self, transaction: &WriteTransaction, retention: &Retention) -> Result<Trimmed, Failure> {
        let mut history = transaction.open_table(HISTORY)?;
        let mut bytes = counter(transaction, HISTORY_BYTES)?;
        let mut trimmed = Trimmed::default();
        if history.len()? <= retention.keep_events && bytes <= retention.keep_bytes {
            return Ok(trimmed);
        }
        let mut sequences = transaction.open_table(SEQUENCES)?;
        let mut features = Features::open(transaction)?;
        let sent = sent_up_to(transaction, self.file.master_sealer(), &retention.receivers)?;
        self.file.with_key(|key| {
            while history.len()? > retention.keep_events || bytes > retention.keep_bytes {
                let oldest = history.first()?.map(|(sequence, _)| sequence.value());
                // The last one is kept whatever its size: an event of now is worth more than a limit.
                let Some(sequence) = oldest.filter(|_| history.len().is_ok_and(|count| count > 1)) else {
                    break;
                };
                if retention.only_sent && sequence > sent {
                    break;
                }
                let Some(row) = history.remove(sequence)? else { break };
                let (size, id, sealed) = row.value();
                bytes = bytes.saturating_sub(size);
                sequences.remove(id)?;
                features.remove(sequence)?;
                trimmed.removed += 1;
                trimmed.unsent_removed += u64::from(sequence > sent);
                if let Some(event) = self.readable(key, id, sealed) {
                    trimmed.pictures.extend(event.pictures().map(str::to_owned));
                }
            }
            Ok::<_, Failure>(())
        })?;
        set_counter(transaction, HISTORY_BYTES, bytes)?;
        Ok(trimmed)
    }
}

impl EventStore for RedbEventStore {
    fn put_open(&self, event: &EventRecord, picture_bytes: u64) -> Result<(), StoreError> {
        self.file.grow(|transaction| {
            let id = event.event_id.as_str();
            // A late repeat must not reopen what is history.
            if transaction.open_table(SEQUENCES)?.get(id)?.is_some() {
                return Ok(());
            }
            let mut open = transaction.open_table(OPEN)?;
            let known = open.get(id)?.map_or(0, |row| row.value().0);
            let size = if picture_bytes == 0 { known } else { picture_bytes };
            let sealed = self.file.with_key(|key| seal_event(key, event))?;
            open.insert(id, (size, sealed.as_slice()))?;
            note_time(transaction, event)
        })
    }

    fn close(
        &self,
        event: &EventRecord,
        picture_bytes: u64,
        retention: &Retention,
    ) -> Result<Closed, StoreError> {
        self.file.grow(|transaction| {
            let sequence = self.close_in(transaction, event, picture_bytes)?;
            let trimmed = self.trim_in(transaction, retention)?;
            Ok(Closed { sequence, trimmed })
        })
    }

    fn open_events(&self) -> Result<Vec<EventRecord>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let mut events = Vec::new();
                for row in transaction.open_table(OPEN)?.iter()? {
                    let (id, value) = row?;
                    events.extend(self.readable(key, id.value(), value.value().1));
                }
                Ok(events)
            })
        })
    }

    fn after(&self, sequence: u64, limit: usize) -> Result<Vec<StoredEvent>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let mut events = Vec::new();
                for row in transaction.open_table(HISTORY)?.range(sequence.saturating_add(1)..)? {
                    if events.len() == limit {
                        break;
                    }
                    let (sequence, value) = row?;
                    let (_, id, sealed) = value.value();
                    let event = self.readable(key, id, sealed);
                    events.extend(event.map(|event| StoredEvent { sequence: sequence.value(), event }));
                }
                Ok(events)
            })
        })
    }

    fn newest_first(
        &self,
        receivers: &[String],
        skip: u64,
        visit: &mut dyn FnMut(StoredEvent, bool) -> bool,
    ) -> Result<(), StoreError> {
        self.visit_newest_first(receivers, skip, visit)
    }

    fn features(
        &self,
        between: RangeInclusive<u64>,
        newest_first: bool,
        visit: &mut dyn FnMut(KeptFeature<'_>) -> bool,
    ) -> Result<(), StoreError> {
        self.visit_features(between, newest_first, visit)
    }

    fn at(&self, sequences: &[u64]) -> Result<Vec<StoredEvent>, StoreError> {
        self.read_at(sequences)
    }

    fn change_sent(
        &self,
        event_ids: &[String],
        receivers: &[String],
        fate: &dyn Fn(&EventRecord) -> Fate,
    ) -> Result<SentChange, StoreError> {
        self.file.write(|transaction| self.change_sent_in(transaction, event_ids, receivers, fate))
    }

    fn restore(&self, events: &[RestoredEvent]) -> Result<(), StoreError> {
        self.file.grow(|transaction| {
            for RestoredEvent { event, picture_bytes } in events {
                self.close_in(transaction, event, *picture_bytes)?;
            }
            Ok(())
        })
    }

    fn cursor(&self, receiver: &str) -> Result<Option<u64>, StoreError> {
        let name = hidden(self.file.master_sealer(), receiver);
        self.file.read(|transaction| {
            Ok(transaction.open_table(CURSORS)?.get(name.as_str())?.map(|row| row.value()))
        })
    }

    fn receivers(&self) -> Result<Vec<String>, StoreError> {
        let key = self.file.master_sealer();
        self.file.read(|transaction| receivers::all(&transaction.open_table(RECEIVERS)?, key))
    }

    fn set_cursor(&self, receiver: &str, sequence: u64) -> Result<(), StoreError> {
        self.file.write(|transaction| {
            let name = remember(transaction, self.file.master_sealer(), receiver)?;
            let mut cursors = transaction.open_table(CURSORS)?;
            let known = cursors.get(name.as_str())?.map_or(0, |row| row.value());
            // A late commit of a sender that was stopped must not take it back.
            cursors.insert(name.as_str(), sequence.max(known))?;
            Ok(())
        })
    }

    fn trim(&self, retention: &Retention) -> Result<Trimmed, StoreError> {
        self.file.write(|transaction| self.trim_in(transaction, retention))
    }

    fn counts(&self) -> Result<EventCounts, StoreError> {
        self.file.read(|transaction| {
            let history = transaction.open_table(HISTORY)?;
            let bytes = transaction.open_table(COUNTERS)?.get(HISTORY_BYTES)?.map_or(0, |row| row.value());
            Ok(EventCounts {
                open: transaction.open_table(OPEN)?.len()?,
                stored: history.len()?,
                stored_bytes: bytes,
                features: transaction.open_table(FEATURES)?.len()?,
                oldest_sequence: history.first()?.map(|(key, _)| key.value()),
                newest_sequence: history.last()?.map(|(key, _)| key.value()),
            })
        })
    }

    fn newest_event_ms(&self) -> Result<u64, StoreError> {
        self.file.read(|transaction| {
            if let Some(newest) = transaction.open_table(COUNTERS)?.get(NEWEST_EVENT_MS)? {
                return Ok(newest.value());
            }
            // Written by a version that did not note it.
            let history = transaction.open_table(HISTORY)?;
            let Some((_, row)) = history.last()? else { return Ok(0) };
            let (_, id, sealed) = row.value();
            let event = self.file.with_key(|key| Ok::<_, Failure>(self.readable(key, id, sealed)))?;
            Ok(event.map_or(0, |event| event.timestamp_ms))
        })
    }

    fn confirm_clock(&self, wall_ms: u64) -> Result<(), StoreError> {
        self.file.write(|transaction| set_counter(transaction, NEWEST_EVENT_MS, wall_ms))
    }

    fn find(&self, event_id: &str) -> Result<Option<FoundEvent>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let sequence = transaction.open_table(SEQUENCES)?.get(event_id)?.map(|row| row.value());
                let event = if let Some(sequence) = sequence {
                    let row = transaction.open_table(HISTORY)?.get(sequence)?;
                    row.map(|row| open_event(key, event_id, row.value().2)).transpose()?
                } else {
                    let row = transaction.open_table(OPEN)?.get(event_id)?;
                    row.map(|row| open_event(key, event_id, row.value().1)).transpose()?
                };
                Ok(event.map(|event| FoundEvent { sequence, event }))
            })
        })
    }

    fn for_each(
        &self,
        receivers: &[String],
        visit: &mut dyn FnMut(&EventRecord, bool),
    ) -> Result<(), StoreError> {
        self.visit_events(receivers, visit)
    }

    fn decide(
        &self,
        receivers: &[String],
        fate: &dyn Fn(&EventRecord) -> Fate,
    ) -> Result<Changed, StoreError> {
        self.file.write(|transaction| self.decide_in(transaction, receivers, fate))
    }

    fn has(&self, event_id: &str) -> Result<bool, StoreError> {
        self.file.read(|transaction| {
            Ok(transaction.open_table(SEQUENCES)?.get(event_id)?.is_some()
                || transaction.open_table(OPEN)?.get(event_id)?.is_some())
        })
    }

    fn pictures(&self) -> Result<BTreeSet<String>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let mut pictures = BTreeSet::new();
                let mut note = |event: EventRecord| pictures.extend(event.pictures().map(str::to_owned));
                for row in transaction.open_table(OPEN)?.iter()? {
                    let (id, value) = row?;
                    self.readable(key, id.value(), value.value().1).map(&mut note);
                }
                for row in transaction.open_table(HISTORY)?.iter()? {
                    let row = row?.1;
                    let (_, id, sealed) = row.value();
                    self.readable(key, id, sealed).map(&mut note);
                }
                Ok(pictures)
            })
        })
    }

    fn remove_unreadable(&self) -> Result<u64, StoreError> {
        // A start with nothing to remove writes nothing.
        if self.is_all_readable()? {
            return Ok(0);
        }
        self.file.write(|transaction| {
            mark_incomplete(transaction)?;
            self.retain_in(transaction, |key, id, sealed| open_event(key, id, sealed).is_ok())
        })
    }

    fn remove_wiped(&self) -> Result<u64, StoreError> {
        self.file.write(|transaction| self.retain_in(transaction, |key, _, sealed| key.owns(sealed).is_ok()))
    }

    fn mark_complete(&self) -> Result<(), StoreError> {
        self.file.write(mark_complete)
    }
}

#[cfg(test)]
#[path = "event_store_tests.rs"]
mod tests;
