//! The live stream: a WebSocket that sends every event, to clients that ask for its device.

use std::time::Duration;

use menshen_testbed::broker::free_port;
use menshen_testbed::platform::ledger::Entry;
use menshen_testbed::stream_client::{Heard, Refused, StreamClient};
use serde_json::{Value, json};

use crate::access::new_token;
use crate::http;
use crate::photos::enrol;
use crate::testbed::{SOON, TestBed, eventually, photo_base64, start_camera};

const MATCH: &str = "/SophonMatch/api/PictureMatch";
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUED: u8 = 0;
/// Long enough for an event to arrive that should not.
const A_WHILE: Duration = Duration::from_millis(1500);

const DEVICES: &str = "\n[[devices]]\nip = \"terminal\"\nname = \"gate\"\ntype = \"door-terminal\"\npipeline = \"post\"\n\
    dedup_s = 0\n[[devices]]\nip = \"snap\"\nname = \"yard\"\ntype = \"snapshot-camera\"\npipeline = \"post\"\n";

/// A box with a stream, not started; with the stream's port.
fn box_with_stream(more: &str) -> (TestBed, u16) {
    let mut bed = TestBed::standalone();
    let port = free_port().unwrap();
    bed.add_config(&format!("[local_api]\nstream_listen = \"127.0.0.1:{port}\"\n{more}"));
    (bed, port)
}

