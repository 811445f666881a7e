//! Bad input of every kind: each is answered with its code, the link stays up, memory stays flat.

use serde_json::{Value, json};

use crate::testbed::{SOON, TestBed, photo, photo_base64};

/// A PNG whose header claims 30 000 × 30 000 px: 2.7 GB when believed.
fn huge_png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 30_000, 30_000);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9C, 0, 0]).unwrap();
    drop(writer);
    bytes
}

fn corrupt_jpeg() -> Vec<u8> {
    let mut bytes = photo("obama-1.jpg");
    let half = bytes.len() / 2;
    bytes.truncate(half);
    bytes[2..40].fill(0xAA);
    bytes
}

fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes)
}

fn add(user: &Value) -> Value {
    json!({ "method": "add_users_plus", "user_info_list": [user] })
}

fn with_photo(text: &str) -> Value {
    add(&json!({ "identity_id": "bad", "reg_photo": text, "info": { "name": "x" } }))
}

fn with_url(url: &str) -> Value {
    add(&json!({ "identity_id": "bad", "reg_url": url }))
}

/// Where the code is expected.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// The reply as a whole is refused.
    Reply,
    /// The reply is a success with one failed user.
    User,
}

/// What is sent, and the code it is answered with.
fn table(bed: &TestBed) -> Vec<(&'static str, Value, At, i64)> {
    let img = |name: &str| bed.platform.url(&format!("/img/{name}"));
    let people = |user: Value| add(&user);
    vec![
        ("unknown method", json!({ "method": "open_sesame" }), At::Reply, 50100),
        ("no method", json!({ "userid_list": ["1"] }), At::Reply, 40071),
        ("method is a number", json!({ "method": 7 }), At::Reply, 40071),
        ("not an object", json!(["add_users_plus"]), At::Reply, 40071),
        ("neither list", json!({ "method": "add_users_plus" }), At::Reply, 40071),
        ("list is a string", json!({ "method": "add_users_plus", "userid_list": "1001" }), At::Reply, 40071),
        ("ids without a path", json!({ "method": "add_users_plus", "userid_list": ["1"] }), At::Reply, 40071),
        ("delete without a list", json!({ "method": "delete_users" }), At::Reply, 40071),
        ("delete of objects", json!({ "method": "delete_users", "userid_list": [{}] }), At::Reply, 40071),
        ("wipe without options", json!({ "method": "wipe_data" }), At::Reply, 40071),
        (
            "wipe with words",
            json!({ "method": "wipe_data", "wipe_options": { "users": "perhaps" } }),
            At::Reply,
            40071,
        ),
        (
            "parameters are a list",
            json!({ "method": "wipe_data", "extend_params": [1], "wipe_options": {} }),
            At::Reply,
            40071,
        ),
        ("user is a number", people(json!(7)), At::User, 40071),
        ("user without an id", people(json!({ "reg_photo": photo_base64("obama-1.jpg") })), At::User, 40071),
        (
            "user with an empty id",
            people(json!({ "identity_id": " ", "reg_photo": photo_base64("obama-1.jpg") })),
            At::User,
            40071,
        ),
        ("user without a photo", people(json!({ "identity_id": "bad" })), At::User, 40071),
        (
            "person type 99",
            people(
                json!({ "identity_id": "bad", "reg_photo": photo_base64("obama-1.jpg"), "info": { "type": 99 } }),
            ),
            At::User,
            40071,
        ),
        (
            "permissions are an object",
            people(
                json!({ "identity_id": "bad", "reg_photo": photo_base64("obama-1.jpg"), "info": { "permission_ids": {} } }),
            ),
            At::User,
            40071,
        ),
        ("photo is no base64", with_photo("@@@@"), At::User, 40003),
        ("photo is text", with_photo(&base64(b"hello, I am not a picture")), At::User, 40003),
        ("corrupt photo", with_photo(&base64(&corrupt_jpeg())), At::User, 40003),
        ("huge header", with_photo(&base64(&huge_png())), At::User, 40007),
        ("no face", with_photo(&photo_base64("coffee.png")), At::User, 40004),
        ("small face", with_photo(&photo_base64("astronaut.png")), At::User, 40009),
        ("photo URL answers 404", with_url(&img("nobody.jpg")), At::User, 50073),
        ("photo URL answers HTML", with_url(&img("page")), At::User, 50074),
        ("photo URL refuses", with_url("http://127.0.0.1:9/x.jpg"), At::User, 50073),
        ("photo URL of a file", with_url("file:///etc/passwd"), At::User, 40071),
        ("photo URL is no URL", with_url("not a url"), At::User, 40071),
        (
            "details from a path that is not there",
            json!({ "method": "add_users_plus", "userid_list": ["bad"], "extend_params": { "path": "/box/nothing" } }),
            At::User,
            50073,
        ),
    ]
}

