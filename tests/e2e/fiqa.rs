//! Photo checking beside the commands: levels, result fields, refusals, a lane of its own, shared queues.

use std::time::{Duration, Instant};

use menshen_testbed::platform::mq::FIQA_REPLIES;
use serde_json::{Value, json};

use crate::fields::{assert_between, assert_keys};
use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64};

fn fiqa(bed: &TestBed, file: &str, level: &str) -> Value {
    bed.platform
        .fiqa(&photo_base64(file), level, SOON)
        .unwrap_or_else(|error| panic!("{error}:\n{}", bed.log()))
}

fn info(fields: Value) -> Value {
    json!({ "method": "fiqa", "info": fields })
}

fn assert_refused(reply: &Value, code: i64) {
    assert_eq!((&reply["success"], &reply["code"]), (&json!(false), &json!(code)), "{reply}");
    assert_eq!(reply["result"], json!({ "data": [] }), "{reply}");
    assert_eq!(reply["messageKey"], "fiqa");
}

#[test]
fn a_photo_is_judged_by_its_level() {
    let mut bed = TestBed::with_platform(|config| config.fiqa = true);
    bed.start();
    let reply = fiqa(&bed, "obama-1.jpg", "high");
    assert_eq!((&reply["success"], &reply["code"]), (&json!(true), &json!(0)));
    let face = &reply["result"]["data"][0];
    assert_keys(face, &["bbox", "fiqa_result", "score", "success", "fails", "info"]);
    assert_eq!((&face["fiqa_result"], &face["fails"]), (&json!(true), &json!([])));
    let success: Vec<_> =
        face["success"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(success, ["face_size", "headpose", "occlusion", "mask", "partial", "brightness", "clarity"]);
    assert_between(&face["score"], 0.5, 1.0);
    let info_of = &face["info"];
    assert_keys(
        info_of,
        &["brightness", "clarity", "covered", "face_size", "headpose", "mask", "occlusion", "partial"],
    );
    assert_between(&info_of["mask"], 0.0, 0.5);
    assert_eq!(info_of["occlusion"], json!([true, true, true]), "left eye, right eye, mouth: free");
    assert_eq!(info_of["covered"], json!([]));
    assert_keys(&info_of["headpose"], &["pitch_angle", "roll_angle", "yaw_angle"]);
    assert_between(&info_of["face_size"], 113.0, 2000.0);
    let bbox: Vec<f64> = face["bbox"].as_array().unwrap().iter().map(|side| side.as_f64().unwrap()).collect();
    let shorter = (bbox[2] - bbox[0]).min(bbox[3] - bbox[1]);
    assert!((shorter - info_of["face_size"].as_f64().unwrap()).abs() < 0.01, "{face}");

    // 90 px: too small for high, large enough for the others.
    let levels =
        [("high", false), ("middle", true), ("low", true), ("custom", true), ("no", true), ("", false)];
    for (level, passes) in levels {
        let level = if level.is_empty() { Value::Null } else { json!(level) };
        let command = info(json!({ "image_base64_str": photo_base64("astronaut.png"), "fiqa_level": level }));
        let reply = bed.platform.fiqa_command(command, SOON).unwrap();
        let face = &reply["result"]["data"][0];
        assert_eq!(face["fiqa_result"], passes, "{level}: {reply}");
        let fails = if passes { json!([]) } else { json!(["face_size"]) };
        assert_eq!(face["fails"], fails, "{level}: {reply}");
    }
    assert!(
        bed.platform.ledger().of_kind("reply").iter().all(|reply| reply.path == FIQA_REPLIES),
        "every reply came by fiqaUploadQueue"
    );

    // Over the command queue it is the same, and answered there.
    let reply = bed.command(info(json!({ "image_base64_str": photo_base64("obama-1.jpg") })));
    assert_eq!(reply["result"]["data"][0]["fiqa_result"], true);
    bed.stop();
}

#[test]
fn what_cannot_be_judged_has_its_code() {
    let mut bed = TestBed::with_platform(|config| config.fiqa = true);
    bed.start();
    let send = |command: Value| bed.platform.fiqa_command(command, SOON).unwrap();
    assert_refused(&fiqa(&bed, "coffee.png", "low"), 40004);
    assert_refused(&send(info(json!({ "image_base64_str": "@@@" }))), 40003);
    assert_refused(&send(info(json!({ "image_base64_str": "aGVsbG8=" }))), 40003);
    assert_refused(&fiqa(&bed, "obama-1.jpg", "best"), 40071);
    assert_refused(&send(info(json!({ "fiqa_level": "high" }))), 40071);
    assert_refused(&send(json!({ "method": "fiqa" })), 40071);
    // Nothing that changes the registry comes this way: its order would be lost.
    let reply = send(json!({ "method": "wipe_data", "wipe_options": { "users": true } }));
    assert_eq!((&reply["success"], &reply["code"]), (&json!(false), &json!(50100)));
    bed.stop();
}

/// Enrolment photos in one long command, and FIQA requests meanwhile.
#[test]
fn a_long_enrolment_does_not_delay_fiqa() {
    let mut bed = TestBed::with_platform(|config| config.fiqa = true);
    bed.start();
    let ids: Vec<_> = (0..150).map(|number| format!("p{number}")).collect();
    for id in &ids {
        bed.platform.people().add(id, "Barack Obama", photo("obama-1.jpg"));
    }
    let command = json!({
        "method": "add_users_plus", "messageId": "long",
        "userid_list": ids, "extend_params": { "path": "/box/users" },
    });
    bed.platform.publish(&command).unwrap();
    eventually("the enrolment has begun", SOON, || {
        (bed.metric("menshen_enrolments_total") > 0.0).then_some(())
    });
    let is_done =
        |bed: &TestBed| !bed.platform.ledger().since(0, |entry| entry.body["messageId"] == "long").is_empty();
    let mut judged = 0;
    while !is_done(&bed) {
        assert_eq!(fiqa(&bed, "obama-1.jpg", "high")["code"], 0);
        judged += 1;
    }
    assert!(judged >= 5, "only {judged} photos were judged while 150 people were enrolled");
    assert_eq!(bed.metric("menshen_registry_people"), 150.0);
    bed.stop();
}

/// Two boxes on one queue of photos: each takes its share, and everything is answered once. Commands are each box's own.
#[test]
fn boxes_share_the_work() {
    let mut bed = TestBed::with_platform(|config| config.fiqa = true);
    bed.start();
    let mut second = bed.twin();
    bed.platform.patch_login(json!({ "rabbitmq": { "queue": "box.down.second" } }));
    second.start();
    let photo = photo_base64("obama-1.jpg");
    let commands: Vec<_> = (0..24)
        .map(|number| {
            let mut command = info(json!({ "image_base64_str": photo, "fiqa_level": "low" }));
            command["messageId"] = json!(format!("f{number}"));
            command
        })
        .collect();
    bed.platform.publish_fiqa_all(&commands).unwrap();
    let replies = bed.platform.ledger().wait_count(SOON, 24, |entry| entry.path == FIQA_REPLIES);
    assert_eq!(replies.len(), 24);
    std::thread::sleep(Duration::from_millis(300));
    let replies = bed.platform.ledger().since(0, |entry| entry.path == FIQA_REPLIES);
    let ids: std::collections::BTreeSet<_> =
        replies.iter().map(|entry| entry.body["messageId"].to_string()).collect();
    assert_eq!((replies.len(), ids.len()), (24, 24), "each once");
    let (mine, theirs) = (bed.metric("menshen_commands_total"), second.metric("menshen_commands_total"));
    assert!(mine >= 5.0 && theirs >= 5.0 && mine + theirs == 24.0, "{mine} and {theirs} of 24");
    let began = Instant::now();
    second.stop();
    assert!(began.elapsed() < Duration::from_secs(15));
    bed.stop();
}

#[test]
fn a_platform_may_read_occlusion_the_other_way_round() {
    let mut bed = TestBed::with_platform(|config| config.fiqa = true);
    bed.set("platform.occlusion_true", "\"covered\"");
    bed.start();
    let reply = fiqa(&bed, "obama-1.jpg", "high");
    let info = &reply["result"]["data"][0]["info"];
    assert_eq!((&info["occlusion"], &info["covered"]), (&json!([false, false, false]), &json!([])));
    // The published call of the local API says the same.
    let asked = json!({ "image_base64_str": photo_base64("obama-1.jpg"), "fiqa_level": "high" });
    let (status, judged) = http::json(bed.local_port, "POST", "/SophonFace/api/FIQA", &asked);
    assert_eq!((status, &judged["data"][0]["info"]["occlusion"]), (200, &info["occlusion"]), "{judged}");
    bed.stop();
}
