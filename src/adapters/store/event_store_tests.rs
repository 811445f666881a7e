//! Closing, limits, wipes and bad records.

use super::*;
use crate::adapters::store::fixture::{
    ALL, FIRST_VERSION_EVENT, close, close_as_written, event, space, store,
};

#[test]
fn events_close_once_and_in_order() {
    let (_folder, store) = store();
    store.put_open(&event("a"), 5).unwrap();
    assert_eq!(store.counts().unwrap().open, 1);
    assert_eq!(close(&store, "b"), 1);
    assert_eq!(close(&store, "a"), 2);
    assert_eq!(close(&store, "a"), 2, "closing again changes nothing");
    store.put_open(&event("a"), 0).unwrap();
    assert_eq!(store.counts().unwrap().open, 0, "a late repeat does not reopen");
    let ids: Vec<_> = store.after(0, 10).unwrap().into_iter().map(|e| e.event.event_id).collect();
    assert_eq!(ids, ["b", "a"]);
    assert_eq!(store.after(1, 10).unwrap().len(), 1);
}

#[test]
fn trimming_tells_what_nobody_had_got() {
    let (_folder, store) = store();
    for i in 0..10 {
        close(&store, &format!("e{i}"));
    }
    store.set_cursor("http://a", 4).unwrap();
    store.set_cursor("http://b", 9).unwrap();
    let receivers = vec!["http://a".to_owned(), "http://b".to_owned()];
    let only_sent = Retention { keep_events: 3, only_sent: true, receivers: receivers.clone(), ..ALL };
    let trimmed = store.trim(&only_sent).unwrap();
    assert_eq!((trimmed.removed, trimmed.unsent_removed), (4, 0), "what the slowest has got");
    assert_eq!(trimmed.pictures[0], "e0-spot.jpg");
    let trimmed = store.trim(&Retention { only_sent: false, ..only_sent }).unwrap();
    assert_eq!((trimmed.removed, trimmed.unsent_removed), (3, 3));
    assert_eq!(store.counts().unwrap().oldest_sequence, Some(8));
    let again = store.trim(&Retention { keep_events: 3, ..ALL }).unwrap();
    assert_eq!(again, Trimmed::default());
}

#[test]
fn the_byte_limit_counts_pictures_and_closing_keeps_it() {
    let (_folder, store) = store();
    let limit = Retention { keep_bytes: 350_000, ..ALL };
    let mut removed = 0;
    for i in 0..10 {
        let event = event(&format!("e{i}"));
        // Told with its pictures while open, without them at the end.
        store.put_open(&event, 100_000).unwrap();
        removed += store.close(&event, 0, &limit).unwrap().trimmed.removed;
    }
    let counts = store.counts().unwrap();
    assert_eq!((removed, counts.stored), (7, 3));
    assert!(counts.stored_bytes > 300_000 && counts.stored_bytes <= 350_000, "{counts:?}");
    let tiny = Retention { keep_bytes: 1, ..ALL };
    assert_eq!(store.trim(&tiny).unwrap().removed, 2, "the newest stays");
}

#[test]
fn a_wipe_keeps_the_counter_and_the_cursors() {
    use crate::ports::store::Keys as _;
    let (_folder, store) = store();
    close(&store, "a");
    store.put_open(&event("o"), 1).unwrap();
    store.set_cursor("r", 1).unwrap();
    store.file.vault.destroy(Namespace::Events).unwrap();
    assert_eq!(store.remove_wiped().unwrap(), 2);
    assert_eq!(store.counts().unwrap().stored_bytes, 0);
    assert_eq!(close(&store, "b"), 2);
    assert_eq!(store.cursor("r").unwrap(), Some(1));
}

#[test]
fn an_unreadable_event_is_skipped_and_counted_and_can_come_again() {
    let (_folder, store) = store();
    for id in ["a", "b", "c"] {
        close(&store, id);
    }
    store
        .file
        .write(|transaction| {
            transaction.open_table(HISTORY)?.insert(2, (9, "b", [2u8; 80].as_slice()))?;
            Ok(())
        })
        .unwrap();
    let ids: Vec<_> = store.after(0, 2).unwrap().into_iter().map(|e| e.event.event_id).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!(store.file.space().status().facts().unreadable_records, 1);
    assert_eq!(store.remove_unreadable().unwrap(), 1);
    assert!(!store.has("b").unwrap() && store.has("a").unwrap());
    assert_eq!(close(&store, "b"), 4);
}

#[test]
fn a_second_process_is_named() {
    let (folder, store) = store();
    let again = RedbEventStore::open(folder.path(), Arc::clone(&store.file.vault), space(folder.path()));
    assert!(matches!(again, Err(StoreError::Locked { .. })));
}

#[test]
fn an_event_of_the_first_version_is_read_and_sent_as_one_of_today() {
    let (folder, store) = store();
    close_as_written(&store, FIRST_VERSION_EVENT);
    let vault = Arc::clone(&store.file.vault);
    drop(store);
    let (store, _) = RedbEventStore::open(folder.path(), vault, space(folder.path())).unwrap();
    assert!(store.is_all_readable().unwrap());
    let events = store.after(0, 10).unwrap();
    let [StoredEvent { event, .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.identity.as_ref().unwrap().name, "Tom");
    assert_eq!((&event.why, event.quality.live, event.quality.attributes), (&None, None, None));
    assert_eq!(store.file.space().status().facts().unreadable_records, 0);
    let again = serde_json::to_value(event).unwrap();
    let written: serde_json::Value = serde_json::from_str(FIRST_VERSION_EVENT.1).unwrap();
    let names =
        |value: &serde_json::Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!((names(&again), names(&again["quality"])), (names(&written), names(&written["quality"])));
}
