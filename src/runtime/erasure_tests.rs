//! Erasures on real files, cut short after every step.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::actors::erased_people::ErasedPeople;
use crate::actors::erasure::ErasureParts;
use crate::adapters::dead_letters::DeadLetterFile;
use crate::adapters::erasures::ErasureFiles;
use crate::adapters::store::fixture::{Opened, event, person};
use crate::ports::dead_letters::DeadLetters as _;
use crate::ports::outbox::{Outbox as _, QuarantinedEvent};
use crate::ports::store::{EventStore as _, Fate, NewPicture, Owner, PictureStore as _};
use menshen_domain::erasure::{Claim, ErasedIds, ErasedPerson, ErasureJob};
use menshen_domain::event::{EventIdentity, EventRecord};
use menshen_domain::explain::{Explanation, Ranked};
use menshen_domain::limits;
use menshen_domain::person::PersonKind;

const GONE: &str = "110101199003070000";
const STRANGER: &str = "stranger-0190a7c2";
const OTHER: &str = "220202199003070000";

fn parts(folder: &Path) -> ErasureParts {
    let Opened { vault, registry, events, pictures, .. } = Opened::new(folder);
    ErasureParts {
        registry: Arc::new(registry),
        events: Arc::new(events),
        pictures: Arc::new(pictures),
        letters: Arc::new(DeadLetterFile::new(folder, Arc::clone(&vault))),
        log: Arc::new(ErasureFiles::new(folder, vault)),
    }
}

fn event_of(id: &str, who: Option<&str>, candidates: &[(&str, f32)]) -> EventRecord {
    let mut event = event(id);
    event.identity = who.map(|who| EventIdentity {
        id: who.into(),
        name: format!("name of {who}"),
        kind: PersonKind::Employee,
        registry_photo: None,
    });
    let fused = candidates.iter().map(|(id, similarity)| Ranked::new(id, *similarity)).collect();
    event.why = Some(Box::new(Explanation { threshold: 0.5, fused, ..Explanation::default() }));
    event
}

/// Two people, a stranger who is one of them, their events, and letters about both.
fn filled(folder: &Path) {
    let opened = Opened::new(folder);
    for id in [GONE, STRANGER, OTHER] {
        opened.enrol(id);
    }
    opened.pass(&event_of("e1", Some(GONE), &[(GONE, 0.9)]));
    opened.pass(&event_of("e2", Some(OTHER), &[(OTHER, 0.9), (GONE, 0.3)]));
    opened.pass(&event_of("e3", None, &[(GONE, 0.6)]));
    opened.pass(&event_of("e4", Some(STRANGER), &[(STRANGER, 0.9)]));
    opened.pass(&event_of("e5", Some(OTHER), &[(OTHER, 0.9)]));
    opened.events.put_open(&event_of("open", Some(GONE), &[]), 5).unwrap();
    // A picture whose row a crash took, and a photo of a row that cannot be read.
    let orphan = event_of("orphan", Some(GONE), &[]);
    let owner = Owner::Event(&orphan);
    opened.pictures.put(&[NewPicture { name: "orphan-spot.jpg", bytes: b"x", owner }]).unwrap();
    let lost = person(GONE, "lost.img");
    opened
        .pictures
        .put(&[NewPicture { name: "lost.img", bytes: b"x", owner: Owner::Person(&lost) }])
        .unwrap();
    let refused = QuarantinedEvent {
        receiver: "http://a/".into(),
        sequence: 1,
        reason: "400".into(),
        at_ms: 1,
        retry: false,
    };
    opened.events.set_aside("http://a/", &[refused], 2).unwrap();
    let letters = DeadLetterFile::new(folder, Arc::clone(&opened.vault));
    letters.keep(1, 40071, "r", json!({ "userid_list": [GONE] }).to_string().as_bytes());
    letters.keep(2, 40071, "r", json!({ "userid_list": [OTHER] }).to_string().as_bytes());
    letters.keep(3, 40071, "r", json!({ "name": format!("name of {GONE}") }).to_string().as_bytes());
    fs::write(folder.join("events.redb.damaged-1"), "x").unwrap();
}

/// All that can be read with the keys.
fn content(parts: &ErasureParts) -> String {
    let mut all = Vec::new();
    parts.registry.for_each(&mut |person| all.push(format!("person {}\n", person.id))).unwrap();
    parts.pictures.people(&mut |person| all.push(format!("photo {}\n", person.id))).unwrap();
    parts.events.for_each(&[], &mut |event, _| all.push(format!("event {event:?}\n"))).unwrap();
    parts.pictures.events(&mut |event, _| all.push(format!("picture {event:?}\n"))).unwrap();
    parts
        .letters
        .for_each_body(&mut |body| all.push(format!("letter {}\n", String::from_utf8_lossy(body))))
        .unwrap();
    all.concat()
}

