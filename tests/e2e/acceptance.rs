//! The acceptance client: the calls a vendor's registration tool makes, written from the published facts alone
//! (`menshen_testbed::local_api`), with an HTTP client that knows nothing of the box. Run on a fresh box, again on the same box, and
//! once more with `ignore_exist`.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use menshen_testbed::local_api::LocalClient;
use menshen_testbed::local_api::registration::Registration;
use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, photo_base64};

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
    let mut tool = Registration {
        client: LocalClient::new(server.to_string()),
        own_ip: "127.0.0.1".to_owned(),
        group: "验收组".to_owned(),
        identity_id: "10086".to_owned(),
        name: "张三".to_owned(),
        ignore_exist: false,
        reg_photo: photo_base64("obama-1.jpg"),
        passage_photo: photo_base64("obama-2.jpg"),
        history_url: Some(history.url()),
    };
    // The last run says `ignore_exist`: the person who is known already is no error then.
    for (run, ignore_exist, expected) in [(1, false, 200), (2, false, 409), (3, true, 200)] {
        tool.ignore_exist = ignore_exist;
        let before = history.got().len();
        let mut steps = Vec::new();
        let done = tool.run(&mut |step| steps.push(step.number)).unwrap_or_else(|error| panic!("{error}"));
        let sent = Instant::now();
        assert_eq!((done.registered, steps), (expected, (1..=8).collect()), "run {run}");
        let matched = done.matched;
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
