//! `picturesearch`: the passages of a person are found by another photo of them.

use serde_json::{Value, json};

use crate::http;
use crate::photos::{bed_with, enrol};
use crate::testbed::{SOON, TestBed, eventually, photo_base64};

const SEARCH: &str = "/SophonMatch/api/picturesearch";

fn ask(bed: &TestBed, file: &str, more: Value) -> (u16, Value) {
    let mut body = json!({ "face_image_base64": photo_base64(file) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    http::json(bed.local_port, "POST", SEARCH, &body)
}

fn search(bed: &TestBed, file: &str, more: Value) -> Value {
    let (status, answer) = ask(bed, file, more);
    assert_eq!((status, &answer["retcode"], &answer["ret_code"]), (200, &json!("1"), &json!(1)), "{answer}");
    assert!(answer.get("data").is_none(), "published at the top level: {answer}");
    assert_eq!(answer["total_count"], answer["event_list"].as_array().unwrap().len(), "{answer}");
    answer
}

fn ids(found: &Value) -> Vec<Value> {
    found["event_list"].as_array().unwrap().iter().map(|event| event["event_id"].clone()).collect()
}

/// A passage at that time, `back_s` seconds ago; answers its event.
fn pass(bed: &TestBed, device: &str, file: &str, at_ms: u64) -> Value {
    let body = json!({ "device_ip": device, "rgb_image_base64": photo_base64(file), "compare_time": at_ms });
    let (status, answer) = http::json(bed.local_port, "POST", "/SophonMatch/api/PictureMatch", &body);
    assert_eq!(status, 200, "{answer}");
    assert_ne!(answer["event_id"], "", "{answer}");
    answer["event_id"].clone()
}

fn now_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// All of them are in history.
fn settle(bed: &TestBed, events: u64) {
    eventually("all are stored", SOON, || {
        (http::get(bed.local_port, "/SophonFace/api/events").1["pagination"]["stored"] == events)
            .then_some(())
    });
}

fn code((status, answer): (u16, Value)) -> (u16, Option<i64>, String) {
    let error = &answer["error"];
    (status, error["code"].as_i64(), error["message"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn passages_are_found_by_another_photo_of_the_person() {
    let mut bed = bed_with("dedup_s = 0");
    let now = now_ms();
    let at = |seconds_ago: u64| now - seconds_ago * 1000;
    let obama = [
        pass(&bed, "terminal", "obama-2.jpg", at(200)),
        pass(&bed, "snap", "obama-3.jpg", at(150)),
        pass(&bed, "terminal", "obama-3.jpg", at(100)),
    ];
    // Whom the registry does not know: a stranger's passages are found as well.
    let biden = [pass(&bed, "terminal", "biden-1.jpg", at(120)), pass(&bed, "snap", "biden-1.jpg", at(50))];
    settle(&bed, 5);
    let [first, second, third] = obama.clone();

    let found = search(&bed, "obama-1.jpg", json!({}));
    assert_eq!(ids(&found), [third.clone(), second.clone(), first.clone()], "newest first: {found}");
    assert_eq!(
        (&found["have_more"], &found["endtimestamp"], &found["looked_at"]),
        (&json!(false), &json!(at(200)), &json!(5))
    );
    assert_eq!((&found["other_model"], &found["without_feature"]), (&json!(0), &json!(0)));
    assert!(found["total_time"].is_u64(), "{found}");
    let event = &found["event_list"][0];
    let score = event["compare_score"].as_f64().unwrap();
    assert!((0.82..=1.0).contains(&score), "{event}");
    assert_eq!(
        (&event["identity_id"], &event["identity_name"], &event["timestamp"], &event["ep_info"]["ep_ip"]),
        (&json!("1001"), &json!("Barack Obama"), &json!(at(100)), &json!("terminal"))
    );
    assert_eq!(event["recognize_face_attr"]["feature"], json!([]), "features do not leave the box");
    assert!(event.get("spot_pic").is_none() && event.get("similarity").is_none(), "{event}");
    let picture = event["recognize_face_pic_id"].as_str().unwrap();
    let path = format!("/SophonFace/api/event_images/{picture}");
    assert_eq!(http::call(bed.local_port, "GET", &path, &[], b"").0, 200, "pictures are had by their names");

    let strangers = search(&bed, "biden-1.jpg", json!({ "reverse": false, "with_debug_info": true }));
    assert_eq!(ids(&strangers), biden, "oldest first");
    assert_eq!(strangers["event_list"][0]["identity_name"], "stranger", "{strangers}");
    assert!(strangers["debug_info"]["model"].is_string(), "{strangers}");
    assert!(strangers["event_list"][0]["similarity"].is_f64(), "{strangers}");

    // A span, in seconds or in milliseconds; devices by id or by address.
    for (more, expected) in [
        (json!({ "starttime": at(160), "endtime": at(90) }), vec![&third, &second]),
        (json!({ "starttime": at(200) / 1000 - 1, "endtime": at(140) / 1000 }), vec![&second, &first]),
        (json!({ "device_id_list": ["snap"] }), vec![&second]),
        (json!({ "device_id_list": [event["ep_info"]["device_id"]] }), vec![&third, &first]),
        (json!({ "device_id_list": ["nobody"] }), vec![]),
        (json!({ "threshold": 100 }), vec![]),
    ] {
        assert_eq!(
            ids(&search(&bed, "obama-1.jpg", more.clone())).iter().collect::<Vec<_>>(),
            expected,
            "{more}"
        );
    }
    // Whoever asks for the whole scale gets everybody.
    assert_eq!(ids(&search(&bed, "obama-1.jpg", json!({ "threshold": 0 }))).len(), 5);
    // The next page of this one begins where it ended.
    let rest = search(&bed, "obama-1.jpg", json!({ "last_end_timestamp": at(150) }));
    assert_eq!(ids(&rest), std::slice::from_ref(&first));
    let rest = search(&bed, "obama-1.jpg", json!({ "last_end_timestamp": at(150), "reverse": false }));
    assert_eq!(ids(&rest), std::slice::from_ref(&third));

    // One event goes, and cannot be found; the person goes, and none of theirs can.
    let events = "/SophonFace/api/events";
    let path = format!("{events}?event_id_list={}", third.as_str().unwrap());
    assert_eq!(http::call(bed.local_port, "DELETE", &path, &[], b"").0, 200);
    assert_eq!(ids(&search(&bed, "obama-1.jpg", json!({}))), [second, first]);
    let gone = json!({ "identity_id": "1001", "erase": true });
    assert_eq!(http::json(bed.local_port, "DELETE", "/SophonFogSys/api/users", &gone).0, 200);
    assert_eq!(ids(&search(&bed, "obama-1.jpg", json!({}))), Vec::<Value>::new(), "erased with the person");
    assert_eq!(ids(&search(&bed, "biden-1.jpg", json!({}))).len(), 2, "others stay");
    bed.stop();
}

#[test]
fn features_outlive_a_kill_and_go_with_a_wipe() {
    let mut bed = bed_with("dedup_s = 0");
    enrol(&bed, "1002", "Joe Biden", "biden-1.jpg");
    let now = now_ms();
    pass(&bed, "terminal", "obama-2.jpg", now - 60_000);
    pass(&bed, "terminal", "biden-1.jpg", now - 30_000);
    settle(&bed, 2);
    bed.kill9();
    bed.start();
    let found = eventually("the box answers", SOON, || {
        let (status, found) = ask(&bed, "obama-1.jpg", json!({}));
        (status == 200).then_some(found)
    });
    assert_eq!(ids(&found).len(), 1, "{found}");
    let wipe = json!({ "wipe_options": { "users": false, "events": true } });
    assert_eq!(http::json(bed.local_port, "POST", "/SophonFogSys/api/WipeData", &wipe).0, 200);
    let found = search(&bed, "obama-1.jpg", json!({ "threshold": 0 }));
    assert_eq!((ids(&found).len(), &found["looked_at"]), (0, &json!(0)), "{found}");
    bed.stop();
}

#[test]
fn a_search_that_makes_no_sense_is_refused_in_words() {
    let mut bed = bed_with("");
    for (file, more, expected, word) in [
        ("coffee.png", json!({}), (400, 40004), "face_image_base64"),
        ("astronaut.png", json!({ "fiqa_level": "high" }), (400, 40009), "face_image_base64"),
        ("obama-1.jpg", json!({ "fiqa_level": "best" }), (400, 40091), "fiqa_level"),
        ("obama-1.jpg", json!({ "starttime": "noon" }), (400, 40091), "starttime"),
        (
            "obama-1.jpg",
            json!({ "starttime": 1_700_000_000, "endtime": 1_600_000_000 }),
            (400, 40091),
            "later",
        ),
        (
            "obama-1.jpg",
            json!({ "starttime": 1_700_000_000, "endtime": 1_710_000_000 }),
            (400, 40091),
            "115 days",
        ),
        ("obama-1.jpg", json!({ "threshold": 820 }), (400, 40091), "threshold"),
        ("obama-1.jpg", json!({ "device_id_list": 7 }), (400, 40091), "device_id_list"),
        ("obama-1.jpg", json!({ "reverse": "sideways" }), (400, 40091), "reverse"),
        ("obama-1.jpg", json!({ "face_image_base64": "" }), (400, 40091), "face_image_base64"),
        ("obama-1.jpg", json!({ "face_image_base64": "AAAA" }), (400, 40003), "face_image_base64"),
    ] {
        let (status, code, message) = code(ask(&bed, file, more.clone()));
        assert_eq!((status, code), (expected.0, Some(expected.1)), "{file} {more}: {message}");
        assert!(message.contains(word), "{more}: {message}");
    }
    bed.stop();
}
