//! Looking at history from its newest end, and changing single events of it.

use std::collections::BTreeSet;

use redb::{ReadableTable as _, WriteTransaction};

use super::event_features::Features;
use super::event_store::{RedbEventStore, counter, sent_up_to, set_counter};
use super::event_tables::{
    CURSORS, HISTORY, HISTORY_BYTES, OPEN, SEQUENCES, SET_ASIDE, open_event, seal_closed,
};
use super::file::Failure;
use super::receivers::hidden;
use crate::ports::store::{Fate, SentChange, StoreError, StoredEvent};
use menshen_domain::event::EventRecord;

impl RedbEventStore {
    pub(super) fn visit_newest_first(
        &self,
        receivers: &[String],
        skip: u64,
        visit: &mut dyn FnMut(StoredEvent, bool) -> bool,
    ) -> Result<(), StoreError> {
        self.file.read(|transaction| {
            let cursors = transaction.open_table(CURSORS)?;
            let mut sent = u64::MAX;
            for receiver in receivers {
                let name = hidden(self.file.master_sealer(), receiver);
                sent = sent.min(cursors.get(name.as_str())?.map_or(0, |row| row.value()));
            }
            self.file.with_key(|key| {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                for row in transaction.open_table(HISTORY)?.iter()?.rev().skip(skip) {
                    let (sequence, value) = row?;
                    let (_, id, sealed) = value.value();
                    let Some(event) = self.readable(key, id, sealed) else { continue };
                    let sequence = sequence.value();
                    if !visit(StoredEvent { sequence, event }, sequence > sent) {
                        break;
                    }
                }
                Ok(())
            })
        })
    }

    pub(super) fn change_sent_in(
        &self,
        transaction: &WriteTransaction,
        event_ids: &[String],
        receivers: &[String],
        fate: &dyn Fn(&EventRecord) -> Fate,
    ) -> Result<SentChange, Failure> {
        let sent = sent_up_to(transaction, self.file.master_sealer(), receivers)?;
        let open = transaction.open_table(OPEN)?;
        let mut history = transaction.open_table(HISTORY)?;
        let mut sequences = transaction.open_table(SEQUENCES)?;
        let mut found = Vec::new();
        let ids: BTreeSet<&str> = event_ids.iter().map(String::as_str).collect();
        for id in ids {
            let sequence = sequences.get(id)?.map(|row| row.value());
            match sequence {
                Some(sequence) if sequence <= sent => found.push((id, sequence)),
                None if open.get(id)?.is_none() => {}
                _ => return Ok(SentChange::Unsent(id.to_owned())),
            }
        }
        let mut features = Features::open(transaction)?;
        let mut bytes = counter(transaction, HISTORY_BYTES)?;
        let mut before = Vec::new();
        let mut gone = BTreeSet::new();
        self.file.with_key(|key| {
            for (id, sequence) in found {
                let Some((size, length, event)) = history
                    .get(sequence)?
                    .map(|row| {
                        let (size, _, sealed) = row.value();
                        open_event(key, id, sealed).map(|event| (size, sealed.len() as u64, event))
                    })
                    .transpose()?
                else {
                    continue;
                };
                match fate(&event) {
                    Fate::Keep => continue,
                    Fate::Remove => {
                        history.remove(sequence)?;
                        sequences.remove(id)?;
                        features.remove(sequence)?;
                        bytes = bytes.saturating_sub(size);
                        gone.insert(sequence);
                    }
                    Fate::Rewrite(new) => {
                        let sealed = seal_closed(key, &new)?;
                        let new_size = (size + sealed.len() as u64).saturating_sub(length);
                        bytes = (bytes + new_size).saturating_sub(size);
                        history.insert(sequence, (new_size, id, sealed.as_slice()))?;
                    }
                }
                before.push(event);
            }
            Ok::<_, Failure>(())
        })?;
        transaction.open_table(SET_ASIDE)?.retain(|(_, sequence), _| !gone.contains(&sequence))?;
        set_counter(transaction, HISTORY_BYTES, bytes)?;
        Ok(SentChange::Done(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::fixture::{close, event, store};
    use crate::ports::store::EventStore as _;

    fn ids(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn history_is_looked_at_from_its_newest_end() {
        let (_folder, store) = store();
        for id in ["a", "b", "c", "d"] {
            close(&store, id);
        }
        store.set_cursor("r", 2).unwrap();
        let look = |skip: u64, most: usize| {
            let mut seen = Vec::new();
            let visit = &mut |stored: StoredEvent, is_unsent: bool| {
                seen.push((stored.event.event_id, is_unsent));
                seen.len() < most
            };
            store.newest_first(&ids(&["r"]), skip, visit).unwrap();
            seen
        };
        let named = |id: &str, is_unsent: bool| (id.to_owned(), is_unsent);
        assert_eq!(look(0, 9), [named("d", true), named("c", true), named("b", false), named("a", false)]);
        assert_eq!(look(1, 2), [named("c", true), named("b", false)]);
        assert_eq!(look(4, 9), []);
    }

    #[test]
    fn events_a_receiver_lacks_are_not_changed_and_none_with_them() {
        let (_folder, store) = store();
        for id in ["a", "b", "c"] {
            close(&store, id);
        }
        store.put_open(&event("open"), 1).unwrap();
        store.set_cursor("r", 2).unwrap();
        let remove = |names: &[&str], receivers: &[&str]| {
            store.change_sent(&ids(names), &ids(receivers), &|_| Fate::Remove).unwrap()
        };
        for (names, unsent) in [(["a", "c"], "c"), (["a", "open"], "open")] {
            assert_eq!(remove(&names, &["r"]), SentChange::Unsent(unsent.to_owned()));
        }
        assert_eq!(store.counts().unwrap().stored, 3);
        let SentChange::Done(gone) = remove(&["a", "nobody", "a"], &["r"]) else { panic!("all were sent") };
        assert_eq!(gone.iter().map(|event| event.event_id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert!(!store.has("a").unwrap() && store.has("b").unwrap());
        let without =
            |event: &EventRecord| Fate::Rewrite(Box::new(EventRecord { spot_pic: None, ..event.clone() }));
        assert!(matches!(store.change_sent(&ids(&["b"]), &[], &without), Ok(SentChange::Done(_))));
        let left = store.find("b").unwrap().unwrap();
        assert_eq!((left.sequence, left.event.spot_pic), (Some(2), None));
        let before = store.counts().unwrap().stored_bytes;
        assert!(matches!(remove(&["b", "c"], &[]), SentChange::Done(gone) if gone.len() == 2));
        assert!(before > 0 && store.counts().unwrap().stored_bytes == 0, "what is left is nothing");
    }
}
