//! `control_config`, and strangers who are known again.

use serde_json::json;

use crate::testbed::{Camera, TestBed, is_history_of};

#[test]
fn values_are_retuned_one_by_one_and_stay_so() {
    let mut camera = Camera::new("lobby", &["obama-2.jpg"], &[]);
    let mut stage = TestBed::with_platform(|_| ());
    stage.add_camera(&camera);
    stage.start();
    stage.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    let reply = stage.command(json!({
        "method": "control_config",
        "config_field": { "threshold": 99.9, "threshold_range": [0, 82, 70], "support_stranger_group": "maybe" },
    }));
    assert_eq!((&reply["success"], &reply["code"]), (&json!(true), &json!(0)));
    let result = &reply["result"];
    crate::fields::assert_keys(result, &["success_field", "faild_field"]);
    assert_eq!(result["success_field"], json!({ "threshold": 99.9 }));
    assert_eq!(
        result["faild_field"],
        json!({ "threshold_range": [0, 82, 70], "support_stranger_group": "maybe" })
    );
    assert!(reply["message"].as_str().unwrap().contains("threshold_range"), "says why: {reply}");

    // At once: nobody is that similar.
    camera.go();
    stage.wait("Obama is nobody now", |entry| {
        is_history_of("lobby")(entry) && entry.body["identity_name"] == "stranger"
    });
    assert!(stage.platform.ledger().of_kind("realtime").is_empty());

    // And after kill -9.
    stage.kill9();
    stage.start();
    let later = stage.platform.ledger().len();
    stage.wait("still nobody", |entry| {
        entry.number >= later && is_history_of("lobby")(entry) && entry.body["identity_name"] == "stranger"
    });
    let reply = stage.command(json!({ "method": "control_config", "config_field": { "threshold": 82 } }));
    assert_eq!(reply["result"]["success_field"], json!({ "threshold": 82 }));
    stage.wait("Obama again", |entry| entry.kind == "realtime" && entry.body["identity_id"] == "1001");
    stage.stop();
}

#[test]
fn a_stranger_is_enrolled_and_known_again() {
    let mut camera = Camera::new("lobby", &["obama-2.jpg", "obama-3.jpg"], &[]);
    let mut stage = TestBed::with_platform(|_| ());
    stage.add_camera(&camera);
    stage.start();
    let switch = |on: bool| {
        let reply = stage
            .command(json!({ "method": "control_config", "config_field": { "support_stranger_group": on } }));
        assert_eq!(reply["result"]["success_field"], json!({ "support_stranger_group": on }));
    };
    switch(true);
    camera.go();
    let first = stage.wait("the stranger is enrolled", |entry| {
        is_history_of("lobby")(entry) && entry.body["want_action"] == "1001"
    });
    crate::fields::assert_event(&first.body, true);
    let id = first.body["identity_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("stranger-"), "{id}");
    assert_eq!(first.body["identity_name"], "stranger");
    assert_eq!(first.body["ext_data"]["person_type"], 4);
    assert!(first.body["reg_pic"].is_string(), "the face crop is the registry photo");
    let again = stage.wait("the same stranger", |entry| {
        entry.number > first.number
            && is_history_of("lobby")(entry)
            && entry.body["identity_id"] == id.as_str()
    });
    assert_eq!(
        (&again.body["want_action"], &again.body["ext_data"]["person_type"]),
        (&json!("0"), &json!(4))
    );
    assert_eq!(stage.metric("menshen_strangers_enrolled_total"), 1.0);
    assert!(stage.platform.ledger().of_kind("realtime").is_empty(), "strangers are history only");

    // Known over a restart, also after no more are enrolled.
    switch(false);
    stage.kill9();
    stage.start();
    let later = stage.platform.ledger().len();
    stage.wait("known over a restart", |entry| {
        entry.number >= later && is_history_of("lobby")(entry) && entry.body["identity_id"] == id.as_str()
    });
    // Enrolled by name, the person goes before the stranger.
    stage.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    stage.wait("known by name", |entry| entry.kind == "realtime" && entry.body["identity_id"] == "1001");
    stage.stop();
}