/// Sends a command and compares where and how it was refused.
fn check(bed: &TestBed, (what, command, at, code): (&str, Value, At, i64)) {
    let reply = if command.is_object() {
        bed.command(command)
    } else {
        send_raw(bed, command.to_string().into_bytes())
    };
    let found = if reply["success"] == true {
        (At::User, reply["result"]["failed_users"][0]["code"].as_i64())
    } else {
        (At::Reply, reply["code"].as_i64())
    };
    assert_eq!(found, (at, Some(code)), "{what}: {reply}");
    let message = match at {
        At::Reply => &reply["message"],
        At::User => &reply["result"]["failed_users"][0]["message"],
    };
    assert!(
        message.as_str().is_some_and(|text| text.len() > 5),
        "{what}: a message says what is wrong: {reply}"
    );
}

/// For what can carry no `messageId`: the next reply is its.
fn send_raw(bed: &TestBed, bytes: Vec<u8>) -> Value {
    let after = bed.platform.ledger().len();
    bed.platform.publish_raw(bytes).unwrap();
    bed.platform.ledger().wait(SOON, |entry| entry.number >= after && entry.is_reply()).expect("a reply").body
}

#[test]
fn every_bad_command_is_answered_with_its_code() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    let reconnects = bed.metric("menshen_broker_reconnects_total");
    for row in table(&bed) {
        check(&bed, row);
    }
    // Slow by nature: the photo server never answers.
    let url = bed.platform.url("/img/hang");
    check(&bed, ("photo URL hangs", with_url(&url), At::User, 50073));
    for bytes in [&b"{\"method\": \"add_us"[..], b"", b"\xFF\xFE\x00garbage", b"null", b"\"\""] {
        let reply = send_raw(&bed, bytes.to_vec());
        assert_eq!((&reply["success"], &reply["code"]), (&json!(false), &json!(40071)), "{bytes:?}");
    }

    // Again and again: what was refused leaves nothing behind.
    let rounds = |count: u32| {
        for _ in 0..count {
            for row in table(&bed) {
                check(&bed, row);
            }
        }
    };
    rounds(2);
    let before = bed.resident_mb();
    rounds(4);
    let after = bed.resident_mb();
    assert!(after - before < 40.0, "resident memory grew from {before:.0} to {after:.0} MB");

    assert_eq!(bed.metric("menshen_broker_reconnects_total"), reconnects, "the link was up all the time");
    assert_eq!(bed.metric("menshen_registry_people"), 0.0);
    let letters = bed.run(&["link", "dead-letters"]).stdout;
    assert!(String::from_utf8_lossy(&letters).contains("open_sesame"));
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    bed.stop();
}

#[test]
fn an_update_with_a_bad_photo_leaves_the_old_record() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    bed.enrol(&[("bad", "Barack Obama", "obama-1.jpg")]);
    check(&bed, ("update without a face", with_photo(&photo_base64("coffee.png")), At::User, 40004));
    bed.stop();
    let list = bed.run(&["users", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("Barack Obama"));
}
