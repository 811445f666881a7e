//! Section 3: commands and their replies. Section 5: FIQA requests.

use serde_json::{Value, json};

use crate::fields::{assert_between, assert_keys};
use crate::row::{Row, seen, tested};
use crate::testbed::DEV_SNO;

const REPLY: [&str; 7] = ["success", "code", "message", "dev_sno", "messageKey", "messageId", "result"];

/// A whole refusal with this code, and a text that says more than the code's own.
fn assert_refused(reply: &Value, code: i64) {
    assert_eq!((&reply["success"], &reply["code"]), (&json!(false), &json!(code)), "{reply}");
    assert!(reply["message"].as_str().unwrap().len() > 5, "{reply}");
}

fn assert_done(reply: &Value) {
    assert_eq!((&reply["success"], &reply["code"]), (&json!(true), &json!(0)), "{reply}");
}

pub const ROWS: &[Row] = &[
    seen("3", "every reply has exactly the documented fields", |e| {
        for reply in e.replies.values() {
            assert_keys(reply, &REPLY);
        }
    }),
    seen("3", "messageKey is the method, dev_sno the box's", |e| {
        assert_eq!(e.reply("add ids")["messageKey"], "add_users_plus");
        assert_eq!(e.reply("delete")["messageKey"], "delete_users");
        assert!(e.replies.values().all(|reply| reply["dev_sno"] == DEV_SNO));
    }),
    seen("3", "messageId only where the command had one", |e| {
        let replies = e.entries.iter().filter(|entry| entry.is_reply());
        let nameless: Vec<_> = replies.filter(|entry| entry.body.get("messageId").is_none()).collect();
        assert_eq!(nameless.len(), 1, "the scenario sends one command without an id");
        assert_eq!(nameless[0].body["messageKey"], "sync_permissions");
    }),
    seen("3", "replies come over uploadQueue where the login names one", |e| {
        assert!(e.entries.iter().any(|entry| entry.kind == "reply"));
        assert!(e.entries.iter().all(|entry| entry.kind != "notify"));
    }),
    tested(
        "3",
        "else as a POST to notify_path, else not at all",
        "journey::replies_go_to_notify_path_without_an_upload_queue",
    ),
    seen("3", "messages are English where the configuration says so", |e| {
        assert_eq!(e.reply("delete")["message"], "success");
    }),
    tested(
        "3",
        "acknowledged only when durable and answered: a broker killed in the middle",
        "kills::a_killed_broker_costs_no_reply_and_no_event",
    ),
    seen("3", "add_users_plus: success_users as documented", |e| {
        let user = e.user("add ids", "success_users", "1001");
        assert_eq!(
            *user,
            json!({"userid": "1001", "username": "Barack Obama", "type": 1, "message": "success", "code": 0})
        );
    }),
    seen("3", "add_users_plus: failed_users as documented, each with its code", |e| {
        let user = e.user("add ids", "failed_users", "1003");
        assert_keys(user, &["userid", "username", "type", "message", "code"]);
        assert_eq!(user["code"], 40004);
    }),
    seen("3", "add_users_plus: each user succeeds or fails alone", |e| assert_done(e.reply("add ids"))),
    seen("3", "add_users_plus: details come from POST path with the ids", |e| {
        let asked = e.entries.iter().find(|entry| entry.kind == "users").expect("details were asked for");
        assert_eq!((asked.status, &asked.body), (200, &json!({"userid_list": ["1001", "1003", "9999"]})));
    }),
    seen("3", "add_users_plus: an id the platform gives no details for fails with 50074", |e| {
        assert_eq!(e.user("add ids", "failed_users", "9999")["code"], 50074);
    }),
    seen("3", "add_users_plus: reg_photo, reg_url and relative_pic_url", |e| {
        assert_eq!(e.user("add details", "success_users", "1007")["code"], 0, "reg_photo");
        assert_eq!(e.user("add details", "success_users", "1002")["code"], 0, "reg_url");
        assert_eq!(e.user("add ids", "success_users", "1001")["code"], 0, "relative_pic_url");
    }),
    seen("3", "add_users_plus: one of the three must be there", |e| {
        assert_eq!(e.user("add details", "failed_users", "1005")["code"], 40071);
    }),
    seen("3", "add_users_plus: register_type 1 must pass level high", |e| {
        assert_eq!(e.user("add details", "failed_users", "1004")["code"], 40009, "its face is 90 px");
    }),
    seen("3", "add_users_plus: register_type 2 must pass level custom", |e| {
        assert_eq!(e.user("add details", "success_users", "1006")["code"], 0, "the same photo");
    }),
    seen("3", "add_users_plus: an existing id is overwritten", |e| {
        assert_eq!(e.user("overwrite", "success_users", "1002")["username"], "Joseph Biden");
    }),
    tested(
        "3",
        "add_users_plus: an update with a wrong photo leaves the old record",
        "bad_input::an_update_with_a_bad_photo_leaves_the_old_record",
    ),
    seen("3", "add_users_plus: info is kept and returned as it came", |e| {
        let user = &e.local["users 1002"]["data"]["users"][0];
        assert_eq!(user["info"]["desk"], "oval", "{user}");
        assert_eq!(user["info"]["permission_ids"], json!(["0", "7"]), "{user}");
    }),
    seen("3", "delete_users: success and failed users as documented", |e| {
        let user = &e.user("delete", "success_users", "1002");
        assert_keys(user, &["userid", "message", "code"]);
        assert_eq!(user["code"], 0);
    }),
    seen("3", "delete_users: an unknown id is skipped, the rest go on", |e| {
        assert_eq!(e.user("delete", "failed_users", "nobody")["code"], 40401);
        assert_done(e.reply("delete"));
    }),
    seen("3", "sync_permissions: as documented", |e| {
        assert_done(e.reply("permissions"));
        let group = &e.reply("permissions")["result"]["success_permission"][0];
        let expected = json!({
            "permission_id": "7", "permission_name": "oval office", "permission_description": "one desk",
            "message": "success", "code": 0,
        });
        assert_eq!(*group, expected);
        assert_eq!(e.reply("permissions")["result"]["failed_permission"], json!([]));
    }),
    seen("3", "wipe_data: echoes its options", |e| {
        assert_done(e.reply("wipe"));
        assert_eq!(e.reply("wipe")["result"], json!({"wipe_options": {"users": true, "events": true}}));
    }),
    seen("3", "wipe_data: nobody and nothing is left", |e| {
        assert_eq!(e.local["users after wipe"]["data"]["total"], 0, "{}", e.local["users after wipe"]);
    }),
    seen("3", "control_config: fields succeed and fail alone, under the wire's names", |e| {
        let result = &e.reply("control")["result"];
        assert_keys(result, &["success_field", "faild_field"]);
        assert_eq!(result["success_field"]["threshold"], 85.0, "{result}");
        assert_eq!(result["success_field"]["support_stranger_group"], false, "{result}");
        assert!(result["faild_field"].get("threshold_range").is_some(), "it does not rise: {result}");
    }),
    seen("3", "control_config: the score scale is 0 to 100, the pass mark 82 by default", |e| {
        assert_between(&e.live()["score"], 0.82, 1.0);
    }),
    seen("3", "an unknown method is answered with 50100", |e| assert_refused(e.reply("unknown"), 50100)),
    seen("3", "a missing must-field is answered with 40071", |e| {
        assert_refused(e.reply("incomplete"), 40071);
    }),
    seen("3", "extend_params may be null, unknown fields are passed over", |e| {
        assert_done(e.reply("liberal"));
    }),
    seen("5", "fiqa: data holds one face result with exactly the documented fields", |e| {
        assert_done(e.reply("fiqa"));
        let faces = e.reply("fiqa")["result"]["data"].as_array().unwrap();
        assert_eq!(faces.len(), 1);
        assert_keys(&faces[0], &["bbox", "fiqa_result", "score", "success", "fails", "info"]);
        assert_eq!(faces[0]["bbox"].as_array().unwrap().len(), 4);
        assert_between(&faces[0]["score"], 0.0, 1.0);
        let info = &faces[0]["info"];
        for field in ["brightness", "clarity", "face_size", "mask"] {
            assert!(info[field].is_f64() || info[field].is_i64(), "{field}: {info}");
        }
        assert_keys(&info["headpose"], &["pitch_angle", "roll_angle", "yaw_angle"]);
        assert!(info["partial"].is_boolean());
    }),
    seen("5", "fiqa: level high is the default and takes a good photo", |e| {
        assert_eq!(e.reply("fiqa")["result"]["data"][0]["fiqa_result"], true);
    }),
    seen("5", "fiqa: high refuses a face of 90 px by face_size; middle takes it", |e| {
        let high = &e.reply("fiqa small")["result"]["data"][0];
        assert_eq!((&high["fiqa_result"], &high["fails"]), (&json!(false), &json!(["face_size"])));
        assert_eq!(e.reply("fiqa middle")["result"]["data"][0]["fiqa_result"], true);
    }),
    seen("5", "fiqa: level no checks nothing", |e| {
        let face = &e.reply("fiqa no")["result"]["data"][0];
        assert_eq!((&face["fiqa_result"], &face["fails"]), (&json!(true), &json!([])));
    }),
    tested(
        "5",
        "fiqa: recognize_face_attr, ours, only where the configuration asks for it",
        "attributes::a_device_that_asks_has_guesses_in_its_events_and_no_other_has",
    ),
    seen("5", "fiqa: no face is 40004 with an empty data", |e| {
        assert_refused(e.reply("fiqa no face"), 40004);
        assert_eq!(e.reply("fiqa no face")["result"]["data"], json!([]));
    }),
    seen("5", "fiqa: what cannot be decoded is 40003", |e| assert_refused(e.reply("fiqa broken"), 40003)),
    seen("5", "fiqa: an unknown level is 40071", |e| assert_refused(e.reply("fiqa level"), 40071)),
];
