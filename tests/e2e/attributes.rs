//! Guesses at age and gender: in the events of devices that ask for them and in `fiqa` answers, and nowhere else.

use serde_json::{Value, json};

use crate::fields::{assert_between, assert_keys};
use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64, start_camera};

/// The guesses of a grown-up man.
fn assert_man(guesses: &Value) {
    assert_keys(guesses, &["age", "age_years", "age_confidence", "gender", "gender_confidence"]);
    assert_eq!(guesses["gender"], "male", "{guesses}");
    assert!(guesses["age_years"].is_u64(), "whole years: {guesses}");
    assert_between(&guesses["age_years"], 25.0, 75.0);
    assert_between(&guesses["age_confidence"], 0.01, 1.0);
    assert_between(&guesses["gender_confidence"], 0.5, 1.0);
    let group = match guesses["age_years"].as_u64().unwrap() {
        ..40 => "youth",
        40..65 => "middle-aged",
        65.. => "aged",
    };
    assert_eq!(guesses["age"], group, "{guesses}");
}

/// An event of his at a device that asks.
fn assert_event_of_man(event: &Value) {
    let data = &event["ext_data"];
    assert_man(&data["recognize_face_attr"]);
    let fiqa = &data["box_fiqa_info"];
    assert_keys(fiqa, &["age", "sex", "info", "fiqa_result", "success", "fails"]);
    assert_eq!(
        (&fiqa["age"], &fiqa["sex"]),
        (&data["recognize_face_attr"]["age_years"], &json!(0)),
        "both places say the same, sex as the number of a man"
    );
}

#[test]
fn a_device_that_asks_has_guesses_in_its_events_and_no_other_has() {
    let mut asks = start_camera("asks", &["obama-2.jpg"], &[]);
    let mut plain = start_camera("plain", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|config| config.fiqa = true);
    bed.add_camera(&asks);
    bed.add_camera(&plain);
    bed.add_config(
        "\n[[devices]]\nip = \"gate\"\ntype = \"door-terminal\"\npipeline = \"post\"\nattributes = true\n",
    );
    bed.set("devices.0.attributes", "true");
    bed.set("recognition.attributes_in_fiqa", "true");
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    asks.go().unwrap();
    plain.go().unwrap();
    let event = |kind: &'static str, device: &'static str| {
        let is_it = |entry: &menshen_testbed::platform::ledger::Entry| {
            entry.kind == kind
                && entry.body["ext_data"]["device_ip"] == device
                && entry.body["identity_id"] == "1001"
        };
        bed.wait(&format!("{kind} of {device}"), is_it).body
    };
    for kind in ["realtime", "history"] {
        assert_event_of_man(&event(kind, "asks"));
        let other = event(kind, "plain");
        assert!(other["ext_data"].get("recognize_face_attr").is_none(), "{kind}");
        let fiqa = &other["ext_data"]["box_fiqa_info"];
        assert_keys(fiqa, &["info", "fiqa_result", "success", "fails"]);
    }

    // A photo of a device, and one that is only judged.
    let path = "/SophonFogSys/api/Recognize?ip=gate";
    let jpeg = [("Content-Type", "image/jpeg")];
    let (status, answer) = http::call(bed.local_port, "POST", path, &jpeg, &photo("obama-3.jpg"));
    assert_eq!((status, &answer["data"]["identity_id"]), (200, &json!("1001")), "{answer}");
    for kind in ["realtime", "history"] {
        assert_event_of_man(&event(kind, "gate"));
    }
    let reply = bed.platform.fiqa(&photo_base64("obama-1.jpg"), "high", SOON).unwrap();
    let face = &reply["result"]["data"][0];
    assert_keys(face, &["bbox", "fiqa_result", "score", "success", "fails", "info", "recognize_face_attr"]);
    assert_man(&face["recognize_face_attr"]);
    let asked = json!({ "image_base64_str": photo_base64("obama-1.jpg"), "with_attribute": true });
    let (status, seen) = http::json(bed.local_port, "POST", "/SophonFace/api/detect", &asked);
    let guess = &seen["data"][0]["attribute"];
    assert_eq!((status, &guess["gender"]), (200, &json!("male")), "{seen}");
    assert_between(&guess["age"], 25.0, 75.0);
    let ids = ["asks", "plain"]
        .map(|device| event("history", device)["ext_data"]["event_id"].as_str().unwrap().to_owned());
    let metrics = menshen_testbed::scrape::get(bed.port, "/metrics");
    assert!(!metrics.contains("kind=\"attributes\""), "nothing went wrong:\n{metrics}");
    bed.stop();

    let [asked, not] = ids.map(|id| {
        let why = bed.run(&["why", &id]);
        String::from_utf8_lossy(&why.stdout).into_owned()
    });
    assert!(asked.contains("male (") && asked.contains("a guess"), "{asked}");
    assert!(not.contains("decision") && !not.contains("a guess"), "{not}");
}

