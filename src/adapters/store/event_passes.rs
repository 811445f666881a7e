//! Passes over all events, open and closed: for erasing people and for the limit by age.

use std::collections::BTreeSet;

use redb::{ReadableTable as _, WriteTransaction};

use super::event_features::Features;
use super::event_store::{RedbEventStore, counter, sent_up_to, set_counter};
use super::event_tables::{
    CURSORS, HISTORY, HISTORY_BYTES, OPEN, SEQUENCES, SET_ASIDE, seal_closed, seal_event,
};
use super::file::Failure;
use super::receivers::hidden;
use crate::ports::store::{Changed, Fate, StoreError};
use menshen_domain::event::EventRecord;

impl RedbEventStore {
    pub(super) fn visit_events(
        &self,
        receivers: &[String],
        visit: &mut dyn FnMut(&EventRecord, bool),
    ) -> Result<(), StoreError> {
        self.file.read(|transaction| {
            let cursors = transaction.open_table(CURSORS)?;
            let mut sent = u64::MAX;
            for receiver in receivers {
                let name = hidden(self.file.master_sealer(), receiver);
                sent = sent.min(cursors.get(name.as_str())?.map_or(0, |row| row.value()));
            }
            self.file.with_key(|key| {
                for row in transaction.open_table(OPEN)?.iter()? {
                    let (id, value) = row?;
                    if let Some(event) = self.readable(key, id.value(), value.value().1) {
                        visit(&event, !receivers.is_empty());
                    }
                }
                for row in transaction.open_table(HISTORY)?.iter()? {
                    let (sequence, value) = row?;
                    let (_, id, sealed) = value.value();
                    if let Some(event) = self.readable(key, id, sealed) {
                        visit(&event, sequence.value() > sent);
                    }
                }
                Ok(())
            })
        })
    }

