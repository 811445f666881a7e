//! Faces are found in a camera's sub-stream, and pictures are those of its main stream.

use base64::Engine as _;
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::proxy::{Mode, Proxy};
use serde_json::Value;

use crate::http;
use crate::testbed::{SOON, TestBed, eventually, start_camera};

/// A picture of an event, decoded.
fn picture(entry: &Entry, field: &str) -> (Vec<u8>, image::DynamicImage) {
    let text = entry.body["ext_data"][field].as_str().unwrap_or_default();
    let bytes = base64::prelude::BASE64_STANDARD.decode(text).unwrap();
    let decoded = image::load_from_memory(&bytes).unwrap();
    (bytes, decoded)
}

/// The next event of the camera from entry `after` on.
fn seen(bed: &TestBed, after: u64) -> Entry {
    bed.wait("Obama", |entry| {
        entry.number >= after && entry.kind == "realtime" && entry.body["ext_data"]["device_ip"] == "hall"
    })
}

#[test]
fn events_show_the_main_stream_while_there_is_one() {
    let mut camera = start_camera("hall", &["obama-2.jpg"], &["--size", "1280x720", "--sub", "640x360"]);
    // The main stream over a line of its own, which can be cut.
    let line = Proxy::start(camera.port()).unwrap();
    let main_url = format!("rtsp://127.0.0.1:{}/hall", line.port());
    let sub_url = format!("{}-sub", camera.url());
    let mut bed = TestBed::standalone();
    bed.add_device("hall", "rtsp", &sub_url);
    bed.add_device_config(&format!("parameters = {{ main_url = \"{main_url}\" }}\n"));
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    crate::photos::enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    let main_is_up = |bed: &TestBed, up: f64| {
        eventually("the main stream", SOON, || (bed.metric("menshen_main_stream_up") == up).then_some(()));
    };
    main_is_up(&bed, 1.0);
    camera.go().unwrap();
    let event = seen(&bed, 0);
    assert_eq!(picture(&event, "spot_pic").1.width(), 1280, "the scene is the main stream's");
    let (face, shown) = picture(&event, "recognize_face");
    // And it is the face: the box recognises it in what it told.
    let jpeg = [("Content-Type", "image/jpeg")];
    let (_, answer) = http::call(port, "POST", "/SophonFogSys/api/Recognize", &jpeg, &face);
    assert_eq!(answer["data"]["identity_id"], Value::from("1001"), "{answer}");

    line.set(Mode::Cut);
    main_is_up(&bed, 0.0);
    let event = seen(&bed, bed.platform.ledger().len());
    assert_eq!(picture(&event, "spot_pic").1.width(), 640, "without it, the other one's");
    let small = picture(&event, "recognize_face").1;
    // The frame that decides may be another one, and a face that is still half in the picture is narrower: heights are compared.
    let (tall, low) = (shown.height() as f32, small.height() as f32);
    assert!((1.7..2.3).contains(&(tall / low)), "{tall} px of 720 lines, {low} px of 360");
    line.set(Mode::Pass);
    main_is_up(&bed, 1.0);
    eventually("its pictures are back", SOON, || {
        let event = seen(&bed, bed.platform.ledger().len());
        (picture(&event, "spot_pic").1.width() == 1280).then_some(())
    });
    assert!(bed.log().contains("the main stream failed"), "an operator is told");
    bed.stop();

    let refused = bed.run(&["devices", "add", "other", "pipeline=rtsp-main", &format!("url={sub_url}")]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("main_url of rtsp"), "it is no device's own");
}
