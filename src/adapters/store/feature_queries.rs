//! Going through the features that events of history keep, and reading the events that were found.

use std::ops::RangeInclusive;

use super::event_features::{PLACE, Row, place_of, row_of};
use super::event_store::RedbEventStore;
use super::event_tables::{FEATURES, HISTORY};
use crate::adapters::vault::{Place, SealError};
use crate::ports::store::{KeptFeature, StoreError, StoredEvent};

impl RedbEventStore {
    pub(super) fn visit_features(
        &self,
        between: RangeInclusive<u64>,
        newest_first: bool,
        visit: &mut dyn FnMut(KeptFeature<'_>) -> bool,
    ) -> Result<(), StoreError> {
        let mut unreadable = 0;
        let read = self.file.read(|transaction| {
            self.file.with_key(|key| {
                let table = transaction.open_table(FEATURES)?;
                let mut rows = table.range((*between.start(), 0)..=(*between.end(), u64::MAX))?;
                while let Some(row) = if newest_first { rows.next_back() } else { rows.next() } {
                    let (at, sealed) = row?;
                    let at @ (timestamp_ms, sequence) = at.value();
                    let plain = match key.open(Place(PLACE, &place_of(at)), sealed.value()) {
                        Ok(plain) => plain,
                        // Wiped, and not yet deleted.
                        Err(SealError::OtherKey) => continue,
                        Err(_) => {
                            unreadable += 1;
                            continue;
                        }
                    };
                    let Ok(Row { model, device_ip, device_id, vector }) = row_of(&plain) else {
                        unreadable += 1;
                        continue;
                    };
                    let seen = KeptFeature { sequence, timestamp_ms, device_ip, device_id, model, vector };
                    if !visit(seen) {
                        break;
                    }
                }
                Ok(())
            })
        });
        self.file.space().unreadable("event feature", unreadable);
        read
    }

    pub(super) fn read_at(&self, sequences: &[u64]) -> Result<Vec<StoredEvent>, StoreError> {
        self.file.read(|transaction| {
            self.file.with_key(|key| {
                let history = transaction.open_table(HISTORY)?;
                let mut events = Vec::with_capacity(sequences.len());
                for sequence in sequences.iter().copied() {
                    let Some(row) = history.get(sequence)? else { continue };
                    let (_, id, sealed) = row.value();
                    let event = self.readable(key, id, sealed);
                    events.extend(event.map(|event| StoredEvent { sequence, event }));
                }
                Ok(events)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::store::event_tables::FEATURE_TIMES;
    use crate::adapters::store::fixture::{ALL, Opened, close, event, store};
    use crate::ports::store::{EventCounts, EventStore as _, Fate, Keys as _, Namespace, Retention};
    use menshen_domain::event::EventRecord;
    use menshen_domain::event_feature::EventFeature;
    use redb::ReadableTable as _;

    const NONE: [u64; 0] = [];

    fn seen_at(id: &str, timestamp_ms: u64) -> EventRecord {
        let vector = id.as_bytes().repeat(32);
        let feature = Some(EventFeature { model: "m@1".into(), vector });
        EventRecord { timestamp_ms, out_timestamp_ms: timestamp_ms, feature, ..event(id) }
    }

    /// Sequences in the order they are shown.
    fn shown(store: &RedbEventStore, between: RangeInclusive<u64>, newest_first: bool) -> Vec<u64> {
        let mut shown = Vec::new();
        let visit = &mut |kept: KeptFeature<'_>| {
            assert_eq!((kept.model, kept.device_ip, kept.vector.len()), ("m@1", "1", 64));
            shown.push(kept.sequence);
            true
        };
        store.features(between, newest_first, visit).unwrap();
        shown
    }

    #[test]
    fn features_are_shown_by_the_time_of_their_events() {
        let (_folder, store) = store();
        // A passage that ends later may have begun, and been seen best, earlier.
        for (id, at_ms) in [("e1", 30), ("e2", 10), ("e3", 20), ("e4", 20)] {
            store.close(&seen_at(id, at_ms), 0, &ALL).unwrap();
        }
        close(&store, "without a feature");
        assert_eq!(shown(&store, 0..=u64::MAX, false), [2, 3, 4, 1]);
        assert_eq!(shown(&store, 0..=u64::MAX, true), [1, 4, 3, 2]);
        assert_eq!(shown(&store, 20..=29, false), [3, 4]);
        assert_eq!(shown(&store, 31..=99, true), NONE);
        let counts = store.counts().unwrap();
        assert_eq!((counts.stored, counts.features), (5, 4));
        let events = store.at(&[4, 99, 1]).unwrap();
        assert_eq!(events.iter().map(|found| found.sequence).collect::<Vec<_>>(), [4, 1]);
        let kept = store.find("e1").unwrap().unwrap().event;
        assert_eq!(kept, EventRecord { feature: None, ..seen_at("e1", 30) }, "history has it in its own row");
    }

    #[test]
    fn an_event_keeps_its_feature_from_its_first_report_on() {
        let (folder, store) = store();
        store.put_open(&seen_at("ab", 10), 0).unwrap();
        drop(store);
        // The box was killed: what is left is closed at the next start.
        let opened = Opened::new(folder.path());
        let open = opened.events.open_events().unwrap();
        assert!(open[0].feature.is_some());
        opened.events.close(&open[0], 0, &ALL).unwrap();
        assert_eq!(shown(&opened.events, 0..=99, true), [1]);
        // Neither the file nor what was free before holds it in clear text.
        let file = std::fs::read(folder.path().join("events.redb")).unwrap();
        assert!(!file.windows(16).any(|part| part == &b"ab".repeat(8)[..]));
        assert!(!file.windows(16).any(|part| part == b"6162616261626162"));
    }

    #[test]
    fn features_go_with_their_events_however_those_go() {
        let (_folder, store) = store();
        for id in ["e1", "e2", "e3", "e4", "e5", "e6"] {
            store.close(&seen_at(id, 10), 0, &ALL).unwrap();
        }
        let limit = |keep_events| Retention { keep_events, ..ALL };
        store.trim(&limit(5)).unwrap();
        assert_eq!(shown(&store, 0..=99, false), [2, 3, 4, 5, 6], "by the limits");
        let is = |id: &'static str| {
            move |event: &EventRecord| if event.event_id == id { Fate::Remove } else { Fate::Keep }
        };
        store.decide(&[], &is("e2")).unwrap();
        assert_eq!(shown(&store, 0..=99, false), [3, 4, 5, 6], "by age, and with a person");
        store.change_sent(&["e3".to_owned()], &[], &is("e3")).unwrap();
        assert_eq!(shown(&store, 0..=99, false), [4, 5, 6], "by a call");
        // What is only rewritten keeps it, and the record for its pictures has it again.
        let rewrite =
            |event: &EventRecord| Fate::Rewrite(Box::new(EventRecord { score: 0.1, ..event.clone() }));
        let changed = store.decide(&[], &rewrite).unwrap();
        assert_eq!(changed.rewritten[0].feature, seen_at("e4", 10).feature);
        assert_eq!(shown(&store, 0..=99, false), [4, 5, 6]);
        let bytes = store.counts().unwrap().stored_bytes;
        store.file.vault.destroy(Namespace::Events).unwrap();
        assert_eq!(shown(&store, 0..=99, false), NONE, "a wipe takes them at once");
        store.close(&seen_at("e7", 10), 0, &ALL).unwrap();
        assert_eq!(store.remove_wiped().unwrap(), 3);
        assert_eq!((shown(&store, 0..=99, false), store.counts().unwrap().features), (vec![7], 1));
        assert!(store.counts().unwrap().stored_bytes < bytes);
        store.trim(&limit(0)).unwrap();
        store.decide(&[], &|_| Fate::Remove).unwrap();
        assert_eq!(store.counts().unwrap(), EventCounts::default());
    }

    #[test]
    fn a_store_of_the_version_before_is_read_and_gets_features() {
        let (folder, store) = store();
        close(&store, "old");
        store
            .file
            .write(|transaction| {
                transaction.delete_table(FEATURES)?;
                transaction.delete_table(FEATURE_TIMES)?;
                Ok(())
            })
            .unwrap();
        drop(store);
        let opened = Opened::new(folder.path());
        assert!(opened.events.has("old").unwrap());
        assert_eq!(shown(&opened.events, 0..=99, true), NONE);
        opened.events.close(&seen_at("e2", 5), 0, &ALL).unwrap();
        assert_eq!(shown(&opened.events, 0..=99, true), [2]);
        opened.events.decide(&[], &|_| Fate::Remove).unwrap();
        assert_eq!(shown(&opened.events, 0..=99, true), NONE);
    }

    #[test]
    fn a_row_that_is_moved_or_damaged_is_left_out() {
        let (_folder, store) = store();
        for id in ["e1", "e2"] {
            store.close(&seen_at(id, 10), 0, &ALL).unwrap();
        }
        store
            .file
            .write(|transaction| {
                let mut rows = transaction.open_table(FEATURES)?;
                let first = rows.get((10, 1))?.map(|row| row.value().to_vec()).unwrap_or_default();
                rows.insert((10, 2), first.as_slice())?;
                Ok(())
            })
            .unwrap();
        assert_eq!(shown(&store, 0..=99, false), [1]);
    }
}
