//! The acceptance client: the calls a vendor's registration tool makes, written from the published facts alone (names, order, time
//! limits), with an HTTP client of its own that knows nothing of the box. Run on a fresh box, again on the same box, and once more
//! with `ignore_exist`.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, photo_base64};

/// What a run of the tool is told on its command line.
struct Client {
    server: SocketAddr,
    /// Its own address: the device it plays.
    own_ip: &'static str,
    group: &'static str,
    identity_id: &'static str,
    ignore_exist: bool,
}

impl Client {
    /// One request. HTTP 200 is success, whatever the body says.
    fn send(&self, method: &str, path: &str, body: Option<&Value>, limit: Duration) -> (u16, Value) {
        let mut stream = TcpStream::connect_timeout(&self.server, limit).expect("the port is open");
        stream.set_read_timeout(Some(limit)).unwrap();
        stream.set_write_timeout(Some(limit)).unwrap();
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.server);
        if !body.is_empty() {
            write!(request, "Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()).unwrap();
        }
        stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer came in time");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// The `_id` of the entry whose name is exactly this one; the tool gives up without.
    fn look_up(&self, kind: &str, name: &str) -> String {
        let path = format!("/SophonFace/api/{kind}?info.name={}&exact=true", percent(name));
        let (status, answer) = self.send("GET", &path, None, SOON);
        assert_eq!(status, 200, "{path}: {answer}");
        let entries = answer["data"].as_array().unwrap_or_else(|| panic!("`data` is a list: {answer}"));
        let found = entries.iter().find(|entry| entry["info"]["name"] == name);
        found
            .and_then(|entry| entry["_id"].as_str())
            .unwrap_or_else(|| panic!("no {name} in {answer}"))
            .to_owned()
    }

    /// The whole flow; answers what step 3 and step 7 were answered.
    fn run(&self, history: &str) -> (u16, Value) {
        let group = json!({ "permission_name": self.group, "description": "" });
        self.send("POST", "/SophonFogSys/api/permissions?", Some(&group), SOON);
        let permission = self.look_up("permissions", self.group);
        let user = json!({
            "group_name": "default_group", "identity_id": self.identity_id, "reg_photo": photo_base64("obama-1.jpg"),
            "create_no_exit_permission": false, "ignore_exist": self.ignore_exist,
            "info": { "name": "张三", "type": 1, "permission_ids": [permission] }, "fiqa_level": "custom",
        });
        let (registered, answer) = self.send("POST", "/SophonFogSys/api/users", Some(&user), SOON);
        assert!(registered == 200 || answer["error"]["code"] == 40011, "step 3: {registered} {answer}");
        let registry_group = self.look_up("groups", "default_group");
        let permission = self.look_up("permissions", self.group);
        let devices = json!({ "devices_list": [{
            "device_type": "photo", "netRelay": {}, "is_start_rtmp": false, "device_name": "acceptance client",
            "device_key": self.own_ip, "group_id": registry_group, "permission_id": permission,
        }]});
        let (status, answer) = self.send("POST", "/SophonDevice/api/Devices", Some(&devices), SOON);
        assert_eq!(status, 200, "step 6: {answer}");
        // At once: nobody tells the tool to wait for a lane.
        let picture =
            json!({ "rgb_image_base64": mime(&photo_base64("obama-2.jpg")), "device_ip": self.own_ip });
        let (status, matched) =
            self.send("POST", "/SophonMatch/api/PictureMatch", Some(&picture), Duration::from_secs(5));
        assert_eq!(status, 200, "step 7: {matched}");
        let receiver = json!({
            "history_upload_event_url": [history], "content-type": "json", "reported_peroid": 1,
            "history_need_recognize_face": false, "history_need_reg_pic": true, "history_need_spot_pic": false,
        });
        let (status, answer) =
            self.send("POST", "/SophonFogSys/api/HistoryEventUrl", Some(&receiver), Duration::from_secs(5));
        assert_eq!(status, 200, "step 8: {answer}");
        (registered, matched)
    }
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "%{byte:02X}").unwrap();
        out
    })
}

/// Base64 as mail has it, in lines.
fn mime(base64: &str) -> String {
    let mut out = String::new();
    for (at, letter) in base64.chars().enumerate() {
        if at > 0 && at % 76 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out
}

/// Whether a key with something in it is anywhere in a body.
fn has(body: &Value, key: &str) -> bool {
    match body {
        Value::Object(map) => {
            map.iter().any(|(name, value)| name == key && value.as_str() != Some("") || has(value, key))
        }
        Value::Array(list) => list.iter().any(|value| has(value, key)),
        _ => false,
    }
}

#[test]
fn a_registration_tool_of_the_vendor_runs_to_its_end() {
    let history = Receiver::new(|_| 200);
    let mut bed = TestBed::standalone();
    bed.start();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, bed.local_port));
    eventually("the local API answers", SOON, || TcpStream::connect(server).ok());
    // The last run says `ignore_exist`: the person who is known already is no error then.
    for (run, ignore_exist, expected) in [(1, false, 200), (2, false, 409), (3, true, 200)] {
        let client =
            Client { server, own_ip: "127.0.0.1", group: "验收组", identity_id: "10086", ignore_exist };
        let before = history.got().len();
        let (registered, matched) = client.run(&history.url());
        let sent = Instant::now();
        assert_eq!(registered, expected, "step 3 of run {run}");
        assert_eq!(
            (&matched["retcode"], &matched["identity_id"]),
            (&json!("1"), &json!("10086")),
            "{matched}"
        );
        let got =
            eventually(&format!("the event of run {run}"), SOON, || history.got().into_iter().nth(before));
        assert!(sent.elapsed() < Duration::from_secs(3), "about a second: {:?}", sent.elapsed());
        assert_eq!(got.body["identity_id"], "10086", "run {run}");
        let pictures = ["reg_pic", "spot_pic", "recognize_face"].map(|key| has(&got.body, key));
        assert_eq!(pictures, [true, false, false], "run {run}");
        // The same person makes one event within six seconds.
        std::thread::sleep(Duration::from_secs(7));
    }
    bed.stop();
}
