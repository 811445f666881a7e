//! The scenario: one box between a real broker, a platform and a camera, through everything of the protocol once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::evidence::Evidence;
use crate::http;
use crate::testbed::{TestBed, photo, photo_base64, start_camera};

pub fn play() -> Evidence {
    let mut camera = start_camera("lobby", &["obama-2.jpg", "astronaut.png"], &[]);
    let mut bed = TestBed::with_platform(|config| config.receivers = 2);
    let stream_url = camera.url().replacen("rtsp://", "rtsp://keeper:opensesame@", 1);
    bed.add_device("lobby", "rtsp", &stream_url);
    let mut evidence = Evidence { stream_url, ..Evidence::default() };

    bed.start();
    bed.wait_device("lobby", "online", 0);
    enrol(&bed, &mut evidence);
    judge_photos(&bed, &mut evidence);
    local_api(bed.local_port, &mut evidence);

    camera.go().unwrap();
    watch(&bed);
    evidence.walk_began_ms = camera.reported("walk-begins")[0]["at_ms"].as_u64().unwrap();

    // A restart: the device list is reported again.
    bed.stop();
    evidence.log = bed.log();
    bed.start();
    bed.wait_device("lobby", "online", bed.platform.ledger().len());
    administer(&bed, &mut evidence);
    bed.stop();
    evidence.log += &bed.log();
    evidence.entries = bed.platform.ledger().since(0, |_| true);
    evidence
}

fn enrol(bed: &TestBed, evidence: &mut Evidence) {
    let people = bed.platform.people();
    people.add_photo("biden.jpg", photo("biden-1.jpg"));
    people.add_raw(
        "1001",
        json!({
            "identity_id": "1001", "relative_pic_url": "/img/obama.jpg", "info": { "name": "Barack Obama" },
        }),
    );
    people.add_photo("obama.jpg", photo("obama-1.jpg"));
    people.add("1003", "No Face", photo("coffee.png"));
    let by_id = json!({
        "method": "add_users_plus", "userid_list": ["1001", "1003", "9999"], "extend_params": { "path": "/box/users" },
    });
    evidence.replies.insert("add ids", bed.command(by_id));
    let small = photo_base64("astronaut.png");
    let details = json!({ "method": "add_users_plus", "user_info_list": [
        { "identity_id": 1002, "reg_url": bed.platform.url("/img/biden.jpg"), "register_type": "1",
          "info": { "name": "Joe Biden", "type": 5, "permission_ids": ["0", "7"], "desk": "oval" } },
        { "identity_id": "1004", "reg_photo": format!("data:image/png;base64,{small}"), "info": { "name": "Small" } },
        { "identity_id": "1005", "info": { "name": "No Photo" } },
        { "identity_id": "1006", "reg_photo": small, "register_type": 2, "info": { "name": "stranger", "type": 4, "permission_ids": ["9"] } },
        { "identity_id": "1007", "reg_photo": format!("data:image/jpeg;base64,{}", photo_base64("biden-1.jpg")),
          "info": { "name": "Twin", "permission_ids": ["9"] } },
    ]});
    evidence.replies.insert("add details", bed.command(details));
    let liberal = json!({
        "method": "delete_users", "userid_list": [1007], "extend_params": null, "brand_new": { "x": 1 },
    });
    evidence.replies.insert("liberal", bed.command(liberal));
}

fn judge_photos(bed: &TestBed, evidence: &mut Evidence) {
    let mut fiqa = |name, photo: String, level: Option<&str>| {
        let mut info = json!({ "image_base64_str": photo });
        if let Some(level) = level {
            info["fiqa_level"] = json!(level);
        }
        evidence.replies.insert(name, bed.command(json!({ "method": "fiqa", "info": info })));
    };
    fiqa("fiqa", photo_base64("obama-1.jpg"), None);
    fiqa("fiqa small", photo_base64("astronaut.png"), Some("high"));
    fiqa("fiqa middle", photo_base64("astronaut.png"), Some("middle"));
    fiqa("fiqa no", photo_base64("astronaut.png"), Some("no"));
    fiqa("fiqa no face", photo_base64("coffee.png"), Some("high"));
    fiqa("fiqa broken", "AAAA".to_owned(), Some("high"));
    fiqa("fiqa level", photo_base64("obama-1.jpg"), Some("excellent"));
}

