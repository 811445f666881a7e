//! Delivery queues and quarantined events, in `events.redb`.

use redb::{ReadableTable as _, WriteTransaction};
use url::Url;

use super::event_store::RedbEventStore;
use super::event_tables::{CURSORS, HISTORY, SET_ASIDE, open_event};
use super::file::Failure;
use super::receivers::{hidden, open_row, remember, seal_row};
use crate::ports::outbox::{Outbox, OutboxEntry, QuarantinedEvent, UnreadableEvent};
use crate::ports::store::StoreError;
use menshen_domain::history::shown;

/// Rows of a receiver whose events are no longer kept: there is nothing left to try again.
fn drop_gone(transaction: &WriteTransaction, receiver: &str) -> Result<(), Failure> {
    let history = transaction.open_table(HISTORY)?;
    let oldest = history.first()?.map_or(u64::MAX, |(key, _)| key.value());
    let mut rows = transaction.open_table(SET_ASIDE)?;
    rows.retain_in((receiver, 0)..(receiver, oldest), |_, _| false)?;
    Ok(())
}

/// Whether `asked` means the receiver `known`: its whole address, or the one that is shown.
fn is_receiver(known: &str, asked: &str) -> bool {
    known == asked || Url::parse(known).is_ok_and(|url| shown(&url) == asked)
}

