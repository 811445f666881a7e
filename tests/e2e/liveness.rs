//! A door that opens for living people only: somebody walks by, and then their picture is carried by.

use image::{Rgb, RgbImage, imageops};
use serde_json::json;

use crate::fields::assert_between;
use crate::http;
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64, start_camera};

/// A sheet with a portrait on it, held before a wall.
fn print_of(file: &str) -> RgbImage {
    let picture = image::load_from_memory(&photo(file)).unwrap().into_rgb8();
    let (height, margin) = (500, 25);
    let width = picture.width() * height / picture.height();
    let mut print = imageops::resize(&picture, width, height, imageops::FilterType::Triangle);
    print
        .pixels_mut()
        .for_each(|pixel| *pixel = Rgb(pixel.0.map(|value| 30 + (f32::from(value) * 0.8) as u8)));
    let mut scene = RgbImage::from_pixel(700, 720, Rgb([180, 184, 190]));
    let (left, top) = (i64::from((700 - width) / 2), 110);
    imageops::replace(
        &mut scene,
        &RgbImage::from_pixel(width + 50, 550, Rgb([236; 3])),
        left - margin,
        top - margin,
    );
    imageops::replace(&mut scene, &print, left, top);
    scene
}

#[test]
fn a_door_opens_for_a_living_face_and_not_for_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let print = folder.path().join("print.png");
    print_of("obama-2.jpg").save(&print).unwrap();
    let relay = Receiver::new(|_| 200);
    let mut living = start_camera("living", &["obama-1.jpg"], &[]);
    let mut picture = start_camera("picture", &[print.to_str().unwrap()], &[]);
    let mut bed = TestBed::standalone();
    for (index, camera) in [&living, &picture].into_iter().enumerate() {
        bed.add_camera(camera);
        bed.set(&format!("devices.{index}.type"), "\"turnstile\"");
        bed.set(&format!("devices.{index}.liveness"), "true");
        let action = format!("{:?}", format!("{}?m={{mode}}&d={}", relay.url(), camera.name()));
        bed.set(&format!("devices.{index}.action_url"), &action);
    }
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let user = json!({ "identity_id": "1001", "reg_photo": photo_base64("obama-3.jpg"), "info": { "name": "Barack Obama" } });
    assert_eq!(http::json(port, "POST", "/SophonFogSys/api/users", &user).0, 200);

    picture.go().unwrap();
    eventually("the picture's passage is over", SOON, || {
        (bed.metric("menshen_events_total") >= 1.0).then_some(())
    });
    let metrics = menshen_testbed::scrape::get(bed.port, "/metrics");
    let refused = metrics.lines().find(|line| {
        line.starts_with("menshen_unrecognised_total")
            && line.contains("not_live")
            && line.contains("\"picture\"")
    });
    assert!(refused.is_some(), "counted by its reason:\n{metrics}");
    assert!(relay.got().is_empty(), "no door opened for a picture");
    assert_eq!(bed.platform.ledger().of_kind("realtime").len(), 0, "a picture is no match");

    living.go().unwrap();
    let live = bed.wait("recognised", |entry| entry.kind == "realtime");
    assert_eq!(
        (&live.body["identity_id"], &live.body["ext_data"]["device_ip"]),
        (&json!("1001"), &json!("living"))
    );
    let info = &live.body["ext_data"]["box_fiqa_info"]["info"];
    assert_between(&info["liveness"], 0.5, 1.0);
    assert_eq!(info["live"], true);
    eventually("the door opens", SOON, || (!relay.got().is_empty()).then_some(()));
    let opened: Vec<_> = relay.got().into_iter().map(|got| got.line).collect();
    assert!(opened.iter().all(|line| line.contains("m=opendoor&d=living")), "{opened:?}");
    bed.stop();

    let listed = bed.run(&["events", "list"]);
    let events: Vec<serde_json::Value> = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let stranger = events.iter().find(|event| event["stranger"] == true).expect("the picture's event");
    let why = bed.run(&["why", stranger["event_id"].as_str().unwrap()]);
    let told = String::from_utf8_lossy(&why.stdout).into_owned();
    for part in
        ["not taken for a living one", ": 1001 0.", "at least 0.50 needed: no living face", ", liveness 0."]
    {
        assert!(told.contains(part), "no `{part}` in\n{told}");
    }
    assert!(told.contains("a stranger, score 0.000"), "{told}");
}

