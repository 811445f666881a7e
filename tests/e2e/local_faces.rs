//! Questions about faces in pictures (`detect`, `FIQA`, `compare`), and stored events with their pictures, as published.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::http;
use crate::photos::bed_with;
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, photo, photo_base64};

const EVENTS: &str = "/SophonFace/api/events";
const IMAGES: &str = "/SophonFace/api/event_images";

/// A server that answers one request with a picture.
fn serve_once(picture: Vec<u8>) -> std::net::SocketAddr {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).unwrap();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", picture.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&picture).unwrap();
    });
    address
}

fn face(bed: &TestBed, call: &str, body: Value) -> (u16, Value) {
    http::json(bed.local_port, "POST", &format!("/SophonFace/api/{call}"), &body)
}

fn compare(bed: &TestBed, card: &str, face: &str, more: Value) -> (u16, Value) {
    let mut body =
        json!({ "card_image_base64": photo_base64(card), "face_image_base64": photo_base64(face) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    http::json(bed.local_port, "POST", "/SophonMatch/api/compare", &body)
}

fn done((status, body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

fn refused(what: &str, (status, body): (u16, Value), expected: (u16, i64)) {
    assert_eq!((status, body["error"]["code"].as_i64()), (expected.0, Some(expected.1)), "{what}: {body}");
}

#[test]
fn faces_of_a_picture_are_found_and_judged() {
    let mut bed = bed_with("");
    let picture = photo_base64("obama-2.jpg");
    let plain = done(face(&bed, "detect", json!({ "image_base64_str": picture })));
    let [x1, y1, x2, y2] = [0, 1, 2, 3].map(|at| plain[0]["bbox"][at].as_f64().unwrap());
    assert!(x1 < x2 && y1 < y2, "{plain}");
    assert_eq!(plain[0].as_object().unwrap().len(), 1, "only what was asked for: {plain}");
    let guessed = done(face(&bed, "detect", json!({ "image_base64_str": picture, "with_attribute": true })));
    let guess = &guessed[0]["attribute"];
    assert!(guess["age"].is_u64() && guess["gender"] == "male", "{guessed}");
    let all = done(face(
        &bed,
        "detect",
        json!({ "image_base64_str": picture, "with_feature": 1, "with_landmark": "true", "with_headpose": true }),
    ));
    let landmark: Vec<f64> =
        all[0]["landmark"].as_array().unwrap().iter().map(|at| at.as_f64().unwrap()).collect();
    assert_eq!(landmark.len(), 10);
    assert!(
        landmark[..5].iter().all(|x| (x1..x2).contains(x))
            && landmark[5..].iter().all(|y| (y1..y2).contains(y))
    );
    assert!(all[0]["headpose"]["yaw_angle"].is_number() && all[0]["feature"] == json!([]), "{all}");
    assert_eq!(
        done(face(&bed, "detect", json!({ "image_base64_str": photo_base64("coffee.png") }))),
        json!([])
    );

    let judged = done(face(&bed, "FIQA", json!({ "image_base64_str": picture, "fiqa_level": "low" })));
    let info = &judged[0]["info"];
    assert_eq!((&info["face_color"], &info["face_location"]), (&info["brightness"], &info["partial"]));
    assert_eq!(info["face_angle"].as_array().unwrap().len(), 3);
    assert_eq!((&judged[0]["fiqa_result"], &info["image_quality"]), (&json!(true), &json!(1)), "{judged}");
    let small = done(face(&bed, "FIQA", json!({ "image_base64_str": photo_base64("astronaut.png") })));
    assert_eq!(
        (&small[0]["fiqa_result"], &small[0]["info"]["image_quality"]),
        (&json!(false), &json!(0)),
        "{small}"
    );

    let call = |call: &str, body: Value| face(&bed, call, body);
    refused("no face", call("FIQA", json!({ "image_base64_str": photo_base64("coffee.png") })), (400, 40004));
    refused(
        "a level",
        call("FIQA", json!({ "image_base64_str": picture, "fiqa_level": "best" })),
        (400, 40091),
    );
    refused("no picture", call("FIQA", json!({ "fiqa_level": "low" })), (400, 40091));
    refused("no picture", call("detect", json!({ "max_num_faces": 1 })), (400, 40091));
    refused("a broken one", call("detect", json!({ "image_base64_str": "AAAA" })), (400, 40003));
    refused("none", call("detect", json!({ "image_base64_str": picture, "max_num_faces": 0 })), (400, 40091));
    // By its address: from this machine also one of the box's own networks.
    let server = serve_once(photo("obama-2.jpg"));
    assert_eq!(done(call("detect", json!({ "image_url": format!("http://{server}/x.jpg") }))), plain);
    refused(
        "nobody there",
        call("detect", json!({ "image_url": format!("http://{server}/x.jpg") })),
        (400, 40003),
    );
    refused("a file", call("detect", json!({ "image_url": "file:///etc/hostname" })), (400, 40091));
    refused(
        "both",
        call("detect", json!({ "image_base64_str": picture, "image_url": "http://h/" })),
        (400, 40091),
    );
    assert_eq!(find(&bed, "")["pagination"]["stored"], 0, "nothing of this is an event");
    bed.stop();
}

#[test]
fn two_pictures_are_compared() {
    let mut bed = bed_with("");
    let (status, same) = compare(
        &bed,
        "obama-1.jpg",
        "obama-2.jpg",
        json!({ "identity_info": { "user_idcard": "11010119610804001X", "user_name": "奥巴马" } }),
    );
    assert_eq!((status, &same["retcode"]), (200, &json!("1")), "{same}");
    assert!(same["score"].as_f64().unwrap() >= 0.82 && same.get("data").is_none(), "{same}");
    assert_eq!((&same["identity_id"], &same["name"]), (&json!("11010119610804001X"), &json!("奥巴马")));
    let (_, other) = compare(&bed, "obama-1.jpg", "biden-1.jpg", json!({ "threshold": "low" }));
    assert_eq!(other["retcode"], "0", "{other}");
    // A number is a mark on the scale of scores.
    let score = same["score"].as_f64().unwrap() * 100.0;
    let at = |mark: f64| {
        compare(&bed, "obama-1.jpg", "obama-2.jpg", json!({ "threshold": mark })).1["retcode"].clone()
    };
    assert_eq!((at(score - 0.5), at(score + 0.5)), (json!("1"), json!("0")), "{score}");
    refused("no face", compare(&bed, "coffee.png", "obama-2.jpg", json!({})), (400, 40004));
    refused(
        "too small",
        compare(&bed, "obama-1.jpg", "astronaut.png", json!({ "fiqa_level": "high" })),
        (400, 40009),
    );
    refused(
        "to be kept",
        compare(&bed, "obama-1.jpg", "obama-2.jpg", json!({ "need_save": true })),
        (501, 50100),
    );
    refused(
        "a mark",
        compare(&bed, "obama-1.jpg", "obama-2.jpg", json!({ "threshold": "tall" })),
        (400, 40091),
    );
    let log = bed.log();
    assert!(!log.contains("11010119610804001X") && !log.contains("奥巴马"), "{log}");
    assert_eq!(find(&bed, "")["pagination"]["stored"], 0, "nothing of this is an event");
    bed.stop();
}

fn pass(bed: &TestBed, device: &str, file: &str) -> Value {
    let body = json!({ "device_ip": device, "rgb_image_base64": photo_base64(file) });
    let (status, answer) = http::json(bed.local_port, "POST", "/SophonMatch/api/PictureMatch", &body);
    assert_eq!(status, 200, "{answer}");
    answer
}

fn find(bed: &TestBed, query: &str) -> Value {
    let (status, body) = http::get(bed.local_port, &format!("{EVENTS}?{query}"));
    assert_eq!(status, 200, "{body}");
    body
}

fn ids(found: &Value) -> Vec<Value> {
    found["data"].as_array().unwrap().iter().map(|event| event["_id"].clone()).collect()
}

/// Status, content type and body.
fn raw(bed: &TestBed, path: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", bed.local_port)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind =
        head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default().to_owned();
    (status, kind, answer[end + 4..].to_vec())
}

/// A box with a known person and a stranger seen at the terminal, and the known person at the other camera.
fn bed_with_events() -> (TestBed, [Value; 3]) {
    let bed = bed_with("dedup_s = 0");
    let made = [("terminal", "obama-2.jpg"), ("terminal", "biden-1.jpg"), ("snap", "obama-3.jpg")]
        .map(|(device, file)| pass(&bed, device, file)["event_id"].clone());
    eventually("all are stored", SOON, || (ids(&find(&bed, "")).len() == 3).then_some(()));
    (bed, made)
}

#[test]
fn stored_events_are_found_newest_first() {
    let (mut bed, [known, stranger, second]) = bed_with_events();
    let all = find(&bed, "");
    assert_eq!(ids(&all), [second.clone(), stranger.clone(), known.clone()]);
    assert_eq!(
        all["pagination"],
        json!({ "num_pages": 1, "page": 0, "per_page": 10, "total_count": 3, "looked_at": 3, "stored": 3 })
    );
    let common = &all["data"][2]["common"];
    assert_eq!(
        (&common["identity_id"], &common["identity_name"], &common["person_type"], &common["group_name"]),
        (&json!("1001"), &json!("Barack Obama"), &json!(1), &json!("default_group"))
    );
    assert!((82.0..=100.0).contains(&common["score"].as_f64().unwrap()), "{common}");
    assert_eq!(common["ep_info"]["ep_ip"], "terminal");
    let at = all["data"][2]["timestamp"].as_f64().unwrap();
    assert!((1.6e9..1e10).contains(&at), "in seconds: {at}");
    let unknown = &all["data"][1]["common"];
    assert_eq!((&unknown["identity_id"], &unknown["identity_info"]), (&json!(""), &json!({})));

    // Pages.
    let page = |query: &str| {
        let found = find(&bed, query);
        (ids(&found), found["pagination"]["num_pages"].clone(), found["pagination"]["total_count"].clone())
    };
    assert_eq!(page("per_page=2"), (vec![second.clone(), stranger.clone()], json!(2), json!(3)));
    assert_eq!(page("per_page=2&page=1"), (vec![known.clone()], json!(2), json!(3)));
    assert_eq!(page("per_page=2&page=2").0, Vec::<Value>::new());
    assert_eq!(page("top_k=1"), (vec![second.clone()], json!(1), json!(1)));
    assert_eq!(page("identity_id=1001&per_page=1&page=1"), (vec![known.clone()], json!(2), json!(2)));

    // Filters.
    let snap = common["ep_info"]["device_id"].as_str().unwrap();
    for (query, expected) in [
        ("identity_id=1001".to_owned(), vec![&second, &known]),
        ("name=Obama".to_owned(), vec![&second, &known]),
        ("userType=4".to_owned(), vec![&stranger]),
        ("score_min=82".to_owned(), vec![&second, &known]),
        ("score_max=81.9".to_owned(), vec![&stranger]),
        (format!("datetime_gte={}", at + 3600.0), vec![]),
        (format!("datetime_lte={}", at - 3600.0), vec![]),
        (format!("datetime_gte={}&datetime_lte={}", at - 1.0, at + 60.0), vec![&second, &stranger, &known]),
        (format!("streams={snap}"), vec![&stranger, &known]),
        (format!("streams=%5B%22{snap}%22%2C%22snap%22%5D"), vec![&second, &stranger, &known]),
        ("streams=snap&streams=none".to_owned(), vec![&second]),
        ("streams=none".to_owned(), vec![]),
        ("groups=default_group".to_owned(), vec![&second, &stranger, &known]),
        ("groups=none".to_owned(), vec![]),
    ] {
        assert_eq!(ids(&find(&bed, &query)).iter().collect::<Vec<_>>(), expected, "{query}");
    }
    for (query, expected) in [
        ("userType=9", (400, 40091)),
        ("score_min=101", (400, 40091)),
        ("datetime_gte=1700000000000", (400, 40091)),
        ("per_page=1001", (400, 40091)),
        ("page=-1", (400, 40091)),
        ("room=12", (501, 50100)),
    ] {
        refused(query, http::get(bed.local_port, &format!("{EVENTS}?{query}")), expected);
    }
    bed.stop();
}

#[test]
fn pictures_of_events_are_shown_and_taken_away_with_them() {
    let (mut bed, [known, stranger, second]) = bed_with_events();
    let entry = |id: &Value| {
        let found = find(&bed, "");
        found["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|event| event["_id"] == *id)
            .cloned()
            .unwrap_or_default()
    };
    let pictures = |id: &Value| {
        let common = entry(id)["common"].clone();
        ["spot_pic_id", "recognize_face_pic_id"]
            .map(|key| common[key].as_str().unwrap_or_default().to_owned())
    };
    let [spot, face] = pictures(&known);
    for picture in [&spot, &face] {
        let (status, kind, body) = raw(&bed, &format!("{IMAGES}/{picture}?datetime=1700000000.5"));
        assert_eq!((status, kind.as_str(), &body[..3]), (200, "image/jpeg", b"\xff\xd8\xff".as_slice()));
    }
    for name in ["none-spot.jpg", "..%2F..%2Fkey-spot.jpg", "key"] {
        assert_eq!(raw(&bed, &format!("{IMAGES}/{name}")).0, 404, "{name}");
    }
    let delete = |path: String| http::call(bed.local_port, "DELETE", &path, &[], b"");
    done(delete(format!("{IMAGES}?image_id_list={spot}&datetime_list=1700000000.5")));
    assert_eq!(raw(&bed, &format!("{IMAGES}/{spot}")).0, 404);
    assert_eq!(pictures(&known), [String::new(), face], "the event stays");

    // What a receiver has not got yet stays, and so does all that was named with it.
    let receiver = Receiver::new(|_| 500);
    let urls = json!({ "urls": [receiver.url()] });
    done(http::json(bed.local_port, "POST", "/SophonFogSys/api/HistoryEventUrl", &urls));
    let both = format!("{EVENTS}?event_id_list={},{}", known.as_str().unwrap(), stranger.as_str().unwrap());
    refused("unsent", delete(both.clone()), (400, 40091));
    let [spot, _] = pictures(&stranger);
    refused("unsent", delete(format!("{IMAGES}?image_id_list={spot}")), (400, 40091));
    assert_eq!((entry(&known)["common"]["is_send"].clone(), ids(&find(&bed, "")).len()), (json!(0), 3));
    receiver.answer(|_| 200);
    eventually("all are sent", SOON, || (entry(&second)["common"]["is_send"] == 1).then_some(()));
    assert_eq!(done(delete(both.clone()))["deleted"], 2);
    assert_eq!(ids(&find(&bed, "")), [second]);
    assert_eq!(raw(&bed, &format!("{IMAGES}/{spot}")).0, 404, "its pictures went with it");
    assert_eq!(done(delete(both))["deleted"], 0, "gone already");
    refused("nothing named", delete(EVENTS.to_owned()), (400, 40091));
    bed.stop();
}
