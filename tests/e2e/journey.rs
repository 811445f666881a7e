//! The main job: log in, enrol, see, recognise, report.

use serde_json::json;

use crate::fields::{
    DEVICE, DEVICE_LIST, STATUS, STATUS_DEVICE, STATUS_FACTS, assert_between, assert_event, assert_keys,
};
use crate::testbed::{DEV_SNO, TestBed, is_history_of, photo, photo_base64, start_camera};
use menshen_testbed::camera_process::TestCamera;

const COMMAND_FIELDS: [&str; 7] =
    ["success", "code", "message", "dev_sno", "messageKey", "messageId", "result"];

/// Both forms of `add_users_plus`, all three ways of giving a photo, and what is refused.
fn enrol(bed: &TestBed) {
    let people = bed.platform.people();
    people.add_photo("biden.jpg", photo("biden-1.jpg"));
    people.add("1003", "No Face", photo("coffee.png"));
    people.add("1001", "Barack Obama", photo("obama-1.jpg"));
    let details = json!({
        "method": "add_users_plus",
        "messageId": "replaced",
        "user_info_list": [
            { "identity_id": 1002, "reg_url": bed.platform.url("/img/biden.jpg"), "register_type": "1",
              "info": { "name": "Joe Biden", "type": 5, "permission_ids": ["0", "7"], "desk": "oval" } },
            { "identity_id": "1004", "reg_photo": format!("data:image/png;base64,{}", photo_base64("astronaut.png")),
              "info": { "name": "Eileen Collins" } },
            { "identity_id": "1005", "info": { "name": "No Photo" } },
        ],
    });
    let reply = bed.command(details);
    assert_keys(&reply, &COMMAND_FIELDS);
    assert_eq!(
        (&reply["success"], &reply["code"], &reply["dev_sno"]),
        (&json!(true), &json!(0), &json!(DEV_SNO))
    );
    assert_eq!(reply["messageKey"], "add_users_plus");
    let biden = &reply["result"]["success_users"][0];
    assert_eq!(
        *biden,
        json!({ "userid": "1002", "username": "Joe Biden", "type": 5, "message": "success", "code": 0 })
    );
    let failed = reply["result"]["failed_users"].as_array().unwrap();
    let codes: Vec<_> = failed
        .iter()
        .map(|user| (user["userid"].as_str().unwrap(), user["code"].as_i64().unwrap()))
        .collect();
    // Eileen Collins' face is 90 px in her photo: too small for level high.
    assert_eq!(codes.iter().find(|(id, _)| *id == "1004").unwrap().1, 40009, "{failed:?}");
    assert_eq!(codes.iter().find(|(id, _)| *id == "1005").unwrap().1, 40071, "{failed:?}");
    assert_keys(&failed[0], &["userid", "username", "type", "message", "code"]);

    let by_id = json!({
        "method": "add_users_plus",
        "userid_list": ["1001", "1003", "9999"],
        "extend_params": { "path": "/box/users" },
    });
    let reply = bed.command(by_id);
    let result = &reply["result"];
    assert_eq!(
        result["success_users"],
        json!([{ "userid": "1001", "username": "Barack Obama", "type": 1, "message": "success", "code": 0 }])
    );
    let codes: Vec<_> = result["failed_users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["userid"].clone(), user["code"].clone()))
        .collect();
    assert!(codes.contains(&(json!("1003"), json!(40004))), "no face: {codes:?}");
    assert!(codes.contains(&(json!("9999"), json!(50074))), "the platform does not know it: {codes:?}");
    let asked = bed.platform.ledger().of_kind("users");
    assert_eq!(asked[0].body, json!({ "userid_list": ["1001", "1003", "9999"] }));
}

fn check_device_list(bed: &TestBed, camera: &TestCamera) {
    let number = bed.wait_device("lobby", "online", 0);
    let list = &bed.platform.ledger().since(number, |_| true)[0].body;
    assert_keys(list, DEVICE_LIST);
    assert_eq!(list["devSno"], DEV_SNO);
    let device = &list["deviceList"][0];
    assert_keys(device, DEVICE);
    assert_eq!(device["epId"], format!("{DEV_SNO}__lobby"));
    assert_eq!((&device["epType"], &device["direction"]), (&json!("3"), &json!(0)));
    assert_eq!((&device["epName"], &device["memo"]), (&json!("lobby door"), &json!("by the lift")));
    assert_eq!((&device["epStreamUrl"], &device["isMonitor"]), (&json!(camera.url()), &json!(true)));
    assert_eq!(device["privilegeGroupKey"], "0");
    let seconds = device["lastMonitorTime"].as_u64().unwrap();
    assert!((1_700_000_000..10_000_000_000).contains(&seconds), "seconds, not {seconds}");
}

fn check_status(bed: &TestBed) {
    let body = bed.wait("a status report", |entry| entry.kind == "status" && entry.is_accepted()).body;
    assert_keys(&body, STATUS);
    assert_eq!((&body["gateway_status"], &body["dev_sno"]), (&json!("online"), &json!(DEV_SNO)));
    let facts = &body["gateway_ext_data"];
    assert_keys(facts, STATUS_FACTS);
    assert_between(&facts["cpu_usage"], 0.0, 100.0);
    assert_between(&facts["memory_usage"], 0.001, 1.0);
    assert_between(&facts["memory_size"], 0.5, 10_000.0);
    assert!(facts["temperature"].is_i64(), "{facts}");
    let device = &body["sub_devices"][0];
    assert_keys(device, STATUS_DEVICE);
    assert_eq!(
        (&device["ep_id"], &device["ep_location"]),
        (&json!(format!("{DEV_SNO}__lobby")), &json!("ground floor"))
    );
}

#[test]
fn people_are_enrolled_recognised_and_reported() {
    let mut camera = start_camera("lobby", &["obama-2.jpg", "biden-1.jpg@mirror", "astronaut.png"], &[]);
    let mut bed = TestBed::with_platform(|config| config.receivers = 2);
    bed.add_camera(&camera);
    bed.start();
    let login = &bed.platform.ledger().of_kind("login")[0].body;
    assert_eq!(login["dev_sno"], DEV_SNO);
    let mac = login["hex_mac"].as_str().unwrap();
    assert!(mac.len() == 14 && mac.starts_with("0x") && !mac.contains(char::is_uppercase), "{mac}");
    check_device_list(&bed, &camera);
    check_status(&bed);
    enrol(&bed);

    camera.go().unwrap();
    let live = bed
        .wait("Obama in real time", |entry| entry.kind == "realtime" && entry.body["identity_id"] == "1001");
    assert_event(&live.body, false);
    assert_eq!(
        (&live.body["identity_name"], &live.body["ext_data"]["person_type"]),
        (&json!("Barack Obama"), &json!(1))
    );
    assert_between(&live.body["score"], 0.82, 1.0);
    let walk = &camera.reported("walk-begins")[0];
    let seen = live.body["ext_data"]["in_timestamp"].as_u64().unwrap();
    assert!(seen >= walk["at_ms"].as_u64().unwrap(), "the passage began with the walk");

    let stranger = bed.wait("the stranger at receiver 1", |entry| {
        entry.path.ends_with("/1") && entry.body["ext_data"]["person_type"] == 4
    });
    assert_event(&stranger.body, true);
    assert_eq!(
        (&stranger.body["identity_name"], &stranger.body["identity_id"]),
        (&json!("stranger"), &json!(""))
    );
    assert_eq!(stranger.body["want_action"], "0");
    for receiver in ["/box/record/0", "/box/record/1"] {
        bed.wait("the stranger at both receivers", |entry| {
            entry.path == receiver && entry.body["ext_data"]["person_type"] == 4
        });
        let got = bed.platform.ledger().since(0, |entry| entry.path == receiver);
        let names: Vec<_> = got.iter().map(|entry| entry.body["identity_name"].as_str().unwrap()).collect();
        assert_eq!(&names[..3], ["Barack Obama", "Joe Biden", "stranger"], "one event a passage, in order");
        assert_event(&got[0].body, true);
        assert_eq!(got[0].body["ext_data"]["ep_id"], format!("{DEV_SNO}__lobby"));
        assert_eq!(got[0].body["ext_data"]["dev_sno"], DEV_SNO);
        assert_eq!(
            got[0].body["ext_data"]["event_id"], live.body["ext_data"]["event_id"],
            "the same event both ways"
        );
        assert_eq!(got[1].body["ext_data"]["person_type"], 5, "a VIP");
    }
    assert!(
        bed.platform
            .ledger()
            .of_kind("realtime")
            .iter()
            .all(|entry| entry.body["ext_data"]["person_type"] != 4),
        "strangers are history only"
    );

    let reply = bed.command(json!({ "method": "delete_users", "userid_list": ["1001", "nobody"] }));
    let deleted: Vec<_> = reply["result"]["success_users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["userid"].clone())
        .collect();
    assert_eq!(deleted, ["1001"]);
    assert_keys(&reply["result"]["success_users"][0], &["userid", "message", "code"]);
    let passed = camera.reported("walk-ended").len();
    let later = bed.platform.ledger().len();
    bed.wait("the deleted person is a stranger now", |entry| {
        entry.number >= later && is_history_of("lobby")(entry) && entry.body["identity_name"] == "stranger"
    });
    assert!(camera.reported("walk-begins").len() > passed);
    bed.stop();
}

#[test]
fn replies_go_to_notify_path_without_an_upload_queue() {
    let mut bed = TestBed::with_platform(|config| config.upload_queue = false);
    bed.start();
    let people = bed.platform.people();
    people.add("1001", "Barack Obama", photo("obama-1.jpg"));
    let command = json!({
        "method": "add_users_plus",
        "userid_list": ["1001"],
        "extend_params": { "path": bed.platform.url("/box/users"), "notify_path": "/box/notify" },
    });
    let reply = bed.command(command);
    assert_keys(&reply, &COMMAND_FIELDS);
    assert_eq!(reply["result"]["success_users"][0]["userid"], "1001");
    assert_eq!(bed.platform.ledger().of_kind("notify").len(), 1);
    assert!(bed.platform.ledger().of_kind("reply").is_empty());
    // Without a way back the command is carried out all the same.
    bed.platform.publish(&json!({ "method": "delete_users", "userid_list": ["1001"] })).unwrap();
    crate::testbed::eventually("nobody is enrolled", crate::testbed::SOON, || {
        (bed.metric("menshen_registry_people") == 0.0).then_some(())
    });
    bed.stop();
}