/// Waits until the known person and the stranger were reported every way.
fn watch(bed: &TestBed) {
    bed.wait("Obama in real time", |entry| entry.kind == "realtime" && entry.body["identity_id"] == "1001");
    for receiver in ["/box/record/0", "/box/record/1"] {
        for kind in [1, 4] {
            bed.wait("both at both receivers", |entry| {
                entry.path == receiver && entry.body["ext_data"]["person_type"] == kind
            });
        }
    }
    let reports = |entry: &menshen_testbed::platform::ledger::Entry| entry.kind == "status";
    assert!(
        bed.platform.ledger().wait_count(Duration::from_secs(20), 4, reports).len() >= 4,
        "status reports"
    );
}

fn administer(bed: &TestBed, evidence: &mut Evidence) {
    let mut send = |name, command: Value| {
        evidence.replies.insert(name, bed.command(command));
    };
    send(
        "overwrite",
        json!({ "method": "add_users_plus", "user_info_list": [
            { "identity_id": "1002", "reg_photo": photo_base64("biden-1.jpg"), "info": { "name": "Joseph Biden" } },
        ]}),
    );
    send("delete", json!({ "method": "delete_users", "userid_list": ["1002", "nobody"] }));
    let group = json!([{ "id": "7", "info": { "name": "oval office", "description": "one desk" } }]);
    send("permissions", json!({ "method": "sync_permissions", "permissions_info_list": group }));
    send(
        "control",
        json!({ "method": "control_config", "config_field": {
            "support_stranger_group": false, "threshold": 85.0, "threshold_range": [90, 82, 10],
        }}),
    );
    send("unknown", json!({ "method": "open_sesame" }));
    send("incomplete", json!({ "method": "delete_users" }));
    send("wipe", json!({ "method": "wipe_data", "wipe_options": { "users": true, "events": true } }));
    let wipe = json!({ "users": true, "events": true });
    let port = bed.local_port;
    evidence.local.insert("WipeData", http::json(port, "POST", "/SophonFogSys/api/WipeData", &wipe).1);
    evidence.local.insert("users after wipe", http::get(port, "/SophonFogSys/api/users").1);
    // Without an id the reply has none either.
    let before = bed.platform.ledger().len();
    bed.platform.publish(&json!({ "method": "sync_permissions", "permissions_info_list": [] })).unwrap();
    bed.wait("the nameless reply", |entry| entry.number >= before && entry.is_reply());
}

/// The local API, as the field calls it.
fn local_api(port: u16, evidence: &mut Evidence) {
    let mut keep = |name, (_, answer): (u16, Value)| {
        evidence.local.insert(name, answer);
    };
    keep("users 1002", http::get(port, "/SophonFogSys/api/users?identity_id=1002"));
    keep("users page", http::get(port, "/SophonFogSys/api/users?limit=1&skip_num=1"));
    for (name, path) in [
        ("DevSno", "/SophonMQ/api/DevSno"),
        ("LoginUrl", "/SophonMQ/api/LoginUrl"),
        ("permissions", "/SophonFogSys/api/permissions"),
        ("HistoryEventUrl", "/SophonFogSys/api/HistoryEventUrl"),
        ("EventServerUrl", "/SophonFogSys/api/EventServerUrl"),
        ("MonitorServerUrl", "/SophonFogSys/api/MonitorServerUrl"),
    ] {
        keep(name, http::get(port, path));
    }
    let mode = "/SophonFogSys/api/GateControllerMode";
    keep("wrong mode", http::json(port, "POST", mode, &json!({ "controller_mode": "ajar" })));
    keep("GateControllerMode", http::json(port, "POST", mode, &json!({ "controller_mode": "avoid" })));
    let jpeg = [("Content-Type", "image/jpeg")];
    keep("recognize", http::call(port, "POST", "/SophonFogSys/api/Recognize", &jpeg, &photo("obama-3.jpg")));
}
