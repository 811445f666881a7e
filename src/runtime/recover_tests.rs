//! Damage, wipes cut short, and what comes back.

use std::fs;
use std::path::Path;

use super::*;
use crate::adapters::store::fixture::{ALL, MODEL, Opened, event, spoil_one_event, spoil_one_person};
use crate::ports::store::Namespace;
use menshen_domain::event_feature::EventFeature;

/// Opens a folder as a start does; returns it with how many can be recognised.
fn start(folder: &Path) -> (Opened, usize) {
    let opened = Opened::new(folder);
    let Opened { vault, registry, events, pictures, status, registry_found, events_found } = &opened;
    finish_wipes(vault.as_ref(), registry, events, pictures).unwrap();
    recover_events(events, pictures, events_found, status).unwrap();
    let people =
        fill_gallery(registry, pictures, registry_found, status, Gallery::new(MODEL.0, MODEL.1, 1000))
            .unwrap()
            .gallery
            .people();
    (opened, people)
}

fn files_in(folder: &Path, shelf: &str) -> usize {
    fs::read_dir(folder.join("pictures").join(shelf)).unwrap().count()
}

/// A folder with ten people, and the bytes of its registry.
fn ten_people() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (opened, _) = start(folder.path());
    for i in 0..10 {
        opened.enrol(&format!("id-{i}"));
    }
    drop(opened);
    let bytes = fs::read(folder.path().join("registry.redb")).unwrap();
    (folder, bytes)
}

#[test]
fn whatever_happens_to_the_registry_file_everyone_is_back() {
    let (folder, whole) = ten_people();
    let file = folder.path().join("registry.redb");
    let mut damaged = 0;
    let mut try_with = |what: &str, bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let (opened, people) = start(folder.path());
        assert_eq!(people, 10, "{what}");
        assert_eq!(opened.registry.get("id-3").unwrap().unwrap().name, "name of id-3", "{what}");
        let is_whole = opened.registry_found == DatabaseState::Whole;
        damaged += usize::from(!is_whole);
        assert_eq!(is_whole, opened.status.facts().set_aside.is_empty(), "{what}");
        assert_eq!(files_in(folder.path(), "registry"), 10, "{what}");
    };
    try_with("whole", &whole);
    try_with("garbage", &[7; 10_000]);
    for length in [0, 1, 100, 4096, whole.len() / 2, whole.len() - 1] {
        try_with(&format!("cut at {length}"), &whole[..length]);
    }
    // A bit here and there, in pages that are used and in the header, and some bytes each.
    let used = (0..whole.len() - 8).step_by(1021).filter(|at| whole[*at] != 0).take(60);
    for at in used.chain([0, 9, 12, 64, 200]) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        try_with(&format!("bit at {at}"), &bytes);
        bytes[at..][..8].fill(0xff);
        try_with(&format!("bytes at {at}"), &bytes);
    }
    assert!(damaged > 20, "only {damaged} damages were found");
    let aside = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged-"));
    assert_eq!(aside.count(), 1, "one is kept for whoever looks for the cause");
}

#[test]
fn a_crash_while_rebuilding_loses_nobody() {
    let (folder, _) = ten_people();
    fs::write(folder.path().join("registry.redb"), [7; 9000]).unwrap();
    // The damage is found, half of the people are back, and the power goes.
    let opened = Opened::new(folder.path());
    assert_ne!(opened.registry_found, DatabaseState::Whole);
    let mut half = Vec::new();
    opened.pictures.people(&mut |person| half.push(person)).unwrap();
    opened.registry.put(&half[..5]).unwrap();
    drop(opened);
    assert_eq!(start(folder.path()).1, 10);
    let opened = Opened::new(folder.path());
    assert_eq!(opened.registry_found, DatabaseState::Whole);
    // The same with events that are taken out to be rebuilt.
    opened.pass(&event("a"));
    drop(opened);
    drop(start(folder.path()));
    spoil_one_event(folder.path());
    let opened = Opened::new(folder.path());
    assert_eq!(opened.events.remove_unreadable().unwrap(), 1);
    drop(opened);
    let (opened, _) = start(folder.path());
    assert!(opened.events.has("a").unwrap());
}

#[test]
fn a_single_unreadable_person_comes_back_from_the_photo_and_a_deleted_one_does_not() {
    let (folder, _) = ten_people();
    // Left behind by a crash between deleting the row and the file.
    let opened = Opened::new(folder.path());
    opened.registry.delete(&["id-0".into()]).unwrap();
    drop(opened);
    spoil_one_person(folder.path());
    let (opened, people) = start(folder.path());
    assert_eq!(people, 9);
    assert_eq!(opened.registry.get("id-0").unwrap(), None);
    let facts = opened.status.facts();
    assert_eq!(facts.unreadable_records, 1);
    assert!(facts.set_aside[0].contains("1 unreadable records; 1 people rebuilt"), "{facts:?}");
    assert_eq!(files_in(folder.path(), "registry"), 9, "the orphan is swept");
    drop(opened);
    let (opened, people) = start(folder.path());
    assert_eq!((people, opened.status.facts().is_ok()), (9, true), "said once");
}

