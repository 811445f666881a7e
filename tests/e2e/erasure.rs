//! Erasing a person: nothing of them is left that anybody could read, also after `kill -9` in the middle.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use menshen::adapters::dead_letters::DeadLetterFile;
use menshen::adapters::pictures::PictureFiles;
use menshen::adapters::space::DiskSpace;
use menshen::adapters::store::{RedbEventStore, RedbRegistryStore};
use menshen::adapters::vault::{KeyPlaces, Vault};
use menshen::ports::dead_letters::DeadLetters as _;
use menshen::ports::store::{EventStore as _, Fate, PictureStore as _, RegistryStore as _};
use menshen_domain::event::EventRecord;
use menshen_testbed::platform::behaviour::Fault;
use serde_json::{Value, json};

use crate::http;
use crate::quorum;
use crate::testbed::{SOON, TestBed, eventually, is_history_of, photo, photo_base64};

const OBAMA: &str = "110101199003070000";
const BIDEN: &str = "220202199003070000";

fn add_gate(bed: &mut TestBed) {
    bed.add_config(
        "\n[[devices]]\nip = \"gate\"\ntype = \"door-terminal\"\npipeline = \"post\"\ndedup_s = 0\n\
         \n[[devices]]\nip = \"side\"\ntype = \"door-terminal\"\npipeline = \"post\"\ndedup_s = 0\npermission_groups = [\"9\"]\n",
    );
}

