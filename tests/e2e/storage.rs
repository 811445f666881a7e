//! Damaged databases and a full disk: the box comes up, goes on, says so, and heals.

use std::path::Path;

use menshen_testbed::platform::behaviour::Fault;
use menshen_testbed::small_disk::SmallDisk;
use serde_json::json;
use tempfile::TempDir;

use crate::testbed::{SOON, TestBed, eventually, is_history_of, photo_base64, start_camera};

#[test]
fn damaged_databases_are_set_aside_and_rebuilt_from_the_pictures() {
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_camera(&camera);
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg"), ("1002", "Joe Biden", "biden-1.jpg")]);
    bed.platform.behaviour().fail("history", Fault::Status(500), u32::MAX);
    camera.go().unwrap();
    let live = bed.wait("Obama in real time", |entry| entry.kind == "realtime");
    let id = live.body["ext_data"]["event_id"].as_str().unwrap().to_owned();
    eventually("the event is kept", SOON, || (bed.metric("menshen_outbox_depth") >= 1.0).then_some(()));
    bed.stop();
    for name in ["registry.redb", "events.redb"] {
        let path = bed.data_dir().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        for at in (4096..bytes.len()).step_by(512) {
            bytes[at] ^= 0x55;
        }
        std::fs::write(&path, bytes).unwrap();
    }
    bed.platform.behaviour().heal();
    let restarted = bed.platform.ledger().len();
    bed.start();
    let health = bed.storage_health();
    let told = health["set_aside"].to_string();
    assert_eq!(health["ok"], false);
    for part in ["registry.redb was damaged", "2 people rebuilt", "events.redb was damaged"] {
        assert!(told.contains(part), "{part} not in {told}");
    }
    assert_eq!(bed.metric("menshen_damaged_databases_total"), 2.0);
    assert_eq!(bed.metric("menshen_registry_people"), 2.0);
    assert!(bed.log().contains("DAMAGED DATABASE"));
    let event = bed.wait("the event from before the damage, under the same id", |entry| {
        is_history_of("lobby")(entry) && entry.body["ext_data"]["event_id"] == id.as_str()
    });
    crate::fields::assert_event(&event.body, true);
    bed.wait("recognised without being enrolled again", |entry| {
        entry.number >= restarted && entry.kind == "realtime" && entry.body["identity_id"] == "1001"
    });
    bed.stop();
    let list = bed.run(&["users", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("1002\tJoe Biden"));
}

/// A small disk of its own; `None`, said so, where mounting is not allowed.
#[allow(clippy::print_stderr, reason = "a test that was skipped must say so")]
fn small_disk(folder: &Path, megabytes: u32) -> Option<SmallDisk> {
    let mounted = SmallDisk::mount(folder, megabytes);
    mounted.inspect_err(|reason| eprintln!("SKIPPED: only root may mount a small disk ({reason})")).ok()
}

#[test]
fn a_full_disk_stops_nobody_at_the_door_and_heals() {
    let folder = TempDir::new().unwrap();
    let Some(disk) = small_disk(folder.path(), 64) else { return };
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.use_data_dir(disk.path());
    bed.add_config("\n[storage]\nkeep_free_mb = 1\n");
    bed.add_camera(&camera);
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    // Nobody has any event, so that none may go to make room for another.
    bed.platform.behaviour().fail("history", Fault::Status(500), u32::MAX);
    assert!(disk.fill().unwrap() > 0);
    let filled = bed.platform.ledger().len();
    camera.go().unwrap();
    let live = bed.wait("told at the door on a full disk", |entry| {
        entry.number >= filled && entry.kind == "realtime" && entry.body["identity_id"] == "1001"
    });
    let id = live.body["ext_data"]["event_id"].as_str().unwrap().to_owned();
    let health = bed.storage_health();
    assert!(health["full"].to_string().contains("event pictures"), "{health}");
    assert!(health["events_waiting"].as_u64().unwrap() >= 1, "{health}");
    assert!(bed.metric("menshen_storage_full") >= 1.0 && bed.metric("menshen_events_waiting") >= 1.0);
    // A command that cannot be made durable is told so, and nothing of it is kept.
    let user =
        json!({ "identity_id": "1002", "reg_photo": photo_base64("biden-1.jpg"), "info": { "name": "Joe" } });
    let reply = bed.command(json!({ "method": "add_users_plus", "user_info_list": [user] }));
    assert_eq!(reply["result"]["failed_users"][0]["code"], 50072, "{reply}");
    assert_eq!(bed.metric("menshen_registry_people"), 1.0);

    disk.release();
    eventually("nothing waits any more", SOON, || {
        let health = bed.storage_health();
        (health["events_waiting"] == 0 && bed.metric("menshen_storage_full") <= 1.0).then_some(())
    });
    bed.enrol(&[("1002", "Joe Biden", "biden-1.jpg")]);
    bed.platform.behaviour().heal();
    bed.wait("the event that waited, in history", |entry| {
        is_history_of("lobby")(entry) && entry.body["ext_data"]["event_id"] == id.as_str()
    });
    let health = bed.storage_health();
    assert_eq!((health["ok"].as_bool(), health["events_lost"].as_u64()), (Some(true), Some(0)), "{health}");
    assert_eq!(bed.metric("menshen_events_lost_total"), 0.0);
    bed.stop();
}
