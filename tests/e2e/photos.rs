//! Photos as capture: what a snapshot camera or a terminal posts is a passage by itself.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::{self, JSON};
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64, picture};

const RECOGNIZE: &str = "/SophonFogSys/api/Recognize";
const USERS: &str = "/SophonFogSys/api/users";
const JPEG: &str = "image/jpeg";

/// A box with a terminal, a snapshot camera and Obama.
pub fn bed_with(more: &str) -> TestBed {
    let mut bed = TestBed::standalone();
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"terminal\"\nname = \"gate\"\ntype = \"door-terminal\"\npipeline = \"post\"\n{more}\n\
         [[devices]]\nip = \"snap\"\nname = \"yard\"\ntype = \"snapshot-camera\"\npipeline = \"post\"\n",
    ));
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    eventually("both listen", SOON, || (bed.metric("menshen_device_online") >= 2.0).then_some(()));
    bed
}

pub fn enrol(bed: &TestBed, id: &str, name: &str, file: &str) {
    let user = json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": name } });
    let (status, body) = http::json(bed.local_port, "POST", USERS, &user);
    assert_eq!(status, 200, "{body}");
}

fn post(bed: &TestBed, query: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    http::call(bed.local_port, "POST", &format!("{RECOGNIZE}{query}"), &[("Content-Type", kind)], body)
}