#[test]
fn events_that_were_lost_come_back_from_their_pictures_under_the_same_ids() {
    let spoilers: [fn(&Path); 3] = [
        |file| fs::write(file, [9; 5000]).unwrap(),
        |file| fs::write(file, []).unwrap(),
        |file| fs::remove_file(file).unwrap(),
    ];
    for spoil in spoilers {
        let folder = tempfile::tempdir().unwrap();
        let (opened, _) = start(folder.path());
        for (id, out) in [("c", 10), ("a", 20), ("b", 30)] {
            let feature = Some(EventFeature { model: "m@1".into(), vector: vec![1, 2] });
            opened.pass(&EventRecord { out_timestamp_ms: out, feature, ..event(id) });
        }
        opened.events.set_cursor("r", 2).unwrap();
        drop(opened);
        spoil(&folder.path().join("events.redb"));
        let (opened, _) = start(folder.path());
        let events = opened.events.after(0, 10).unwrap();
        let ids: Vec<_> = events.iter().map(|stored| stored.event.event_id.as_str()).collect();
        assert_eq!(ids, ["c", "a", "b"]);
        assert_eq!(opened.events.cursor("r").unwrap(), None, "sent again, known by their ids");
        let counts = opened.events.counts().unwrap();
        assert!(counts.stored_bytes > 0 && counts.features == 3, "with their features: {counts:?}");
        assert_eq!(opened.pictures.get(Namespace::Events, "a-spot.jpg").unwrap().unwrap(), b"scene");
        let told = opened.status.facts().set_aside.join(" ");
        assert!(told.contains("events.redb was") && told.contains("3 events rebuilt"), "{told}");
    }
}

#[test]
fn a_wipe_cut_short_after_any_step_is_finished_at_the_next_start() {
    let steps: [fn(&Opened); 3] = [
        |opened| assert_eq!(opened.registry.remove_wiped().unwrap(), 10),
        |opened| assert_eq!(opened.pictures.remove_wiped(Namespace::Registry).unwrap(), 10),
        |opened| opened.vault.finish_wipe(Namespace::Registry).unwrap(),
    ];
    for done in 0..=steps.len() {
        let (folder, _) = ten_people();
        let opened = Opened::new(folder.path());
        opened.vault.destroy(Namespace::Registry).unwrap();
        for step in &steps[..done] {
            step(&opened);
        }
        // Told of somebody new before the crash.
        opened.enrol("new");
        drop(opened);
        let (opened, people) = start(folder.path());
        assert_eq!(people, 1, "after {done} steps");
        assert!(opened.registry.get("new").unwrap().is_some());
        assert_eq!((files_in(folder.path(), "registry"), opened.registry.count().unwrap()), (1, 1));
        assert!(!opened.vault.is_wipe_unfinished(Namespace::Registry) && opened.status.facts().is_ok());
    }
}

#[test]
fn a_wipe_of_events_cut_short_is_finished_too() {
    let folder = tempfile::tempdir().unwrap();
    let (opened, _) = start(folder.path());
    opened.pass(&event("a"));
    opened.events.put_open(&event("b"), 0).unwrap();
    opened.vault.destroy(Namespace::Events).unwrap();
    drop(opened);
    let (opened, _) = start(folder.path());
    let counts = opened.events.counts().unwrap();
    assert_eq!((counts.stored, counts.open, files_in(folder.path(), "events")), (0, 0, 0));
    assert!(opened.status.facts().is_ok(), "a wipe is no damage");
}

#[test]
fn orphans_of_a_crash_are_swept_and_open_passages_become_history() {
    let (folder, _) = ten_people();
    let (opened, _) = start(folder.path());
    opened.pass(&event("kept"));
    opened.events.put_open(&event("open"), 3).unwrap();
    for name in ["registry/half.img.part", "registry/none.img", "events/gone-spot.jpg"] {
        fs::write(folder.path().join("pictures").join(name), "x").unwrap();
    }
    drop(opened);
    let (opened, people) = start(folder.path());
    assert_eq!((people, files_in(folder.path(), "registry"), files_in(folder.path(), "events")), (10, 10, 1));
    assert_eq!(opened.events.counts().unwrap().stored, 2);
    assert_eq!(opened.events.close(&event("open"), 0, &ALL).unwrap().sequence, 2);
    assert!(opened.status.facts().is_ok());
}

/// How long a start takes with many people and events: `cargo test --lib -- --ignored --nocapture start_of_a_full`.
#[test]
#[ignore = "a measurement; takes half a minute"]
fn start_of_a_full_box() {
    use crate::adapters::store::fixture::person;
    const PEOPLE: usize = 50_000;
    const EVENTS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let opened = Opened::new(folder.path());
    for chunk in 0..PEOPLE / 1000 {
        let people: Vec<_> = (0..1000)
            .map(|i| {
                let mut person = person(&format!("{}", chunk * 1000 + i), "");
                person.features[0].photo = opened.pictures.photo_name(&person.id, "ab");
                person.features[0].embedding.vector = vec![0.088; 128];
                person
            })
            .collect();
        opened.registry.put(&people).unwrap();
    }
    let events: Vec<_> =
        (0..EVENTS).map(|i| RestoredEvent { event: event(&i.to_string()), picture_bytes: 300_000 }).collect();
    opened.events.restore(&events).unwrap();
    drop(opened);
    let size = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len() / 1_000_000;
    let began = std::time::Instant::now();
    let told = |what: &str| println!("{:>6} ms after {what}", began.elapsed().as_millis());
    let opened = Opened::new(folder.path());
    told("opening with every page checked");
    let Opened { registry, events, pictures, status, registry_found, events_found, .. } = &opened;
    recover_events(events, pictures, events_found, status).unwrap();
    told("10 000 events");
    let empty = Gallery::new(MODEL.0, 128, PEOPLE);
    let people = fill_gallery(registry, pictures, registry_found, status, empty).unwrap().gallery.people();
    told("50 000 people in the gallery");
    println!("registry.redb {} MB, events.redb {} MB", size("registry.redb"), size("events.redb"));
    assert_eq!((people, events.counts().unwrap().stored as usize), (PEOPLE, EVENTS));
}