fn refused(bed: &TestBed, arguments: &[&str]) -> String {
    let output = bed.run(arguments);
    let told =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{arguments:?} is taken:\n{told}");
    told
}

#[test]
fn models_that_are_not_there_or_of_another_shape_are_told_before_the_start() {
    let mut bed = TestBed::standalone();
    bed.add_device("door", "rtsp", "rtsp://127.0.0.1:1/x");
    bed.set("devices.0.attributes", "true");
    bed.set("recognition.age_model", "\"age-v9\"");
    let told = refused(&bed, &["check"]);
    assert!(told.contains("guesses at age and gender are asked for: no model `age-v9`"), "{told}");
    // The same while it is only a wish; who does not ask needs none.
    bed.set("devices.0.attributes", "false");
    assert!(bed.run(&["check"]).status.success());
    let add =
        ["devices", "add", "side", "type=network-camera", "url=rtsp://127.0.0.1:1/y", "attributes=true"];
    assert!(refused(&bed, &add).contains("`attributes`: no model `age-v9`"));
    bed.set("devices.0.attributes", "true");
    bed.set("recognition.gender_model", "\"\"");
    bed.set("recognition.age_model", "\"\"");
    assert!(refused(&bed, &["check"]).contains("age_model and recognition.gender_model are both empty"));

    // The network of gender described as one of age.
    let models = bed.folder.path().join("models");
    for name in ["yunet", "sface", "gender-v1"] {
        std::fs::create_dir_all(models.join(name)).unwrap();
        for file in ["model.toml".to_owned(), format!("{name}.onnx")] {
            let from = std::path::Path::new("models").join(name).join(&file);
            std::fs::copy(from, models.join(name).join(file)).unwrap();
        }
    }
    let description = models.join("gender-v1/model.toml");
    let text = std::fs::read_to_string(&description).unwrap();
    let text = text
        .replace("role = \"gender\"", "role = \"age\"")
        .replace("gender-pair", "age-years")
        .replace("[gender]", "[age]\nyears = 81\nfirst_year = 0.25")
        .replace("order = [\"female\", \"male\"]\n", "");
    std::fs::write(&description, text).unwrap();
    bed.set("models_dir", &format!("{:?}", models.display().to_string()));
    bed.set("recognition.age_model", "\"gender-v1\"");
    let sentence = "its output has 2 values, its model.toml says 81";
    let told = refused(&bed, &["check"]);
    assert!(told.contains(&format!("model `gender-v1`: {sentence}")), "{told}");
    let told = refused(&bed, &["models", "check", "gender-v1"]);
    assert!(told.contains(sentence), "{told}");
}

#[test]
fn guesses_can_be_switched_on_while_the_box_runs() {
    let mut camera = start_camera("lobby", &["biden-1.jpg"], &[]);
    let mut bed = TestBed::standalone();
    bed.add_camera(&camera);
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let user = json!({ "identity_id": "1002", "reg_photo": photo_base64("biden-1.jpg"), "info": { "name": "Joe Biden" } });
    assert_eq!(http::json(port, "POST", "/SophonFogSys/api/users", &user).0, 200);
    let change = json!({ "ip": "lobby", "attributes": true });
    let (status, answer) = http::json(port, "PUT", "/menshen/api/devices", &change);
    assert_eq!(status, 200, "{answer}");
    camera.go().unwrap();
    let live = bed.wait("recognised", |entry| entry.kind == "realtime");
    assert_event_of_man(&live.body);
    bed.stop();
}