fn done((status, body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

/// Photos of a kind so far.
pub fn counted(bed: &TestBed, device: &str, result: &str) -> f64 {
    let metrics = menshen_testbed::scrape::get(bed.port, "/metrics");
    let is_it = |line: &&str| {
        line.starts_with("menshen_photos_total{")
            && line.contains(&format!("\"{device}\""))
            && line.contains(&format!("result=\"{result}\""))
    };
    metrics.lines().filter(is_it).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

pub fn events(bed: &TestBed) -> Vec<Value> {
    let listed = bed.run(&["events", "list"]);
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    String::from_utf8_lossy(&listed.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_posted_photo_is_a_passage() {
    let mut bed = bed_with("dedup_s = 3600");
    let known = done(post(&bed, "?ip=terminal", JPEG, &photo("obama-2.jpg")));
    assert_eq!((&known["result"], &known["identity_id"]), (&json!(true), &json!("1001")), "{known}");
    assert_eq!((&known["pass"], &known["outcome"]), (&json!(true), &json!("recognised")));
    assert_eq!(known["identity_info"]["name"], "Barack Obama");
    let told = bed.wait("told in real time", |entry| entry.kind == "realtime");
    assert_eq!(told.body["ext_data"]["event_id"], known["event_id"]);
    assert_eq!(told.body["ext_data"]["device_type"], "4");

    // The same person again is answered, and makes no second event.
    let again = done(post(&bed, "/terminal", JPEG, &photo("obama-3.jpg")));
    assert_eq!(
        (&again["result"], &again["outcome"], &again["event_id"]),
        (&json!(true), &json!("duplicate"), &json!(""))
    );
    // Another device has told nobody of him yet.
    let ep_id = format!("/{}__snap", crate::testbed::DEV_SNO);
    let elsewhere = done(post(&bed, &ep_id, JPEG, &photo("obama-3.jpg")));
    assert_eq!(elsewhere["outcome"], "recognised", "{elsewhere}");
    let stranger = done(post(&bed, "?ip=terminal", JPEG, &photo("biden-1.jpg")));
    assert_eq!((&stranger["result"], &stranger["pass"]), (&json!(false), &json!(false)));
    assert_eq!(stranger["outcome"], "stranger");
    eventually("four are counted", SOON, || (bed.metric("menshen_photos_total") >= 4.0).then_some(()));
    eventually("three are stored", SOON, || (bed.metric("menshen_events_total") >= 3.0).then_some(()));
    bed.stop();

    let events = events(&bed);
    assert_eq!(events.len(), 3, "{events:?}");
    let of_stranger = events.iter().find(|event| event["stranger"] == true).expect("the stranger's event");
    for (event, expected) in
        [(&known["event_id"], "1001 0."), (&of_stranger["event_id"], "nobody of the registry")]
    {
        let why = bed.run(&["why", event.as_str().unwrap()]);
        let text = String::from_utf8_lossy(&why.stdout).into_owned();
        assert!(text.contains(expected) && text.contains("in 1 pictures"), "{text}");
    }
}

/// Killed in the moment of its answer, the box has the event that the answer names.
#[test]
fn an_answered_photo_survives_a_kill() {
    let mut bed = bed_with("dedup_s = 0");
    let face = photo("obama-2.jpg");
    for round in 0..4 {
        let answered = done(post(&bed, "?ip=terminal", JPEG, &face));
        bed.kill9();
        assert_eq!(answered["stored"], true, "{answered}");
        let stored = events(&bed);
        assert!(
            stored.iter().any(|event| event["event_id"] == answered["event_id"]),
            "round {round}: {answered} of {stored:?}"
        );
        bed.start();
        let port = bed.local_port;
        eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    }
    bed.stop();
}

#[test]
fn pictures_come_as_files_forms_and_json() {
    let mut bed = bed_with("dedup_s = 0");
    let jpeg = photo("obama-2.jpg");
    let name = |answer: &Value| answer["identity_id"].clone();
    let plain = [JPEG, "image/jpeg; charset=utf-8", "application/octet-stream"];
    for kind in plain {
        assert_eq!(name(&done(post(&bed, "?ip=terminal", kind, &jpeg))), "1001", "{kind}");
    }
    for key in ["image_base64_str", "image", "photo"] {
        let text = format!("data:image/jpeg;base64,{}", photo_base64("obama-2.jpg"));
        let body = json!({ "deviceId": 7, key: text }).to_string();
        assert_eq!(name(&done(post(&bed, "?ip=terminal", JSON, body.as_bytes()))), "1001", "{key}");
    }
    let mut form = b"--xyz\r\nContent-Disposition: form-data; name=\"deviceId\"\r\n\r\n7\r\n--xyz\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"
        .to_vec();
    form.extend_from_slice(&jpeg);
    form.extend_from_slice(b"\r\n--xyz--\r\n");
    let kind = "multipart/form-data; boundary=xyz";
    assert_eq!(name(&done(post(&bed, "?ip=terminal", kind, &form))), "1001");
    assert_eq!(counted(&bed, "terminal", "recognised"), 7.0);
    eventually("without de-duplication each is an event", SOON, || {
        (bed.metric("menshen_events_total") == 7.0).then_some(())
    });
    bed.stop();
}

/// A form of device `xyz`; each part with its headers.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, bytes) in parts {
        body.extend(format!("--xyz\r\n{headers}\r\n\r\n").into_bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--xyz--\r\n");
    body
}

/// What, content type, and a body that shows Obama.
type Form = (&'static str, &'static str, Vec<u8>);

fn named(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

fn forms(face: &[u8], other: &[u8], scene: &[u8]) -> Vec<Form> {
    let event = b"<E><backgroundImage><contentID>p1</contentID></backgroundImage><faceImage><contentID>p2</contentID></faceImage></E>";
    let gbk =
        [b"Content-Disposition: form-data; name=\"f\"; filename=\"".as_slice(), b"\xd7\xa5\xc5\xc4.jpg\""]
            .concat();
    let mut with_gbk = b"--xyz\r\n".to_vec();
    with_gbk.extend([&gbk[..], b"\r\n\r\n", face, b"\r\n--xyz"].concat());
    let base64 = photo_base64("obama-2.jpg");
    vec![
        (
            "an event with a file name first",
            "multipart/form-data; boundary=\"xyz\"",
            form(&[
                (
                    "Content-Disposition: form-data; name=\"e.xml\"; filename=\"e.xml\"\r\nContent-Type: application/xml",
                    event,
                ),
                (&named("x\"; filename=\"x.jpg"), face),
            ]),
        ),
        (
            "a scene without people first",
            "multipart/form-data; boundary=xyz",
            form(&[(&named("a"), scene), (&named("b"), face)]),
        ),
        (
            "a scene with somebody else first",
            "multipart/form-data; boundary=xyz",
            form(&[(&named("backgroundPicture"), other), (&named("facePicture"), face)]),
        ),
        (
            "the event says which is which",
            "multipart/mixed; boundary=xyz",
            form(&[
                ("Content-Type: application/xml", event),
                ("Content-Type: image/jpeg\r\nContent-ID: <p1>", other),
                ("Content-Type: image/jpeg\r\nContent-ID: <p2>", face),
            ]),
        ),
        (
            "the picture of an ID card beside the live one",
            "multipart/form-data; boundary=xyz",
            form(&[(&named("idCardFace"), other), (&named("live"), face)]),
        ),
        ("a name in GBK, cut off", "multipart/form-data; boundary=xyz", with_gbk),
        (
            "base64 in a part",
            "multipart/form-data; boundary=xyz",
            form(&[(
                "Content-Disposition: form-data; name=\"f\"\r\nContent-Transfer-Encoding: base64",
                base64.as_bytes(),
            )]),
        ),
        (
            "JSON under a wrong label",
            "text/plain",
            json!({ "FaceInfo": { "Pic": base64.replace('+', " ") } }).to_string().into_bytes(),
        ),
        ("a web form", "application/x-www-form-urlencoded", format!("id=1&image={base64}").into_bytes()),
        ("a photo without a label", "", face.to_vec()),
    ]
}

#[test]
fn forms_of_the_field_are_read() {
    let mut bed = bed_with("dedup_s = 0");
    enrol(&bed, "1002", "Joe Biden", "biden-1.jpg");
    let (face, other, scene) = (photo("obama-2.jpg"), photo("biden-1.jpg"), photo("coffee.png"));
    let cases = forms(&face, &other, &scene);
    let count = cases.len();
    for (what, kind, body) in cases {
        for device in ["?ip=terminal", ""] {
            let answer = done(post(&bed, device, kind, &body));
            assert_eq!(answer["identity_id"], "1001", "{what} {device}: {answer}");
        }
    }
    assert_eq!(counted(&bed, "terminal", "recognised"), count as f64, "each form is one photo");
    // A snapshot camera sends the face of each person of a group.
    let group =
        form(&[(&named("background"), &scene), (&named("face_1"), &face), (&named("face_2"), &other)]);
    let answer = done(post(&bed, "/snap/", "multipart/form-data; boundary=xyz", &group));
    assert_eq!((&answer["outcome"], &answer["faces"]), (&json!("recognised"), &json!(2)), "{answer}");
    eventually("an event for each person", SOON, || {
        (bed.metric("menshen_events_total") == count as f64 + 2.0).then_some(())
    });
    // Who stands there shows a form with nobody's live picture.
    let only = form(&[(&named("idCardFace"), &face)]);
    let (status, answer) = post(&bed, "?ip=terminal", "multipart/form-data; boundary=xyz", &only);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(40091)), "{answer}");
    bed.stop();
}

/// What, content type, body, HTTP status, code, counted as.
type Case<'a> = (&'a str, &'a str, &'a [u8], u16, i64, &'a str);

#[test]
fn photos_that_show_nobody_are_counted_with_their_reason() {
    let mut bed = bed_with("");
    let jpeg = photo("obama-2.jpg");
    let huge = vec![0xff; 13 * 1024 * 1024];
    let form = b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz--\r\n".to_vec();
    let small = shrunk("obama-2.jpg", 40);
    let cases: [Case; 11] = [
        ("no face", JPEG, b"", 400, 40003, "undecodable"),
        ("text", JPEG, b"hello", 400, 40003, "undecodable"),
        ("truncated", JPEG, &jpeg[..jpeg.len() / 3], 400, 40003, "undecodable"),
        ("too many bytes", JPEG, &huge, 413, 41300, "too_large"),
        ("a web page", "text/html", b"<html>", 415, 40001, "undecodable"),
        ("JSON without", JSON, b"{\"a\":1}", 400, 40091, "undecodable"),
        ("broken JSON", JSON, b"{\"image\":", 400, 40091, "undecodable"),
        ("broken base64", JSON, b"{\"image\":\"%%\"}", 400, 40003, "undecodable"),
        ("a form without a file", "multipart/form-data; boundary=xyz", &form, 400, 40091, "undecodable"),
        ("a form without a boundary", "multipart/form-data", &form, 400, 40091, "undecodable"),
        ("too small", JPEG, &small, 400, 40009, "too_small"),
    ];
    let mut expected = std::collections::BTreeMap::<&str, f64>::new();
    for (what, kind, body, status, code, result) in cases {
        let (got, answer) = post(&bed, "?ip=terminal", kind, body);
        assert_eq!((got, &answer["error"]["code"]), (status, &json!(code)), "{what}: {answer}");
        *expected.entry(result).or_default() += 1.0;
        assert_eq!(counted(&bed, "terminal", result), expected[result], "{what}");
    }
    let (status, answer) = post(&bed, "?ip=snap", "image/png", &photo("coffee.png"));
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(40004)));
    assert_eq!(counted(&bed, "snap", "no_face"), 1.0);
    for nobody in ["?ip=9.9.9.9", "/../../etc/passwd", "?ep_id=x"] {
        assert_eq!(post(&bed, nobody, JPEG, &jpeg).0, 404, "{nobody}");
    }
    assert_eq!(bed.metric("menshen_events_total"), 0.0);
    // After all of it the next photo is recognised.
    assert_eq!(done(post(&bed, "?ip=terminal", JPEG, &jpeg))["identity_id"], "1001");
    bed.stop();
}

fn shrunk(name: &str, side: u32) -> Vec<u8> {
    let picture = image::open(picture(name)).unwrap();
    let mut jpeg = std::io::Cursor::new(Vec::new());
    picture.thumbnail(side, side).to_rgb8().write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    // On a large grey ground, so that the face is found and is small.
    let face = image::load_from_memory(&jpeg.into_inner()).unwrap().to_rgb8();
    let mut ground = image::RgbImage::from_pixel(side * 4, side * 4, image::Rgb([120, 120, 120]));
    image::imageops::overlay(&mut ground, &face, i64::from(side), i64::from(side));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    ground.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    jpeg.into_inner()
}

/// Two people side by side.
fn pair(left: &str, right: &str) -> Vec<u8> {
    let (left, right) = (image::open(picture(left)).unwrap(), image::open(picture(right)).unwrap());
    let (left, right) = (left.thumbnail(700, 700).to_rgb8(), right.thumbnail(500, 500).to_rgb8());
    let mut both = image::RgbImage::from_pixel(1300, 700, image::Rgb([90, 90, 90]));
    image::imageops::overlay(&mut both, &left, 0, 0);
    image::imageops::overlay(&mut both, &right, 750, 100);
    let mut jpeg = std::io::Cursor::new(Vec::new());
    both.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    jpeg.into_inner()
}

#[test]
fn a_snapshot_camera_tells_of_everybody_and_a_terminal_of_the_nearest() {
    let mut bed = bed_with("");
    // Whoever looks like somebody beside a more similar one is somebody else.
    let twice = done(post(&bed, "?ip=snap", JPEG, &pair("obama-3.jpg", "obama-2.jpg")));
    assert_eq!((&twice["faces"], &twice["outcome"]), (&json!(2), &json!("recognised")), "{twice}");
    let both = pair("obama-2.jpg", "biden-1.jpg");
    let answer = done(post(&bed, "?ip=snap", JPEG, &both));
    assert_eq!(
        (&answer["identity_id"], &answer["outcome"]),
        (&json!("1001"), &json!("stranger")),
        "{answer}"
    );
    let answer = done(post(&bed, "?ip=terminal", JPEG, &both));
    assert_eq!((&answer["identity_id"], &answer["faces"]), (&json!("1001"), &json!(2)), "{answer}");
    eventually("all are stored", SOON, || (bed.metric("menshen_events_total") >= 4.0).then_some(()));
    bed.stop();
    let events = events(&bed);
    let strangers = events.iter().filter(|event| event["stranger"] == true).count();
    assert_eq!((events.len(), strangers), (4, 2), "{events:?}");
}

#[test]
fn doors_open_by_pass_mode_and_gate_mode() {
    let relay = Receiver::new(|_| 200);
    let url = relay.url() + "?m={mode}";
    let mut bed = bed_with(&format!(
        "dedup_s = 0\naction_url = \"{url}\"\n[[devices]]\nip = \"open\"\ntype = \"turnstile\"\npipeline = \"post\"\n\
         pass_mode = \"all_pass\"\ndedup_s = 0\naction_url = \"{url}&d=open\"\n[[devices]]\nip = \"shut\"\n\
         type = \"turnstile\"\npipeline = \"post\"\npass_mode = \"all_forbidden\"\ndedup_s = 0\naction_url = \"{url}&d=shut\"\n"
    ));
    eventually("four listen", SOON, || (bed.metric("menshen_device_online") >= 4.0).then_some(()));
    let lines = || relay.got().into_iter().map(|got| got.line).collect::<Vec<_>>();
    let wait = |what: &str, count: usize| {
        eventually(what, SOON, || (lines().len() >= count).then_some(()));
        assert_eq!(lines().len(), count, "{what}: {:?}", lines());
    };
    assert_eq!(done(post(&bed, "?ip=terminal", JPEG, &photo("obama-2.jpg")))["pass"], true);
    wait("the door opens for him", 1);
    assert_eq!(done(post(&bed, "?ip=terminal", JPEG, &photo("biden-1.jpg")))["pass"], false);
    assert_eq!(done(post(&bed, "?ip=shut", JPEG, &photo("obama-2.jpg")))["pass"], false);
    let unknown = done(post(&bed, "?ip=open", JPEG, &photo("biden-1.jpg")));
    assert_eq!((&unknown["pass"], &unknown["result"]), (&json!(true), &json!(false)));
    wait("the door of all_pass", 2);
    assert!(lines()[1].contains("d=open"), "{:?}", lines());
    let small = done(post(&bed, "?ip=open", JPEG, &shrunk("obama-2.jpg", 40)));
    assert_eq!((&small["pass"], &small["outcome"]), (&json!(true), &json!("too_small")));
    wait("and for a face that is too small", 3);
    http::json(
        bed.local_port,
        "POST",
        "/SophonFogSys/api/GateControllerMode",
        &json!({ "controller_mode": "avoid" }),
    );
    for device in ["?ip=terminal", "?ip=open"] {
        assert_eq!(done(post(&bed, device, JPEG, &photo("obama-2.jpg")))["pass"], false);
    }
    assert_eq!(lines().len(), 3, "avoid does nothing");
    bed.stop();
}

/// A camera that sends as fast as it can: the person at the terminal does not wait for all of that.
#[test]
fn a_device_that_floods_the_box_keeps_no_other_waiting() {
    let mut bed = bed_with("dedup_s = 0");
    let large = {
        let picture = image::open(picture("obama-3.jpg")).unwrap();
        let scene = picture.resize_exact(4000, 3000, image::imageops::FilterType::Nearest).into_rgb8();
        let mut jpeg = std::io::Cursor::new(Vec::new());
        scene.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        jpeg.into_inner()
    };
    let answered = std::sync::atomic::AtomicUsize::new(0);
    let order = std::sync::atomic::Ordering::SeqCst;
    let (port, floods) = (bed.local_port, 12);
    std::thread::scope(|scope| {
        for _ in 0..floods {
            scope.spawn(|| {
                let path = format!("{RECOGNIZE}?ip=snap");
                http::call(port, "POST", &path, &[("Content-Type", JPEG)], &large);
                answered.fetch_add(1, order);
            });
        }
        eventually("the camera has the workers busy", SOON, || (answered.load(order) >= 1).then_some(()));
        let before = answered.load(order);
        let known = done(post(&bed, "?ip=terminal", JPEG, &photo("obama-2.jpg")));
        let meanwhile = answered.load(order) - before;
        assert_eq!(known["identity_id"], "1001", "{known}");
        assert!(before < floods / 2, "the flood was over at once: {before}");
        // Those that were being looked at, and one whose turn it was.
        assert!(meanwhile <= 4, "{meanwhile} of the camera's photos came first");
    });
    bed.stop();
}

#[test]
fn a_slow_or_broken_post_costs_nobody_else() {
    let mut bed = bed_with("dedup_s = 0");
    let jpeg = photo("obama-2.jpg");
    let head = format!(
        "POST {RECOGNIZE}?ip=terminal HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {JPEG}\r\nContent-Length: {}\r\n\r\n",
        jpeg.len()
    );
    let begin = || {
        let mut stream = TcpStream::connect(("127.0.0.1", bed.local_port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&jpeg[..1000]).unwrap();
        stream
    };
    drop(begin());
    let mut slow = begin();
    let started = Instant::now();
    assert_eq!(done(post(&bed, "?ip=terminal", JPEG, &jpeg))["identity_id"], "1001");
    slow.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut answer = String::new();
    let _ = slow.read_to_string(&mut answer);
    assert!(answer.contains("too slowly") || answer.is_empty(), "{answer}");
    assert!(started.elapsed() < SOON, "a slow body is given up");
    eventually("both are counted", SOON, || (counted(&bed, "terminal", "interrupted") >= 2.0).then_some(()));
    bed.stop();
}

#[test]
fn a_device_that_is_not_heard_of_is_offline() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_config(
        "\n[[devices]]\nip = \"quiet\"\ntype = \"snapshot-camera\"\npipeline = \"post\"\nonline_s = 2\n\
         [[devices]]\nip = \"patient\"\ntype = \"snapshot-camera\"\npipeline = \"post\"\n",
    );
    bed.start();
    let after = bed.wait_device("patient", "online", 0);
    let list = bed.wait_device("quiet", "offline", 0);
    assert!(list <= after.max(list));
    post(&bed, "?ip=quiet", JPEG, &photo("coffee.png"));
    let online = bed.wait_device("quiet", "online", list);
    bed.wait_device("quiet", "offline", online);
    bed.stop();
}