fn job(parts: &ErasureParts) -> ErasureJob {
    let mut people = vec![ErasedPerson {
        id: GONE.into(),
        name: format!("name of {GONE}"),
        aliases: vec![STRANGER.into()],
        ..ErasedPerson::default()
    }];
    parts.count(&mut people).unwrap();
    ErasureJob { id: "job-1".into(), at_ms: 5, asked_by: "a test".into(), people }
}

type Step = fn(&ErasureParts, &ErasureJob);

#[test]
fn an_erasure_cut_short_after_any_step_is_finished_at_the_next_start() {
    let steps: [Step; 6] = [
        |parts, _| drop(parts.registry.delete(&[GONE.to_owned(), STRANGER.to_owned()]).unwrap()),
        |parts, _| {
            assert!(parts.pictures.remove_of_people(&|id| id == GONE || id == STRANGER).unwrap() > 0);
        },
        |parts, job| {
            let erased = ErasedIds::new(&job.people);
            let fate = |event: &EventRecord| match erased.claim(event) {
                Claim::Whole(_) => Fate::Remove,
                _ => Fate::Keep,
            };
            drop(parts.events.decide(&[], &fate).unwrap());
        },
        |parts, job| parts.clean_event_pictures(&ErasedIds::new(&job.people)).unwrap(),
        |parts, job| parts.remove_everything(job).unwrap(),
        |parts, job| {
            drop(parts.log.finish(job, 9).unwrap());
            parts.log.begin(job).unwrap();
        },
    ];
    for done in 0..=steps.len() {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        let before = parts(folder.path());
        assert!(content(&before).contains(GONE) && content(&before).contains("orphan"));
        let job = job(&before);
        let counts = job.people[0].counts;
        assert_eq!((counts.records, counts.photos, counts.features), (2, 2, 2));
        assert_eq!((counts.events, counts.events_undelivered, counts.pictures), (4, 3, 4));
        assert_eq!((counts.mentions, counts.dead_letters), (1, 2));
        before.log.begin(&job).unwrap();
        for step in &steps[..done] {
            step(&before, &job);
        }
        drop(before);

        let after = parts(folder.path());
        assert_eq!(after.finish_unfinished(11).unwrap(), 1, "after {done} steps");
        let all = content(&after);
        assert!(!all.contains(GONE) && !all.contains(STRANGER), "after {done} steps: {all}");
        for kept in ["person 2202", "photo 2202", "letter {\"userid_list\":[\"2202"] {
            assert!(all.contains(kept), "after {done} steps, {kept}: {all}");
        }
        assert_eq!(all.matches("event EventRecord").count(), 2, "{all}");
        assert_eq!(all.matches("picture EventRecord").count(), 2, "{all}");
        assert!(!folder.path().join("events.redb.damaged-1").exists());
        let receipts = after.log.receipts().unwrap();
        assert_eq!((receipts.len(), receipts[0].counts), (1, counts), "after {done} steps");
        assert_eq!(after.finish_unfinished(12).unwrap(), 0);
        // Nothing comes back, not even when the databases are rebuilt from pictures.
        drop(after);
        fs::remove_file(folder.path().join("events.redb")).unwrap();
        assert!(!content(&parts(folder.path())).contains(GONE));
    }
}

#[test]
fn what_was_on_its_way_is_neither_kept_nor_sent() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let parts = parts(folder.path());
    let job = job(&parts);
    let erased = ErasedPeople::default();
    let open = event_of("open", Some(GONE), &[]);
    assert!(!erased.has(&open));
    erased.add(&job.id, &job.people, 100, 1000);
    let mut of_other = event_of("e", Some(OTHER), &[(OTHER, 0.9), (GONE, 0.4)]);
    assert!(erased.has(&open) && !erased.has(&of_other));
    erased.now().take_out_of(&mut of_other);
    assert!(!format!("{of_other:?}").contains(GONE));
    // A passage that began after the erasure is of somebody new.
    let later = EventRecord { in_timestamp_ms: 101, ..open.clone() };
    assert!(!erased.has(&later));
    erased.add("another", &[], 100, 1000 + limits::ERASED_REMEMBERED_MS);
    assert!(!erased.has(&open), "it is not remembered for ever");
}