#[test]
fn a_device_that_asks_for_liveness_without_its_models_is_told_what_to_fetch() {
    let mut bed = TestBed::standalone();
    bed.add_device("door", "rtsp", "rtsp://127.0.0.1:1/x");
    bed.set("devices.0.liveness", "true");
    bed.set("recognition.liveness_models", "[\"minifasnet-v9\"]");
    let check = bed.run(&["check"]);
    let told = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
    assert!(!check.status.success() && told.contains("a device asks for liveness"), "{told}");
    assert!(told.contains("no model `minifasnet-v9`"), "{told}");
    // The same while it is only a wish.
    bed.set("devices.0.liveness", "false");
    assert!(bed.run(&["check"]).status.success());
    let add = ["devices", "add", "side", "type=network-camera", "url=rtsp://127.0.0.1:1/y", "liveness=true"];
    let added = bed.run(&add);
    let told = String::from_utf8_lossy(&added.stderr).into_owned() + &String::from_utf8_lossy(&added.stdout);
    assert!(!added.status.success() && told.contains("`liveness`: no model `minifasnet-v9`"), "{told}");
}

/// A terminal's one photo is all there is: it must show a living face by itself.
#[test]
fn a_terminal_that_asks_for_liveness_lets_no_print_in() {
    let relay = Receiver::new(|_| 200);
    let mut bed = TestBed::standalone();
    for (name, more) in [("strict", ""), ("open", "pass_mode = \"all_pass\"\n")] {
        bed.add_config(&format!(
            "\n[[devices]]\nip = \"{name}\"\ntype = \"door-terminal\"\npipeline = \"post\"\nliveness = true\ndedup_s = 0\n\
             action_url = \"{}?m={{mode}}&d={name}\"\n{more}",
            relay.url()
        ));
    }
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    eventually("both listen", SOON, || (bed.metric("menshen_device_online") >= 2.0).then_some(()));
    let user = json!({ "identity_id": "1001", "reg_photo": photo_base64("obama-3.jpg"), "info": { "name": "Barack Obama" } });
    assert_eq!(http::json(port, "POST", "/SophonFogSys/api/users", &user).0, 200);
    let post = |device: &str, kind: &str, body: &[u8]| {
        let path = format!("/SophonFogSys/api/Recognize?ip={device}");
        let (status, answer) = http::call(port, "POST", &path, &[("Content-Type", kind)], body);
        assert_eq!(status, 200, "{answer}");
        answer["data"].clone()
    };
    let mut print = std::io::Cursor::new(Vec::new());
    print_of("obama-2.jpg").write_to(&mut print, image::ImageFormat::Png).unwrap();
    for device in ["strict", "open"] {
        let answer = post(device, "image/png", print.get_ref());
        assert_eq!(
            (&answer["result"], &answer["pass"], &answer["outcome"], &answer["identity_id"]),
            (&json!(false), &json!(false), &json!("not_live"), &json!("")),
            "{device}: {answer}"
        );
    }
    assert!(relay.got().is_empty(), "no door opened for a print");
    let living = post("strict", "image/jpeg", &photo("obama-1.jpg"));
    assert_eq!((&living["pass"], &living["identity_id"]), (&json!(true), &json!("1001")), "{living}");
    eventually("the door opens", SOON, || (relay.got().len() == 1).then_some(()));
    eventually("three events", SOON, || (bed.metric("menshen_events_total") == 3.0).then_some(()));
    let told = bed.wait("told in real time", |entry| entry.kind == "realtime");
    assert_eq!(told.body["ext_data"]["event_id"], living["event_id"]);
    assert_eq!(bed.platform.ledger().of_kind("realtime").len(), 1, "a print is no match");
    bed.stop();
}
