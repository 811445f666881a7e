//! `control_config`, and strangers who are known again.

use serde_json::json;

use crate::testbed::{TestBed, is_history_of, start_camera};

#[test]
fn values_are_retuned_one_by_one_and_stay_so() {
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_camera(&camera);
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    let reply = bed.command(json!({
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
    camera.go().unwrap();
    bed.wait("Obama is nobody now", |entry| {
        is_history_of("lobby")(entry) && entry.body["identity_name"] == "stranger"
    });
    assert!(bed.platform.ledger().of_kind("realtime").is_empty());

    // And after kill -9.
    bed.kill9();
    bed.start();
    let later = bed.platform.ledger().len();
    bed.wait("still nobody", |entry| {
        entry.number >= later && is_history_of("lobby")(entry) && entry.body["identity_name"] == "stranger"
    });
    let reply = bed.command(json!({ "method": "control_config", "config_field": { "threshold": 82 } }));
    assert_eq!(reply["result"]["success_field"], json!({ "threshold": 82 }));
    bed.wait("Obama again", |entry| entry.kind == "realtime" && entry.body["identity_id"] == "1001");
    bed.stop();
}

#[test]
fn a_stranger_is_enrolled_and_known_again() {
    let mut camera = start_camera("lobby", &["obama-2.jpg", "obama-3.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_camera(&camera);
    bed.start();
    let switch = |on: bool| {
        let reply = bed
            .command(json!({ "method": "control_config", "config_field": { "support_stranger_group": on } }));
        assert_eq!(reply["result"]["success_field"], json!({ "support_stranger_group": on }));
    };
    switch(true);
    camera.go().unwrap();
    let first = bed.wait("the stranger is enrolled", |entry| {
        is_history_of("lobby")(entry) && entry.body["want_action"] == "1001"
    });
    crate::fields::assert_event(&first.body, true);
    let id = first.body["identity_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("stranger-"), "{id}");
    assert_eq!(first.body["identity_name"], "stranger");
    assert_eq!(first.body["ext_data"]["person_type"], 4);
    assert!(first.body["reg_pic"].is_string(), "the face crop is the registry photo");
    let again = bed.wait("the same stranger", |entry| {
        entry.number > first.number
            && is_history_of("lobby")(entry)
            && entry.body["identity_id"] == id.as_str()
    });
    assert_eq!(
        (&again.body["want_action"], &again.body["ext_data"]["person_type"]),
        (&json!("0"), &json!(4))
    );
    assert_eq!(bed.metric("menshen_strangers_enrolled_total"), 1.0);
    assert!(bed.platform.ledger().of_kind("realtime").is_empty(), "strangers are history only");

    // Known over a restart, also after no more are enrolled.
    switch(false);
    bed.kill9();
    bed.start();
    let later = bed.platform.ledger().len();
    bed.wait("known over a restart", |entry| {
        entry.number >= later && is_history_of("lobby")(entry) && entry.body["identity_id"] == id.as_str()
    });
    // Enrolled by name, the person goes before the stranger.
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    bed.wait("known by name", |entry| entry.kind == "realtime" && entry.body["identity_id"] == "1001");
    bed.stop();
}
