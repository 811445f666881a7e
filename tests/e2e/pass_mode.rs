//! `control_config`'s `passmode`: who may pass at the whole box.

use std::time::Duration;

use serde_json::{Value, json};

use crate::http;
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, is_history_of, photo, photo_base64, start_camera};

fn control(bed: &TestBed, fields: Value) -> Value {
    let reply = bed.command(json!({ "method": "control_config", "config_field": fields }));
    assert_eq!(reply["success"], true, "{reply}");
    reply["result"].clone()
}

fn set(bed: &TestBed, mode: &str) {
    let result = control(bed, json!({ "passmode": mode }));
    assert_eq!(result, json!({ "success_field": { "passmode": mode }, "faild_field": {} }));
}

fn add_blacklisted(bed: &TestBed, id: &str, file: &str) {
    let user = json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": "not him", "type": 3 } });
    let reply = bed.command(json!({ "method": "add_users_plus", "user_info_list": [user] }));
    assert_eq!(reply["result"]["success_users"].as_array().map(Vec::len), Some(1), "{reply}");
}

fn health(bed: &TestBed) -> Value {
    serde_json::from_str(&menshen_testbed::scrape::get(bed.port, "/healthz")).unwrap()
}

#[test]
fn the_platform_says_who_may_pass_at_devices_that_send_photos() {
    let mut bed = TestBed::with_platform(|_| ());
    let device = |ip: &str, more: &str| {
        format!(
            "\n[[devices]]\nip = \"{ip}\"\ntype = \"turnstile\"\npipeline = \"post\"\ndedup_s = 0\n{more}\n"
        )
    };
    bed.add_config(&device("gate", ""));
    bed.add_config(&device("own", "pass_mode = \"all_pass\""));
    bed.add_config(&device("shut", "pass_mode = \"all_forbidden\""));
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    add_blacklisted(&bed, "666", "biden-1.jpg");
    let passes = |bed: &TestBed, ip: &str, file: &str| {
        let path = format!("/SophonFogSys/api/Recognize?ip={ip}");
        let kind = [("Content-Type", "image/jpeg")];
        let (status, body) = http::call(bed.local_port, "POST", &path, &kind, &photo(file));
        assert_eq!(status, 200, "{body}");
        body["data"]["pass"].as_bool().unwrap()
    };
    let of_unknown = |bed: &TestBed| ["gate", "own", "shut"].map(|ip| passes(bed, ip, "astronaut.png"));
    assert_eq!(of_unknown(&bed), [false, true, false], "normal");
    assert_eq!(health(&bed)["pass_mode"], Value::Null);

    set(&bed, "allpass");
    assert_eq!(of_unknown(&bed), [true, true, false], "a device's own mode counts before the box's");
    assert!(
        !passes(&bed, "gate", "biden-1.jpg") && !passes(&bed, "own", "biden-1.jpg"),
        "the blacklist never"
    );
    assert_eq!(health(&bed)["pass_mode"], "allpass");
    assert!(bed.log().contains("who may pass"), "{}", bed.log());
    bed.kill9();
    bed.start();
    assert_eq!(of_unknown(&bed), [true, true, false], "kept over kill -9");

    set(&bed, "allforbidden");
    assert_eq!(of_unknown(&bed), [false; 3], "above a device's own mode");
    assert!(!passes(&bed, "gate", "obama-2.jpg"), "nobody");

    let result = control(&bed, json!({ "passmode": "open", "ir_collection": true, "threshold": 82 }));
    assert_eq!(
        result,
        json!({ "success_field": { "threshold": 82 }, "faild_field": { "passmode": "open", "ir_collection": true } })
    );
    let six = json!({
        "threshold": 82, "threshold_range": [0, 82, 100], "support_stranger_group": false, "passmode": "allforbidden",
        "history_upload_need_info": false, "ir_collection": false,
    });
    assert_eq!(control(&bed, six.clone()), json!({ "success_field": six, "faild_field": {} }));
    assert!(!passes(&bed, "gate", "obama-2.jpg"), "a wrong word changes nothing");
    set(&bed, "normal");
    assert!(passes(&bed, "gate", "obama-2.jpg"));
    assert_eq!(of_unknown(&bed), [false, true, false]);
    bed.stop();
}

#[test]
fn a_gate_with_a_camera_opens_for_anyone_once_a_passage() {
    let relay = Receiver::new(|_| 200);
    let mut camera = start_camera("lobby", &["astronaut.png", "biden-1.jpg", "obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_camera(&camera);
    bed.set("devices.0.type", "\"turnstile\"");
    bed.set("devices.0.action_url", &format!("{:?}", relay.url() + "?m={mode}"));
    bed.set("gate.pass_mode", "\"all_pass\"");
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    add_blacklisted(&bed, "666", "biden-1.jpg");
    camera.go().unwrap();
    for (who, opened) in [("", 1), ("666", 1), ("1001", 2)] {
        bed.wait("the passage is over", |entry| {
            is_history_of("lobby")(entry) && entry.body["identity_id"] == who
        });
        eventually("doors that were asked", SOON, || (relay.got().len() >= opened).then_some(()));
        assert_eq!(relay.got().len(), opened, "after `{who}`: {:?}", relay.got());
    }
    // A second opening would have come by now.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(relay.got().len(), 2);
    // `avoid` is above it.
    let mode = json!({ "controller_mode": "avoid" });
    assert_eq!(http::json(bed.local_port, "POST", "/SophonFogSys/api/GateControllerMode", &mode).0, 200);
    let before = bed.platform.ledger().len();
    bed.wait("a stranger has passed again", |entry| {
        entry.number >= before && is_history_of("lobby")(entry) && entry.body["identity_id"] == ""
    });
    assert_eq!(relay.got().len(), 2);
    bed.stop();
}

#[test]
fn the_platform_says_whether_history_tells_of_the_face() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_config("\n[[devices]]\nip = \"gate\"\ntype = \"turnstile\"\npipeline = \"post\"\ndedup_s = 0\n");
    bed.start();
    let told = |bed: &TestBed| {
        let before = bed.platform.ledger().len();
        let kind = [("Content-Type", "image/jpeg")];
        http::call(
            bed.local_port,
            "POST",
            "/SophonFogSys/api/Recognize?ip=gate",
            &kind,
            &photo("obama-2.jpg"),
        );
        let of_gate = |entry: &menshen_testbed::platform::ledger::Entry| {
            entry.number >= before && is_history_of("gate")(entry)
        };
        bed.wait("history", of_gate).body["ext_data"].get("info").is_some()
    };
    assert!(!told(&bed));
    control(&bed, json!({ "history_upload_need_info": true }));
    assert!(told(&bed));
    bed.kill9();
    bed.start();
    assert!(told(&bed), "kept over kill -9");
    // What was said last counts before the login.
    bed.platform.patch_login(json!({ "recordUploadInfo": 1 }));
    control(&bed, json!({ "history_upload_need_info": false }));
    bed.stop();
    bed.start();
    assert!(!told(&bed));
    let output = bed.run(&["settings", "reset", "events.history_face_info"]);
    assert!(output.status.success(), "{output:?}");
    assert!(told(&bed), "as the login says");
    bed.stop();
}