    pub(super) fn decide_in(
        &self,
        transaction: &WriteTransaction,
        receivers: &[String],
        fate: &dyn Fn(&EventRecord) -> Fate,
    ) -> Result<Changed, Failure> {
        let mut changed = Changed::default();
        let sent = sent_up_to(transaction, self.file.master_sealer(), receivers)?;
        let mut open = transaction.open_table(OPEN)?;
        let mut history = transaction.open_table(HISTORY)?;
        let mut sequences = transaction.open_table(SEQUENCES)?;
        let mut features = Features::open(transaction)?;
        let mut bytes = counter(transaction, HISTORY_BYTES)?;
        self.file.with_key(|key| {
            let (mut of_open, mut of_history) = (Vec::new(), Vec::new());
            for row in open.iter()? {
                let (id, value) = row?;
                let (size, sealed) = value.value();
                if let Some(event) = self.readable(key, id.value(), sealed) {
                    of_open.push((size, fate(&event), event));
                    of_open.pop_if(|(_, fate, _)| *fate == Fate::Keep);
                }
            }
            for row in history.iter()? {
                let (sequence, value) = row?;
                let (size, id, sealed) = value.value();
                if let Some(event) = self.readable(key, id, sealed) {
                    of_history.push((sequence.value(), size, sealed.len() as u64, fate(&event), event));
                    of_history.pop_if(|(_, _, _, fate, _)| *fate == Fate::Keep);
                }
            }
            for (size, fate, event) in of_open {
                if let Fate::Rewrite(new) = fate {
                    open.insert(event.event_id.as_str(), (size, seal_event(key, &new)?.as_slice()))?;
                    changed.rewritten.push(*new);
                } else {
                    open.remove(event.event_id.as_str())?;
                    changed.removed_unsent += u64::from(!receivers.is_empty());
                    changed.removed.push(event);
                }
            }
            let mut gone = BTreeSet::new();
            for (sequence, size, old_length, fate, event) in of_history {
                if let Fate::Rewrite(mut new) = fate {
                    let sealed = seal_closed(key, &new)?;
                    let new_size = (size + sealed.len() as u64).saturating_sub(old_length);
                    bytes = (bytes + new_size).saturating_sub(size);
                    history.insert(sequence, (new_size, event.event_id.as_str(), sealed.as_slice()))?;
                    // Whole, as its pictures keep it to rebuild it.
                    new.feature = features.get(key, sequence)?;
                    changed.rewritten.push(*new);
                } else {
                    history.remove(sequence)?;
                    sequences.remove(event.event_id.as_str())?;
                    features.remove(sequence)?;
                    bytes = bytes.saturating_sub(size);
                    gone.insert(sequence);
                    changed.removed_unsent += u64::from(sequence > sent);
                    changed.removed.push(event);
                }
            }
            transaction.open_table(SET_ASIDE)?.retain(|(_, sequence), _| !gone.contains(&sequence))?;
            Ok::<_, Failure>(())
        })?;
        set_counter(transaction, HISTORY_BYTES, bytes)?;
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::fixture::{close, event, store};
    use crate::ports::outbox::{Outbox as _, QuarantinedEvent};
    use crate::ports::store::EventStore as _;
    use menshen_domain::event::WantAction;

    #[test]
    fn events_go_and_the_rest_keeps_its_place() {
        let (_folder, store) = store();
        for id in ["e1", "e2", "e3", "e4", "e5"] {
            close(&store, id);
        }
        store.put_open(&event("open"), 5).unwrap();
        let receivers = ["http://a/".to_owned(), "http://b/".to_owned()];
        let refused = |sequence| QuarantinedEvent {
            receiver: "http://a/".into(),
            sequence,
            reason: "400".into(),
            at_ms: 1,
            retry: false,
        };
        store.set_aside("http://a/", &[refused(1), refused(2)], 3).unwrap();
        store.set_cursor("http://b/", 2).unwrap();
        let mut undelivered = Vec::new();
        store
            .for_each(&receivers, &mut |event, waits| undelivered.push((event.event_id.clone(), waits)))
            .unwrap();
        let waits: Vec<_> =
            undelivered.iter().filter(|(_, waits)| *waits).map(|(id, _)| id.as_str()).collect();
        assert_eq!(waits, ["open", "e3", "e4", "e5"]);

        let bytes = store.counts().unwrap().stored_bytes;
        let fate = |event: &EventRecord| match event.event_id.as_str() {
            "e2" | "e4" | "open" => Fate::Remove,
            "e5" => {
                let mut other = event.clone();
                other.want_action = WantAction::NewStranger;
                Fate::Rewrite(Box::new(other))
            }
            _ => Fate::Keep,
        };
        let changed = store.decide(&receivers, &fate).unwrap();
        let ids: Vec<_> = changed.removed.iter().map(|event| event.event_id.as_str()).collect();
        assert_eq!((ids, changed.removed_unsent, changed.rewritten.len()), (vec!["open", "e2", "e4"], 2, 1));
        let left: Vec<_> = store.next(0, 10).unwrap().into_iter().map(|entry| entry.sequence).collect();
        assert_eq!(left, [1, 3, 5]);
        assert_eq!(
            (store.waiting(0).unwrap(), store.waiting(3).unwrap(), store.waiting(5).unwrap()),
            (3, 1, 0)
        );
        assert_eq!(store.find("e5").unwrap().unwrap().event.want_action, WantAction::NewStranger);
        assert!(!store.has("e2").unwrap() && !store.has("open").unwrap());
        assert_eq!(store.set_asides(0, 10).unwrap(), [refused(1)], "what was refused of it goes along");
        assert_eq!(
            (store.cursor("http://a/").unwrap(), store.cursor("http://b/").unwrap()),
            (Some(3), Some(2))
        );
        // Sequence numbers are never used again, and the size is that of what is left.
        assert_eq!(close(&store, "e6"), 6);
        let counts = store.counts().unwrap();
        assert_eq!((counts.stored, counts.open), (4, 0));
        assert!(counts.stored_bytes < bytes && counts.stored_bytes > bytes / 2);
        let again = store.decide(&receivers, &|_| Fate::Remove).unwrap();
        assert_eq!((again.removed.len(), store.counts().unwrap().stored_bytes), (4, 0));
    }
}
