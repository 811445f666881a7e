//! `PictureMatch`: the published way to ask who is in a picture of a terminal. A passage, as `Recognize?ip=` is.

use serde_json::{Value, json};

use crate::access::new_token;
use crate::http::{self, JSON};
use crate::photos::{bed_with, counted, events};
use crate::testbed::{TestBed, photo_base64};

const MATCH: &str = "/SophonMatch/api/PictureMatch";

fn ask(bed: &TestBed, body: &Value) -> (u16, Value) {
    http::json(bed.local_port, "POST", MATCH, body)
}

fn with(file: &str, more: Value) -> Value {
    let mut body = json!({ "device_ip": "terminal", "rgb_image_base64": photo_base64(file) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// As MIME has it: lines of 76 characters.
fn mime_base64(file: &str) -> String {
    let text = photo_base64(file);
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join("\r\n")
}

#[test]
fn a_picture_is_a_passage_and_answered_at_the_top_level() {
    let mut bed = bed_with("dedup_s = 3600");
    let body = with(
        "obama-2.jpg",
        json!({ "rgb_image_base64": mime_base64("obama-2.jpg"), "need_register_photo": true }),
    );
    let (status, known) = ask(&bed, &body);
    assert_eq!(status, 200, "{known}");
    assert_eq!(
        (&known["retcode"], &known["identity_id"], &known["name"], &known["pass"]),
        (&json!("1"), &json!("1001"), &json!("Barack Obama"), &json!(true))
    );
    assert!(known.get("data").is_none() && known["identity_info"]["name"] == "Barack Obama", "{known}");
    let score = known["score"].as_f64().unwrap();
    assert!((0.82..=1.0).contains(&score), "{score}");
    assert_eq!(known["reg_pic"], photo_base64("obama-1.jpg"), "the registry photo, since it was asked for");
    let told = bed.wait("told in real time", |entry| entry.kind == "realtime");
    assert_eq!(told.body["ext_data"]["event_id"], known["event_id"]);

    // The same person again is answered, and makes no second event; a stranger has no id.
    let (_, again) = ask(&bed, &with("obama-3.jpg", json!({})));
    assert_eq!((&again["retcode"], &again["event_id"]), (&json!("1"), &json!("")), "{again}");
    assert!(again.get("reg_pic").is_none());
    let (status, stranger) = ask(&bed, &with("biden-1.jpg", json!({ "device_ip": "snap" })));
    assert_eq!(
        (
            status,
            &stranger["retcode"],
            &stranger["identity_id"],
            &stranger["name"],
            &stranger["identity_info"]
        ),
        (200, &json!("0"), &json!(""), &json!("stranger"), &json!({}))
    );
    // By its published id, too.
    let (_, body) = http::get(bed.local_port, "/SophonDevice/api/Devices");
    let devices = body["data"]["devices_list"].as_array().unwrap().clone();
    let id = devices.iter().find(|device| device["device_ip"] == "snap").unwrap()["device_id"].clone();
    let (status, by_id) = ask(&bed, &with("obama-2.jpg", json!({ "device_ip": id })));
    assert_eq!((status, &by_id["identity_id"]), (200, &json!("1001")), "{by_id}");
    bed.stop();
    assert_eq!(events(&bed).len(), 3);
}

#[test]
fn a_time_near_by_is_the_events() {
    let mut bed = bed_with("dedup_s = 0");
    let now_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let near = now_ms - 100_000;
    for (compare_time, expected) in [
        (json!(near), Some(near)),
        (json!(near / 1000), Some(near / 1000 * 1000)),
        (json!(now_ms - 3_600_000), None),
    ] {
        let (status, answer) = ask(&bed, &with("obama-2.jpg", json!({ "compare_time": compare_time })));
        assert_eq!(status, 200, "{answer}");
        let told = bed.wait("the event", |entry| {
            entry.kind == "realtime" && entry.body["ext_data"]["event_id"] == answer["event_id"]
        });
        let at = told.body["timestamp"].as_u64().unwrap();
        match expected {
            Some(expected) => assert_eq!(at, expected),
            None => assert!(at >= now_ms, "{at} for {compare_time}"),
        }
    }
    bed.stop();
}

#[test]
fn what_cannot_be_answered_has_its_code() {
    let mut bed = bed_with("dedup_s = 3600");
    for (what, body, status, code) in [
        ("no device", with("obama-2.jpg", json!({ "device_ip": "" })), 400, 40091),
        ("an unknown device", with("obama-2.jpg", json!({ "device_ip": "10.9.9.9" })), 404, 40491),
        ("no picture", with("obama-2.jpg", json!({ "rgb_image_base64": null })), 400, 40091),
        ("a file by name", with("obama-2.jpg", json!({ "image_file_path": "/etc/hostname" })), 400, 40091),
        ("infrared", with("obama-2.jpg", json!({ "liveness_mode": "liveness_rgb_ir" })), 501, 50100),
        ("no base64", with("obama-2.jpg", json!({ "rgb_image_base64": "?!" })), 400, 40003),
        ("no face", with("coffee.png", json!({})), 400, 40004),
    ] {
        let (found, answer) = ask(&bed, &body);
        assert_eq!((found, answer["error"]["code"].as_i64()), (status, Some(code)), "{what}: {answer}");
    }
    let (status, answer) =
        http::call(bed.local_port, "POST", MATCH, &[("Content-Type", "text/plain")], b"{}");
    assert_eq!((status, &answer["error"]["code"]), (415, &json!(41591)));
    assert_eq!((counted(&bed, "terminal", "no_face"), counted(&bed, "terminal", "undecodable")), (1.0, 1.0));
    // An infrared picture beside the other is read and ignored.
    let (status, answer) = ask(&bed, &with("obama-2.jpg", json!({ "ir_image_base64": "AAAA" })));
    assert_eq!((status, &answer["retcode"]), (200, &json!("1")), "{answer}");
    bed.stop();
}

/// The token of a device is for its own pictures, over this call as over the others.
#[test]
fn a_devices_token_is_for_its_own_pictures() {
    let mut bed = bed_with("dedup_s = 0");
    let token = new_token(&bed, &["gate", "--device", "terminal"]);
    let bearer = format!("Bearer {token}");
    let ask = |device: &str| {
        let body = with("obama-2.jpg", json!({ "device_ip": device })).to_string();
        http::call(
            bed.local_port,
            "POST",
            MATCH,
            &[("Content-Type", JSON), ("Authorization", bearer.as_str())],
            body.as_bytes(),
        )
    };
    assert_eq!(ask("terminal").1["identity_id"], "1001");
    let (status, answer) = ask("snap");
    assert_eq!(status, 403, "{answer}");
    let devices = http::call(
        bed.local_port,
        "GET",
        "/SophonDevice/api/Devices",
        &[("Authorization", bearer.as_str())],
        b"",
    );
    assert_eq!(devices.0, 403, "{}", devices.1);
    bed.stop();
}