impl Outbox for RedbEventStore {
    fn next(&self, sequence: u64, limit: usize) -> Result<Vec<OutboxEntry>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let table = transaction.open_table(HISTORY)?;
                table
                    .range(sequence.saturating_add(1)..)?
                    .take(limit)
                    .map(|row| {
                        let (sequence, value) = row?;
                        let (_, id, sealed) = value.value();
                        let event = open_event(key, id, sealed)
                            .map_err(|failure| UnreadableEvent(failure.to_string()));
                        Ok(OutboxEntry { sequence: sequence.value(), event })
                    })
                    .collect()
            })
        })
    }

    fn waiting(&self, sequence: u64) -> Result<u64, StoreError> {
        self.file.read(|transaction| {
            Ok(transaction.open_table(HISTORY)?.range(sequence.saturating_add(1)..)?.count() as u64)
        })
    }

    fn set_aside(&self, receiver: &str, refused: &[QuarantinedEvent], cursor: u64) -> Result<(), StoreError> {
        let key = self.file.master_sealer();
        self.file.write(|transaction| {
            let name = remember(transaction, key, receiver)?;
            let receiver = name.as_str();
            drop_gone(transaction, receiver)?;
            let mut rows = transaction.open_table(SET_ASIDE)?;
            for row in refused {
                rows.insert((receiver, row.sequence), seal_row(key, row)?.as_slice())?;
            }
            let mut cursors = transaction.open_table(CURSORS)?;
            let known = cursors.get(receiver)?.map_or(0, |row| row.value());
            cursors.insert(receiver, cursor.max(known))?;
            Ok(())
        })
    }

    fn set_asides(&self, skip: usize, limit: usize) -> Result<Vec<QuarantinedEvent>, StoreError> {
        let key = self.file.master_sealer();
        self.file.read(|transaction| {
            let table = transaction.open_table(SET_ASIDE)?;
            let rows = table.iter()?.skip(skip).take(limit);
            rows.map(|row| {
                let (name, sealed) = row?;
                open_row(key, name.value().0, sealed.value())
            })
            .collect()
        })
    }

    fn set_aside_count(&self, receiver: &str) -> Result<u64, StoreError> {
        let name = hidden(self.file.master_sealer(), receiver);
        let receiver = name.as_str();
        self.file.read(|transaction| {
            let table = transaction.open_table(SET_ASIDE)?;
            Ok(table.range((receiver, 0)..=(receiver, u64::MAX))?.count() as u64)
        })
    }

    fn retry_set_aside(&self, receiver: Option<&str>, sequence: Option<u64>) -> Result<u64, StoreError> {
        let key = self.file.master_sealer();
        self.file.write(|transaction| {
            let mut table = transaction.open_table(SET_ASIDE)?;
            let mut wanted = Vec::new();
            for row in table.iter()? {
                let (name, sealed) = row?;
                let row = open_row(key, name.value().0, sealed.value())?;
                let is_wanted = receiver.is_none_or(|receiver| is_receiver(&row.receiver, receiver))
                    && sequence.is_none_or(|sequence| row.sequence == sequence);
                wanted.extend(is_wanted.then_some(row));
            }
            for row in &mut wanted {
                row.retry = true;
                let name = hidden(key, &row.receiver);
                table.insert((name.as_str(), row.sequence), seal_row(key, row)?.as_slice())?;
            }
            Ok(wanted.len() as u64)
        })
    }

    fn to_retry(&self, receiver: &str, limit: usize) -> Result<Vec<QuarantinedEvent>, StoreError> {
        let key = self.file.master_sealer();
        let name = hidden(key, receiver);
        let receiver = name.as_str();
        self.file.read(|transaction| {
            let table = transaction.open_table(SET_ASIDE)?;
            let mut rows = Vec::new();
            for row in table.range((receiver, 0)..=(receiver, u64::MAX))? {
                let row = open_row(key, receiver, row?.1.value())?;
                if row.retry && rows.len() < limit {
                    rows.push(row);
                }
            }
            Ok(rows)
        })
    }

    fn drop_set_aside(&self, receiver: &str, sequence: u64) -> Result<(), StoreError> {
        self.file.write(|transaction| {
            let name = hidden(self.file.master_sealer(), receiver);
            transaction.open_table(SET_ASIDE)?.remove((name.as_str(), sequence))?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::fixture::{ALL, close, space, store, vault};
    use crate::ports::store::{EventStore as _, Retention};

    fn row(sequence: u64) -> QuarantinedEvent {
        QuarantinedEvent {
            receiver: "http://a/".into(),
            sequence,
            reason: "answered 400".into(),
            at_ms: 5,
            retry: false,
        }
    }

    #[test]
    fn what_is_set_aside_is_kept_with_the_cursor_and_can_be_retried() {
        let (folder, store) = store();
        for i in 0..4 {
            close(&store, &format!("e{i}"));
        }
        store.set_aside("http://a/", &[row(2), row(3)], 4).unwrap();
        drop(store);
        let store =
            RedbEventStore::open(folder.path(), vault(folder.path()), space(folder.path())).unwrap().0;
        assert_eq!(store.cursor("http://a/").unwrap(), Some(4));
        assert_eq!(store.set_asides(0, 10).unwrap(), [row(2), row(3)]);
        assert_eq!(store.set_asides(1, 10).unwrap(), [row(3)]);
        assert_eq!(
            (store.set_aside_count("http://a/").unwrap(), store.set_aside_count("b").unwrap()),
            (2, 0)
        );
        assert!(store.to_retry("http://a/", 10).unwrap().is_empty());
        assert_eq!(store.retry_set_aside(Some("b"), None).unwrap(), 0);
        assert!(is_receiver("http://u:p@a/?token=x", "http://a/") && !is_receiver("http://a/", "http://b/"));
        assert_eq!(store.retry_set_aside(None, Some(3)).unwrap(), 1);
        assert_eq!(store.to_retry("http://a/", 10).unwrap()[0].sequence, 3);
        store.drop_set_aside("http://a/", 3).unwrap();
        store.set_aside("http://a/", &[], 1).unwrap();
        assert_eq!(store.cursor("http://a/").unwrap(), Some(4), "a cursor never moves back");
        store.trim(&Retention { keep_events: 1, ..ALL }).unwrap();
        store.set_aside("http://a/", &[], 4).unwrap();
        assert_eq!(store.set_aside_count("http://a/").unwrap(), 0, "retention has taken the event");
    }

    #[test]
    fn an_unreadable_record_does_not_hide_the_others() {
        let (_folder, store) = store();
        for i in 0..3 {
            close(&store, &format!("e{i}"));
        }
        store
            .file
            .write(|transaction| {
                transaction.open_table(HISTORY)?.insert(2, (9, "e1", [2u8; 80].as_slice()))?;
                Ok(())
            })
            .unwrap();
        let entries = store.next(0, 10).unwrap();
        let readable: Vec<_> = entries.iter().map(|entry| entry.event.is_ok()).collect();
        assert_eq!(readable, [true, false, true]);
    }
}