fn pass(bed: &TestBed, device: &str, file: &str) -> Value {
    let path = format!("/SophonFogSys/api/Recognize?ip={device}");
    let (status, body) =
        http::call(bed.local_port, "POST", &path, &[("Content-Type", "image/jpeg")], &photo(file));
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

/// Everything a data folder holds, as whoever has its keys can read it.
fn content(data_dir: &Path) -> String {
    let places = KeyPlaces { data_dir: data_dir.to_path_buf(), key_file: None, credentials_dir: None };
    let vault = Arc::new(Vault::open(places).unwrap());
    let space = DiskSpace::new(data_dir, 0, Arc::default());
    let mut all = Vec::new();
    let (registry, _) = RedbRegistryStore::open(data_dir, Arc::clone(&vault), space.clone()).unwrap();
    registry.for_each(&mut |person| all.push(format!("person {} {}\n", person.id, person.name))).unwrap();
    let (events, _) = RedbEventStore::open(data_dir, Arc::clone(&vault), space.clone()).unwrap();
    events.for_each(&[], &mut |event, _| all.push(format!("event {event:?}\n"))).unwrap();
    let pictures = PictureFiles::open(data_dir, Arc::clone(&vault), space).unwrap();
    pictures.people(&mut |person| all.push(format!("photo of {} {}\n", person.id, person.name))).unwrap();
    pictures.events(&mut |event, _| all.push(format!("picture of {event:?}\n"))).unwrap();
    let letters = DeadLetterFile::new(data_dir, vault);
    letters
        .for_each_body(&mut |body| all.push(format!("letter {}\n", String::from_utf8_lossy(body))))
        .unwrap();
    for entry in std::fs::read_dir(data_dir.join("erasures")).into_iter().flatten() {
        all.push(format!("erasure on its way {}\n", entry.unwrap().path().display()));
    }
    all.concat()
}

fn receipts(bed: &TestBed, more: &[&str]) -> Vec<Value> {
    let output = bed.run(&[&["data", "receipts"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_erased_person_is_found_nowhere_and_nothing_of_them_is_sent_any_more() {
    let mut bed = TestBed::with_platform(|_| ());
    add_gate(&mut bed);
    bed.start();
    bed.enrol(&[(OBAMA, "Barack Obama", "obama-1.jpg"), (BIDEN, "Joe Biden", "biden-1.jpg")]);
    let delivered = pass(&bed, "gate", "obama-2.jpg")["event_id"].clone();
    bed.wait("the first event", |entry| {
        is_history_of("gate")(entry) && entry.body["ext_data"]["event_id"] == delivered
    });
    bed.platform.behaviour().fail("history", Fault::Status(500), u32::MAX);
    assert_eq!(pass(&bed, "gate", "obama-3.jpg")["identity_id"], OBAMA);
    // Known, and not allowed there: a stranger's event that shows him.
    assert_eq!(pass(&bed, "side", "obama-3.jpg")["result"], false);
    let kept = pass(&bed, "gate", "biden-1.jpg")["event_id"].clone();
    bed.command(
        json!({ "method": "no_such", "userid_list": [OBAMA], "reg_photo": photo_base64("obama-1.jpg") }),
    );
    bed.command(json!({ "method": "no_such", "userid_list": [BIDEN] }));
    eventually("four are stored", SOON, || (bed.metric("menshen_events_total") == 4.0).then_some(()));

    let unclear = bed.command(json!({ "method": "delete_users", "userid_list": [OBAMA], "erase": "all" }));
    assert_eq!(unclear["code"], 40071, "{unclear}");
    assert_eq!(bed.metric("menshen_registry_people"), 2.0);
    // That command names him too, and is a dead letter now.
    let ids = json!([OBAMA, "nobody"]);
    let reply = bed.command(json!({ "method": "delete_users", "userid_list": ids, "erase": true }));
    let done = &reply["result"]["success_users"][0];
    assert_eq!((&done["userid"], &done["code"]), (&json!(OBAMA), &json!(0)), "{reply}");
    assert_eq!(reply["result"]["failed_users"][0]["code"], 40401, "{reply}");
    let receipt = &done["erased"];
    for (what, count) in [
        ("records", 1),
        ("photos", 1),
        ("features", 1),
        ("events", 3),
        ("events_undelivered", 2),
        ("pictures", 6),
        ("dead_letters", 2),
    ] {
        assert_eq!(receipt[what], count, "{what} in {receipt}");
    }
    // The same again is answered alike, and is no second erasure.
    let again = bed.command(json!({ "method": "delete_users", "userid_list": [OBAMA], "erase": 1 }));
    assert_eq!(again["result"]["success_users"][0]["erased"], *receipt, "{again}");
    bed.platform.behaviour().heal();
    let from = bed.platform.ledger().len();
    bed.wait("the other's event", |entry| {
        entry.number >= from && is_history_of("gate")(entry) && entry.body["ext_data"]["event_id"] == kept
    });
    eventually("nothing waits", SOON, || (bed.metric("menshen_outbox_depth") == 0.0).then_some(()));
    let sent = bed.platform.ledger().since(from, |entry| entry.kind == "history");
    assert!(sent.iter().all(|entry| entry.body["identity_id"] == BIDEN), "{sent:?}");
    assert_eq!(bed.metric("menshen_events_erased_total"), 3.0);
    assert_eq!(
        bed.metric("menshen_events_lost_total") + bed.metric("menshen_events_dropped_unsent_total"),
        0.0
    );

    let told = receipts(&bed, &[]);
    assert_eq!(told, std::slice::from_ref(receipt), "beside the running box");
    let asked_by = format!("platform, delete_users {}", reply["messageId"].as_str().unwrap());
    assert_eq!(told[0]["asked_by"], asked_by);
    assert_eq!(receipts(&bed, &["--person", OBAMA]).len(), 1);
    assert!(receipts(&bed, &["--person", BIDEN]).is_empty());
    // Who is enrolled again is somebody new.
    bed.enrol(&[(OBAMA, "Barack Obama", "obama-1.jpg")]);
    assert_eq!(pass(&bed, "gate", "obama-2.jpg")["identity_id"], OBAMA);
    eventually("his new event", SOON, || (bed.metric("menshen_events_total") == 5.0).then_some(()));
    let output = bed.run(&["users", "remove", OBAMA, "--erase"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    bed.stop();
    let all = content(&bed.data_dir());
    assert!(!all.contains(OBAMA) && !all.contains("Obama"), "{all}");
    assert!(!all.contains("erasure on its way"), "{all}");
    assert!(all.contains(&format!("person {BIDEN}")) && all.contains(&format!("photo of {BIDEN}")), "{all}");
    assert!(
        all.contains("letter") && all.contains("event EventRecord") && all.contains("picture of"),
        "{all}"
    );
    assert_eq!(receipts(&bed, &[]).len(), 2);

    // By the command line, while no box runs.
    let output = bed.run(&["users", "remove", BIDEN, "nobody", "--erase"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("\"events\":1") && text.contains("40401"), "{text}");
    let all = content(&bed.data_dir());
    assert!(!all.contains(BIDEN) && !all.contains("Biden") && !all.contains("event "), "{all}");
    assert_eq!(receipts(&bed, &[])[2]["asked_by"], "command line");
}

#[test]
fn a_stranger_who_became_a_person_is_erased_along() {
    let mut bed = TestBed::standalone();
    add_gate(&mut bed);
    bed.set("recognition.enrol_strangers", "true");
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    eventually("it listens", SOON, || (bed.metric("menshen_device_online") >= 2.0).then_some(()));
    assert_eq!(pass(&bed, "gate", "obama-2.jpg")["outcome"], "stranger");
    eventually("he is a stranger of the registry", SOON, || {
        (bed.metric("menshen_registry_people") == 1.0).then_some(())
    });
    crate::photos::enrol(&bed, OBAMA, "Barack Obama", "obama-1.jpg");
    crate::photos::enrol(&bed, BIDEN, "Joe Biden", "biden-1.jpg");
    let body = json!({ "identity_id": OBAMA });
    let path = "/SophonFogSys/api/users?erase=true";
    let (status, answer) = http::json(bed.local_port, "DELETE", path, &body);
    assert_eq!(status, 200, "{answer}");
    let receipt = &answer["data"]["success_users"][0]["erased"];
    assert_eq!((&receipt["records"], &receipt["events"]), (&json!(2), &json!(1)), "{answer}");
    assert!(receipt["asked_by"].as_str().unwrap().contains("127.0.0.1"), "{receipt}");
    let (status, _) = http::json(bed.local_port, "DELETE", "/SophonFogSys/api/users?erase=perhaps", &body);
    assert_eq!(status, 400);
    assert_eq!(bed.metric("menshen_registry_people"), 1.0);
    bed.stop();
    let all = content(&bed.data_dir());
    assert!(!all.contains("stranger-") && !all.contains("event ") && all.contains(BIDEN), "{all}");
}

/// Kills the box as soon as an erasure is written down, or a moment later.
fn kill_in_an_erasure(bed: &mut TestBed, after: Duration) {
    let jobs = bed.data_dir().join("erasures");
    let started = Instant::now();
    let is_on_its_way = || std::fs::read_dir(&jobs).is_ok_and(|mut entries| entries.next().is_some());
    while !is_on_its_way() {
        assert!(started.elapsed() < SOON, "no erasure begins:\n{}", bed.log());
        std::thread::yield_now();
    }
    std::thread::sleep(after);
    bed.kill9();
}

#[test]
fn an_erasure_that_is_killed_is_finished_and_answered_also_over_a_quorum_queue() {
    let (mut bed, hand) = quorum::bed(menshen_testbed::broker::Version::Packaged, 5, &json!({}));
    add_gate(&mut bed);
    let mut killed_in_the_middle = 0;
    for (round, delay_ms) in [0, 2, 5, 12, 30].into_iter().enumerate() {
        bed.start();
        bed.platform.behaviour().fail("history", Fault::Status(500), u32::MAX);
        eventually("it listens", SOON, || (bed.metric("menshen_device_online") >= 2.0).then_some(()));
        let user = |id: &str, file: &str| json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": "N" } });
        let add = json!({ "method": "add_users_plus", "messageId": format!("add-{round}"),
            "user_info_list": [user(OBAMA, "obama-1.jpg"), user(BIDEN, "biden-1.jpg")] });
        hand.publish("", quorum::COMMANDS, &add);
        assert_eq!(quorum::answers(&bed, &hand, 1)[0]["code"], 0);
        let before = bed.metric("menshen_events_total");
        for file in ["obama-2.jpg", "obama-3.jpg", "obama-2.jpg", "biden-1.jpg"] {
            pass(&bed, "gate", file);
        }
        eventually("they are stored", SOON, || {
            (bed.metric("menshen_events_total") == before + 4.0).then_some(())
        });
        let id = format!("erase-{round}");
        let erase =
            json!({ "method": "delete_users", "messageId": id, "userid_list": [OBAMA], "erase": true });
        hand.publish("", quorum::COMMANDS, &erase);
        kill_in_an_erasure(&mut bed, Duration::from_millis(delay_ms));
        killed_in_the_middle += u32::from(content(&bed.data_dir()).contains("erasure on its way"));
        // What is sealed for the next start is all that is left of the order; the start finishes it before anything else.
        bed.start();
        // Told before the kill, or by the command that is delivered again.
        let answer = &quorum::answers(&bed, &hand, 1)[0];
        let done = &answer["result"]["success_users"][0];
        assert_eq!((&answer["messageId"], &done["userid"]), (&json!(id), &json!(OBAMA)), "{answer}");
        assert_eq!(
            (&done["erased"]["events"], &done["erased"]["records"]),
            (&json!(3), &json!(1)),
            "{answer}"
        );
        assert_eq!(receipts(&bed, &[]).len(), round + 1);
        assert_eq!(bed.metric("menshen_registry_people"), 1.0);
        bed.kill9();
        let all = content(&bed.data_dir());
        assert!(!all.contains(OBAMA) && !all.contains("erasure on its way"), "after {delay_ms} ms: {all}");
        assert!(all.contains(&format!("person {BIDEN}")) && all.contains("event EventRecord"), "{all}");
    }
    assert!(killed_in_the_middle > 0, "no kill came in the middle");
}

#[test]
fn events_beyond_their_days_go_sent_or_not() {
    let mut bed = TestBed::standalone();
    add_gate(&mut bed);
    // Nobody listens there.
    bed.set("events.history_urls", "[\"http://127.0.0.1:9/history\"]");
    bed.start();
    eventually("it listens", SOON, || (bed.metric("menshen_device_online") >= 2.0).then_some(()));
    for file in ["obama-2.jpg", "biden-1.jpg"] {
        pass(&bed, "gate", file);
    }
    eventually("both are stored", SOON, || (bed.metric("menshen_events_total") == 2.0).then_some(()));
    bed.stop();
    // One of them is made forty days old.
    let places = KeyPlaces { data_dir: bed.data_dir(), key_file: None, credentials_dir: None };
    let vault = Arc::new(Vault::open(places).unwrap());
    let space = DiskSpace::new(&bed.data_dir(), 0, Arc::default());
    let (events, _) = RedbEventStore::open(&bed.data_dir(), vault, space).unwrap();
    let first = events.after(0, 1).unwrap().remove(0).event;
    let age = |event: &EventRecord| {
        let mut old = event.clone();
        old.out_timestamp_ms -= 40 * 86_400_000;
        if event.event_id == first.event_id { Fate::Rewrite(Box::new(old)) } else { Fate::Keep }
    };
    assert_eq!(events.decide(&[], &age).unwrap().rewritten.len(), 1);
    drop(events);
    bed.start();
    assert_eq!(bed.metric("menshen_events_dropped_unsent_total"), 0.0, "without a limit it stays");
    bed.stop();
    assert_eq!(crate::photos::events(&bed).len(), 2);
    bed.set("events.keep_days", "30");
    bed.start();
    eventually("it goes, and that it was not sent is counted", SOON, || {
        (bed.metric("menshen_events_dropped_unsent_total") == 1.0).then_some(())
    });
    bed.stop();
    let left = crate::photos::events(&bed);
    assert!(left.len() == 1 && left[0]["event_id"] != first.event_id.as_str(), "{left:?}");
    let pictures = std::fs::read_dir(bed.data_dir().join("pictures/events")).unwrap().count();
    assert_eq!(pictures, 2, "scene and face of the one that is left");
}
