//! Broker and box killed in the middle: nothing acknowledged is lost, nothing is told twice under another id.

use std::collections::BTreeSet;
use std::time::Duration;

use menshen_testbed::platform::behaviour::Fault;
use menshen_testbed::platform::ledger::Entry;
use serde_json::{Value, json};

use crate::testbed::{SOON, TestBed, eventually, is_history_of, photo, start_camera};
use menshen_testbed::camera_process::TestCamera;

/// Ids of accepted history events of the camera, in the order they came.
fn history_ids(bed: &TestBed, camera: &str) -> Vec<String> {
    let events = bed.platform.ledger().since(0, is_history_of(camera));
    events.iter().map(|entry| entry.body["ext_data"]["event_id"].as_str().unwrap().to_owned()).collect()
}

fn reply_ids(bed: &TestBed) -> BTreeSet<String> {
    let replies = bed.platform.ledger().since(0, Entry::is_reply);
    replies.iter().filter_map(|entry| entry.body["messageId"].as_str().map(str::to_owned)).collect()
}

/// One command a person: odd ones are deleted again.
fn publish_load(bed: &TestBed, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let id = format!("p{number}");
        let add = json!({
            "method": "add_users_plus", "messageId": format!("add-{number}"),
            "userid_list": [id], "extend_params": { "path": "/box/users" },
        });
        bed.platform.publish(&add).unwrap();
        if number % 2 == 1 {
            let delete = json!({ "method": "delete_users", "messageId": format!("delete-{number}"), "userid_list": [id] });
            bed.platform.publish(&delete).unwrap();
        }
    }
}

fn load_ids(numbers: std::ops::Range<u32>) -> BTreeSet<String> {
    let deleted = numbers.clone().filter(|number| number % 2 == 1).map(|number| format!("delete-{number}"));
    numbers.map(|number| format!("add-{number}")).chain(deleted).collect()
}

fn add_load_people(bed: &TestBed, numbers: std::ops::Range<u32>) {
    for number in numbers {
        bed.platform.people().add(&format!("p{number}"), "Joe Biden", photo("biden-1.jpg"));
    }
}

#[test]
fn a_killed_broker_costs_no_reply_and_no_event() {
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_camera(&camera);
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    add_load_people(&bed, 0..20);
    camera.go().unwrap();
    publish_load(&bed, 0..10);
    // In the middle: some are answered, some wait in the queue, one is being carried out.
    eventually("the first replies", SOON, || (reply_ids(&bed).len() >= 4).then_some(()));
    bed.broker.as_mut().unwrap().kill9();
    eventually("the box notices", SOON, || (bed.metric("menshen_link_up") == 0.0).then_some(()));
    // Events go on without the broker.
    let before = history_ids(&bed, "lobby").len();
    eventually("an event without a broker", SOON, || {
        (history_ids(&bed, "lobby").len() > before).then_some(())
    });
    bed.broker.as_mut().unwrap().restart().unwrap();
    publish_load(&bed, 10..20);
    let expected = load_ids(0..20);
    eventually("every reply", SOON, || expected.is_subset(&reply_ids(&bed)).then_some(()));
    eventually("the right people at the end", SOON, || {
        (bed.metric("menshen_registry_people") == 11.0).then_some(())
    });
    assert!(bed.metric("menshen_broker_reconnects_total") >= 1.0);
    no_passage_is_missing_or_doubled(&bed, &camera);
    bed.stop();
    let list = bed.run(&["users", "list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    for number in 0..20 {
        let is_there = list.split_whitespace().any(|word| word == format!("p{number}"));
        assert_eq!(is_there, number % 2 == 0, "p{number} in:\n{list}");
    }
}

/// Each finished walk has exactly one event, and no event id came twice.
fn no_passage_is_missing_or_doubled(bed: &TestBed, camera: &TestCamera) {
    let walks = camera.reported("walk-ended");
    let last = walks.last().unwrap()["at_ms"].as_u64().unwrap();
    bed.wait("the last finished walk's event", |entry| {
        is_history_of("lobby")(entry)
            && entry.body["ext_data"]["out_timestamp"].as_u64().unwrap() + 3000 > last
    });
    let events = bed.platform.ledger().since(0, is_history_of("lobby"));
    let begins = camera.reported("walk-begins");
    for (begin, end) in begins.iter().zip(&walks) {
        let time = |value: &Value| value.as_u64().unwrap();
        let of_walk = events.iter().filter(|entry| {
            let seen = time(&entry.body["ext_data"]["in_timestamp"]);
            time(&begin["at_ms"]) <= seen && seen <= time(&end["at_ms"])
        });
        assert_eq!(of_walk.count(), 1, "events of the walk {begin} to {end}");
    }
    let ids = history_ids(bed, "lobby");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an event came twice");
}

#[test]
fn a_killed_box_still_knows_everyone_and_tells_every_event() {
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_camera(&camera);
    bed.start();
    // History is refused, so that events wait on the disk when the power goes.
    bed.platform.behaviour().fail("history", Fault::Status(500), u32::MAX);
    add_load_people(&bed, 0..6);
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    camera.go().unwrap();
    let live = bed.wait("Obama in real time", |entry| entry.kind == "realtime");
    eventually("the event is kept", SOON, || (bed.metric("menshen_outbox_depth") >= 1.0).then_some(()));
    publish_load(&bed, 0..6);
    eventually("some are answered", SOON, || (reply_ids(&bed).len() >= 4).then_some(()));
    bed.kill9();
    let answered = reply_ids(&bed);
    let seen_live = live.body["ext_data"]["event_id"].as_str().unwrap().to_owned();

    // What was answered is on the disk, before the platform has said anything more.
    let list = bed.run(&["users", "list"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let is_listed = |id: &str| list.split_whitespace().any(|word| word == id);
    assert!(is_listed("1001"), "{list}");
    for number in (0..6).filter(|number| number % 2 == 0) {
        if answered.contains(&format!("add-{number}")) {
            assert!(is_listed(&format!("p{number}")), "p{number} was answered and is gone:\n{list}");
        }
    }

    bed.platform.behaviour().heal();
    let restarted = bed.platform.ledger().len();
    bed.start();
    eventually("every reply", SOON, || load_ids(0..6).is_subset(&reply_ids(&bed)).then_some(()));
    eventually("the right people at the end", SOON, || {
        (bed.metric("menshen_registry_people") == 4.0).then_some(())
    });
    let event = bed.wait("the event from before the kill", |entry| {
        is_history_of("lobby")(entry) && entry.body["ext_data"]["event_id"] == seen_live.as_str()
    });
    crate::fields::assert_event(&event.body, true);
    bed.wait("recognised again without being enrolled again", |entry| {
        entry.number >= restarted && entry.kind == "realtime" && entry.body["identity_id"] == "1001"
    });
    let ids = history_ids(&bed, "lobby");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an event came twice");
    bed.stop();
}

/// A half-open connection: the broker is there and says nothing.
#[test]
fn a_frozen_broker_is_noticed_and_left_and_found_again() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    bed.broker.as_ref().unwrap().freeze().unwrap();
    eventually("the heartbeat notices", Duration::from_secs(30), || {
        (bed.metric("menshen_link_up") == 0.0).then_some(())
    });
    bed.broker.as_ref().unwrap().thaw().unwrap();
    bed.wait_link();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    bed.stop();
}
