//! Commands that can never succeed: kept, listed and carried out again beside a running box.

use std::sync::Arc;

use menshen::adapters::dead_letters::DeadLetterFile;
use menshen::adapters::vault::{KeyPlaces, Vault};
use menshen::ports::dead_letters::DeadLetters as _;
use serde_json::json;

use crate::testbed::{TestBed, photo_base64};

fn output(bed: &TestBed, arguments: &[&str]) -> (bool, String) {
    let output = bed.run(&[&["link", "dead-letters"], arguments].concat());
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Ids of the listed letters, newest first.
fn ids(list: &str) -> Vec<String> {
    list.lines()
        .filter(|line| line.contains('\t'))
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

#[test]
fn letters_are_listed_and_carried_out_again() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    let (ok, list) = output(&bed, &[]);
    assert!(ok && list.contains("0 dead letters"), "{list}");
    let long = "x".repeat(200_000);
    let unknown = json!({ "method": "open_sesame", "padding": long });
    assert_eq!(bed.command(unknown)["code"], 50100);
    let missing = json!({ "method": "add_users_plus", "user_info_list": "none" });
    assert_eq!(bed.command(missing)["code"], 40071);

    let (_, list) = output(&bed, &["--page-size", "1"]);
    assert!(list.contains("40071") && list.contains("page 1 of 2"), "newest first: {list}");
    let (_, list) = output(&bed, &["--page-size", "1", "--page", "2"]);
    assert!(list.contains("open_sesame") && list.contains("50100"), "{list}");
    let sesame = ids(&list).remove(0);
    let (_, shown) = output(&bed, &["show", &sesame]);
    assert!(shown.contains(&long), "the whole body is kept");

    // Still unknown: answered again, and not kept a second time.
    let before = bed.platform.ledger().of_kind("reply").len();
    let (ok, told) = output(&bed, &["replay", &sesame, "--wait-s", "30"]);
    assert!(!ok && told.contains("50100"), "{told}");
    assert_eq!(bed.platform.ledger().of_kind("reply").len(), before + 1);
    assert_eq!(bed.metric("menshen_dead_letters_total"), 2.0);
    let (ok, told) = output(&bed, &["replay", "nonsense"]);
    assert!(!ok && told.contains("nonsense"), "{told}");
    bed.stop();
}

/// A letter an earlier version could not carry out, replayed by one that can, while the broker is away.
#[test]
fn a_replay_waits_for_the_link_and_is_carried_out_once() {
    let mut bed = TestBed::with_platform(|_| ());
    let body = json!({
        "method": "add_users_plus", "messageId": "late",
        "user_info_list": [{ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg") }],
    });
    let data_dir = bed.folder.path().join("var");
    std::fs::create_dir_all(&data_dir).unwrap();
    let places = KeyPlaces { data_dir: data_dir.clone(), key_file: None, credentials_dir: None };
    let log = DeadLetterFile::new(&data_dir, Arc::new(Vault::open(places).unwrap()));
    log.keep(1_700_000_000_000, 50100, "older box", body.to_string().as_bytes());
    let id = log.list().unwrap().remove(0).letter.id;
    bed.broker.as_mut().unwrap().kill9();
    bed.start_unlinked();
    let (ok, told) = output(&bed, &["replay", &id, "--wait-s", "0"]);
    assert!(ok && told.contains("waits"), "{told}");
    assert!(output(&bed, &[]).1.contains("replay waits"));
    bed.broker.as_mut().unwrap().restart().unwrap();
    let reply = bed.wait("its reply", |entry| entry.is_reply() && entry.body["messageId"] == "late").body;
    assert_eq!(reply["result"]["success_users"][0]["userid"], "1001", "{reply}");
    crate::testbed::eventually("it is noted", crate::testbed::SOON, || {
        output(&bed, &[]).1.contains("replayed, code 0").then_some(())
    });
    bed.stop();
}