fn start(bed: &mut TestBed, port: u16) {
    bed.start();
    for port in [bed.local_port, port] {
        eventually("it listens", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    }
}

/// With a terminal, a snapshot camera and Obama; the devices' ids.
fn started() -> (TestBed, u16, [String; 2]) {
    let (mut bed, port) = box_with_stream(DEVICES);
    start(&mut bed, port);
    enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    let ids = ["terminal", "snap"].map(|ip| device_id(&bed, ip));
    (bed, port, ids)
}

fn device_id(bed: &TestBed, ip: &str) -> String {
    let (_, body) = http::get(bed.local_port, "/SophonDevice/api/Devices");
    let devices = body["data"]["devices_list"].as_array().unwrap();
    let device = devices.iter().find(|device| device["device_ip"] == ip).unwrap();
    device["device_id"].as_str().unwrap().to_owned()
}

/// A passage; its event's id.
fn pass(bed: &TestBed, device: &str, file: &str) -> String {
    let body = json!({ "device_ip": device, "rgb_image_base64": photo_base64(file) });
    let (status, answer) = http::json(bed.local_port, "POST", MATCH, &body);
    assert_eq!(status, 200, "{answer}");
    answer["event_id"].as_str().unwrap().to_owned()
}

fn event(client: &mut StreamClient) -> Value {
    match client.hear(SOON).unwrap() {
        Heard::Event(event) => event,
        other => panic!("no event, but {other:?}"),
    }
}

fn nothing(client: &mut StreamClient) {
    assert_eq!(client.hear(A_WHILE).unwrap(), Heard::Nothing);
}

fn refused(result: anyhow::Result<StreamClient>) -> (u16, Value) {
    let Err(error) = result else { panic!("the client was let in") };
    let refused = error.downcast::<Refused>().unwrap();
    (refused.status, serde_json::from_str(&refused.body).unwrap_or_default())
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Messages so far with this result.
fn counted(bed: &TestBed, result: &str) -> f64 {
    let metrics = menshen_testbed::scrape::get(bed.port, "/metrics");
    let series = format!("menshen_stream_messages_total{{result=\"{result}\"}}");
    menshen_testbed::scrape::value(&metrics, &series).unwrap_or_default()
}

const TOP: [&str; 10] = [
    "device_id",
    "event_id",
    "ext_data",
    "group_name",
    "identity_id",
    "identity_info",
    "identity_name",
    "score",
    "timestamp",
    "video_id",
];
const EXT: [&str; 8] = [
    "box_fiqa_info",
    "device_ip",
    "device_type",
    "event_id",
    "grab_fiqa_info",
    "in_timestamp",
    "out_timestamp",
    "person_type",
];

#[test]
fn a_client_gets_the_events_of_the_devices_it_names_and_nothing_before() {
    let (mut bed, port, [terminal, snap]) = started();
    let mut client = StreamClient::connect(port).unwrap();
    let mut bare = StreamClient::connect(port).unwrap();
    bare.configure(&[], true, true).unwrap();
    pass(&bed, "terminal", "obama-2.jpg");
    nothing(&mut client);
    nothing(&mut bare);

    // Ids nobody has are ignored.
    client.configure(&["no-such-device", &terminal], false, false).unwrap();
    let id = pass(&bed, "terminal", "obama-2.jpg");
    let heard = event_of(&mut client, &id);
    let is_pushed =
        |entry: &Entry| entry.kind == "realtime" && entry.body["ext_data"]["event_id"] == id.as_str();
    let pushed = bed.wait("told in real time", is_pushed).body;
    assert_eq!((keys(&heard), keys(&heard["ext_data"])), (TOP.to_vec(), EXT.to_vec()), "{heard}");
    for key in ["identity_id", "identity_name", "group_name", "timestamp", "score"] {
        assert_eq!(heard[key], pushed[key], "{key}");
    }
    for key in EXT {
        assert_eq!(heard["ext_data"][key], pushed["ext_data"][key], "{key}");
    }
    assert_eq!((&heard["identity_id"], &heard["identity_name"]), (&json!("1001"), &json!("Barack Obama")));
    assert_eq!((&heard["device_id"], &heard["video_id"]), (&json!(terminal), &json!(terminal)));
    assert_eq!(heard["event_id"], id.as_str());
    assert_eq!(heard["group_name"], "default_group");
    let score = heard["score"].as_f64().unwrap();
    assert!((0.82..=1.0).contains(&score), "{score}");
    assert!(heard["timestamp"].as_u64().unwrap() > 1_600_000_000_000, "milliseconds");
    let info = &heard["identity_info"];
    assert_eq!((&info["name"], &info["type"]), (&json!("Barack Obama"), &pushed["ext_data"]["person_type"]));
    assert!(info["image_id"].as_str().is_some_and(|id| !id.is_empty()), "{info}");
    assert_eq!(heard["ext_data"]["grab_fiqa_info"], json!({}));
    assert_eq!(heard["ext_data"]["box_fiqa_info"]["fiqa_result"], true);

    // Strangers too.
    let id = pass(&bed, "terminal", "biden-1.jpg");
    let stranger = event(&mut client);
    assert_eq!(keys(&stranger), TOP.to_vec());
    assert_eq!(
        (
            &stranger["event_id"],
            &stranger["identity_id"],
            &stranger["identity_name"],
            &stranger["identity_info"]
        ),
        (&json!(id), &json!(""), &json!("stranger"), &json!({}))
    );
    assert_eq!(stranger["ext_data"]["person_type"], 4);

    // Another configuration replaces the old one: other devices, pictures too.
    client.configure(&[&snap], true, true).unwrap();
    let id = pass(&bed, "snap", "obama-3.jpg");
    let heard = event_of(&mut client, &id);
    assert_eq!(heard["device_id"], snap);
    assert_eq!(heard["reg_pic"], photo_base64("obama-1.jpg"));
    let face = heard["ext_data"]["recognize_face"].as_str().unwrap();
    assert!(face.starts_with("/9j/"), "a JPEG");
    assert!(heard["ext_data"].get("spot_pic").is_none());
    pass(&bed, "terminal", "obama-2.jpg");
    nothing(&mut client);
    client.configure(&[], true, true).unwrap();
    client.say("{}").unwrap();
    client.settle().unwrap();
    pass(&bed, "snap", "obama-2.jpg");
    nothing(&mut client);
    nothing(&mut bare);
    bed.stop();
}

fn event_of(client: &mut StreamClient, id: &str) -> Value {
    let heard = event(client);
    assert_eq!(heard["event_id"], id);
    heard
}

#[test]
fn whoever_is_seen_by_a_camera_is_told_once() {
    let (mut bed, port) = box_with_stream("");
    let mut camera = start_camera("lobby", &["obama-2.jpg", "biden-1.jpg"], &[]);
    bed.add_camera(&camera);
    start(&mut bed, port);
    enrol(&bed, "1001", "Barack Obama", "obama-1.jpg");
    eventually("the camera is online", SOON, || (bed.metric("menshen_device_online") >= 1.0).then_some(()));
    let lobby = device_id(&bed, "lobby");
    let mut client = StreamClient::connect(port).unwrap();
    client.configure(&[&lobby], false, false).unwrap();
    camera.go().unwrap();
    let names: Vec<Value> = (0..4).map(|_| event(&mut client)["identity_name"].clone()).collect();
    let of = |name: &str| names.iter().filter(|known| *known == name).count();
    // He is told of while he is still there, the stranger when the passage is over.
    assert_eq!((of("Barack Obama"), of("stranger")), (2, 2), "{names:?}");
    assert_ne!(names[0], names[1], "{names:?}");
    bed.stop();
}

#[test]
fn what_is_no_configuration_closes_the_conversation() {
    let (mut bed, port, [terminal, _]) = started();
    let mut other = StreamClient::connect(port).unwrap();
    other.configure(&[&terminal], false, false).unwrap();
    let too_large = format!("{{\"x\":\"{}\"}}", "x".repeat(100_000));
    for (what, kind, message, code) in [
        ("no JSON", TEXT, "hello", 1008),
        ("a list", TEXT, "[]", 1008),
        ("null", TEXT, "null", 1008),
        ("nothing", TEXT, "", 1008),
        ("a switch that is none", TEXT, r#"{"need_face":"perhaps"}"#, 1008),
        ("a list that is none", TEXT, r#"{"event_list":{"a":1}}"#, 1008),
        ("no text", BINARY, "{}", 1008),
        ("too much", TEXT, &too_large, 1009),
        ("a kind nobody knows", 3, "{}", 1002),
        ("the end of nothing", CONTINUED, "{}", 1002),
    ] {
        let mut client = StreamClient::connect(port).unwrap();
        client.configure(&[&terminal], false, false).unwrap();
        // The box may close before all of it is written.
        let _ = client.send(true, kind, message.as_bytes());
        match client.hear(SOON).unwrap() {
            Heard::Closed(closed, reason) => assert_eq!(closed, code, "{what}: {reason}"),
            heard => panic!("{what}: {heard:?}"),
        }
        assert_eq!(client.hear(SOON).unwrap(), Heard::Gone, "{what}");
    }
    // In pieces, with a ping between them, it is one message; the end is answered.
    let config = json!({ "event_list": [terminal] }).to_string();
    let (first, rest) = config.as_bytes().split_at(5);
    let mut client = StreamClient::connect(port).unwrap();
    client.send(false, TEXT, first).unwrap();
    client.send(true, 9, b"ping").unwrap();
    client.send(true, CONTINUED, rest).unwrap();
    client.settle().unwrap();
    let id = pass(&bed, "terminal", "obama-2.jpg");
    assert_eq!(event(&mut client)["event_id"], id.as_str());
    assert_eq!(event(&mut other)["event_id"], id.as_str(), "others are told all the while");
    client.send(true, 8, &1000u16.to_be_bytes()).unwrap();
    assert_eq!(client.hear(SOON).unwrap(), Heard::Closed(1000, String::new()));
    eventually("only the other one is there", SOON, || {
        let metrics = menshen_testbed::scrape::get(bed.port, "/metrics");
        let open = menshen_testbed::scrape::value(&metrics, "menshen_connections{server=\"stream\"}");
        (open == Some(1.0)).then_some(())
    });
    bed.stop();
}

#[test]
fn the_stream_is_guarded_as_the_local_api_is() {
    let (mut bed, port) = box_with_stream(DEVICES);
    start(&mut bed, port);
    // Without a token: this machine, under its own name, and no page of another server.
    drop(StreamClient::connect(port).unwrap());
    let connect = |path: &str, headers: &[(&str, &str)]| StreamClient::connect_with(port, path, headers);
    let own = format!("http://127.0.0.1:{port}");
    drop(connect("/", &[("Origin", &own)]).unwrap());
    for headers in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Host", "evil.example"),
    ] {
        let (status, body) = refused(connect("/", &[headers]));
        assert_eq!((status, &body["error"]["status"]), (403, &json!("BAD_REQUEST")), "{headers:?} {body}");
    }
    let (status, body) = http::get(port, "/");
    assert_eq!((status, &body["error"]["code"]), (400, &json!(40091)), "no WebSocket: {body}");
    assert_eq!(http::get(port, "/other").0, 404);
    assert_eq!(http::call(port, "POST", "/", &[("Content-Type", http::JSON)], b"{}").0, 405);
    // With one it is needed, and a device's is not enough.
    let token = new_token(&bed, &["screen"]);
    let of_device = new_token(&bed, &["gate", "--device", "terminal"]);
    assert_eq!(refused(connect("/", &[])).0, 401);
    assert_eq!(refused(connect("/?token=wrong", &[])).0, 401);
    assert_eq!(refused(connect(&format!("/?token={of_device}"), &[])).0, 403);
    let bearer = format!("Bearer {token}");
    drop(connect("/", &[("Authorization", &bearer)]).unwrap());
    let mut client = connect(&format!("/?token={token}"), &[]).unwrap();
    client.configure(&["x"], false, false).unwrap();
    nothing(&mut client);
    assert_eq!(bed.device.health()["stream"], format!("127.0.0.1:{port}"));
    bed.stop();
}

#[test]
fn a_slow_client_loses_the_oldest_and_holds_nobody_up() {
    const PASSES: usize = 44;
    let (mut bed, port, [terminal, _]) = started();
    let mut slow = StreamClient::connect_slow(port).unwrap();
    let mut fast = StreamClient::connect(port).unwrap();
    slow.configure(&[&terminal], true, true).unwrap();
    fast.configure(&[&terminal], true, true).unwrap();
    let mut ids = Vec::new();
    for _ in 0..PASSES {
        ids.push(pass(&bed, "terminal", "obama-2.jpg"));
        assert_eq!(event(&mut fast)["event_id"], *ids.last().unwrap(), "at once, all of them");
        slow.sip(8192).unwrap();
    }
    let dropped = counted(&bed, "dropped");
    assert!(dropped > 0.0, "nothing was dropped");
    let mut heard: Vec<String> = Vec::new();
    // Its few kilobytes at a time take long on a busy machine.
    while heard.last() != ids.last() {
        heard.push(event(&mut slow)["event_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard.len() + dropped as usize, PASSES);
    // What was on its way, and the newest 32.
    let (before, newest) = heard.split_at(heard.len() - 32);
    assert_eq!(newest, &ids[PASSES - 32..]);
    assert_eq!(before, &ids[..before.len()]);
    bed.stop();
}

#[test]
fn clients_are_bounded_and_the_stream_is_off_until_it_is_asked_for() {
    let mut bed = TestBed::standalone();
    bed.start();
    assert_eq!(bed.device.health()["stream"], "");
    bed.stop();
    let (mut bed, port) = box_with_stream("");
    start(&mut bed, port);
    let clients: Vec<StreamClient> =
        std::iter::from_fn(|| StreamClient::connect(port).ok()).take(100).collect();
    assert_eq!(clients.len(), 16, "of one address");
    drop(clients);
    eventually("a place is free again", SOON, || StreamClient::connect(port).ok());
    bed.set("local_api.stream_listen", "\"0.0.0.0:5679\"");
    let output = bed.run(&["check"]);
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("local_api.stream_listen is reachable"), "{text}");
    bed.stop();
}

#[test]
fn a_client_that_is_told_nothing_is_asked_whether_it_is_there() {
    let (mut bed, port) = box_with_stream("");
    start(&mut bed, port);
    let mut client = StreamClient::connect(port).unwrap();
    assert_eq!(client.hear(Duration::from_secs(42)).unwrap(), Heard::Nothing);
    assert_eq!(client.pings, 2);
    bed.stop();
}
