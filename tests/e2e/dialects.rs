//! Generation 2.6 of the protocol: what is written in which dialect, and logins of such platforms.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use menshen_testbed::platform::behaviour::Fault;
use menshen_testbed::platform::ledger::Entry;
use serde_json::{Value, json};

use crate::backlog::{fill, ids};
use crate::fields::{STATUS, STATUS_FACTS, assert_between, assert_event, assert_keys, jpeg_size, keys};
use crate::http;
use crate::receiver::Receiver;
use crate::testbed::{DEV_SNO, SOON, TestBed, eventually};

const DIALECT: &str = "/menshen/api/dialect";
const HISTORY: &str = "/SophonFogSys/api/HistoryEventUrl";
/// Of a flat body, without pictures.
const FLAT: [&str; 15] = [
    "identity_id",
    "identity_name",
    "identity_info",
    "timestamp",
    "in_timestamp",
    "out_timestamp",
    "score",
    "want_action",
    "person_type",
    "ep_info",
    "dev_sno",
    "recognize_face_attr",
    "api_version",
    "event_id",
    "box_fiqa_info",
];
const ATTRIBUTES: [&str; 9] =
    ["point", "box", "age", "gender", "glasses", "mask", "hat", "feature", "expression"];

fn set_dialect(bed: &TestBed, body: &Value) -> Value {
    let (status, answer) = http::json(bed.local_port, "PUT", DIALECT, body);
    assert_eq!(status, 200, "{answer}");
    answer["data"].clone()
}

fn answers(bed: &TestBed) {
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
}

fn assert_flat(body: &Value, pictures: &[&str]) {
    assert_keys(body, &[&FLAT[..], pictures].concat());
    assert_keys(&body["ep_info"], &["ep_id", "ep_type", "ep_ip", "ep_name", "device_id"]);
    assert_keys(&body["recognize_face_attr"], &ATTRIBUTES);
    assert_eq!((&body["recognize_face_attr"]["feature"], &body["api_version"]), (&json!([]), &json!("1.0")));
}

#[test]
fn two_receivers_read_two_dialects_of_one_event_in_order() {
    let (nested, flat) = (Receiver::new(|_| 200), Receiver::new(|_| 200));
    let mut bed = TestBed::standalone();
    bed.set("events.history_urls", &format!("[{:?}]", nested.url()));
    bed.add_config(&format!("[[events.receiver]]\nurl = {:?}\ndialect = \"2.6\"\n", flat.url()));
    fill(&bed, &ids(0..6));
    bed.start();
    for receiver in [&nested, &flat] {
        eventually("all of them", SOON, || (receiver.taken() == ids(0..6)).then_some(()));
    }
    for (old, new) in nested.got().iter().zip(flat.got()) {
        assert_flat(&new.body, &["spot_pic", "recognize_face"]);
        assert_eq!((&old.body["score"], &new.body["score"]), (&json!(0.3), &json!(30.0)), "of one event");
        let data = &old.body["ext_data"];
        assert_eq!(
            (&data["ep_id"], &data["event_id"]),
            (&new.body["ep_info"]["ep_id"], &new.body["event_id"])
        );
        assert_eq!(
            (&data["spot_pic"], &old.body["timestamp"]),
            (&new.body["spot_pic"], &new.body["timestamp"])
        );
        assert_eq!(
            (&new.body["ep_info"]["ep_type"], &new.body["ep_info"]["ep_name"]),
            (&json!("rtsp"), &json!("front gate"))
        );
        assert_eq!((&new.body["identity_info"], &new.body["person_type"]), (&json!({}), &json!(4)));
    }
    // Pictures that are not wanted are not there, in the flat form too.
    answers(&bed);
    let urls = json!({ "history_upload_event_url": [flat.url()], "history_need_spot_pic": false });
    assert_eq!(http::json(bed.local_port, "POST", HISTORY, &urls).0, 200);
    bed.stop();
    fill(&bed, &ids(6..7));
    bed.start();
    eventually("the new one", SOON, || (flat.taken() == ids(0..7)).then_some(()));
    assert_flat(&flat.got()[6].body, &["recognize_face"]);
    bed.stop();
}

#[test]
fn the_dialect_changes_while_a_backlog_waits_and_nothing_is_lost_or_doubled() {
    let count = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&count);
    // Takes so many, and then no more.
    let receiver = Receiver::new(move |_| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            200
        } else {
            503
        }
    });
    let mut bed = TestBed::standalone();
    bed.set("events.history_urls", &format!("[{:?}]", receiver.url()));
    fill(&bed, &ids(0..250));
    count.store(40, Ordering::SeqCst);
    bed.start();
    answers(&bed);
    let pid = bed.process().pid();
    eventually("forty", SOON, || (receiver.taken().len() == 40).then_some(()));
    assert_eq!(set_dialect(&bed, &json!({ "platform": "2.6" }))["history"], "2.6", "as the platform");
    count.store(60, Ordering::SeqCst);
    eventually("a hundred", SOON, || (receiver.taken().len() == 100).then_some(()));
    let shown = set_dialect(&bed, &json!({ "receivers": [{ "url": receiver.url(), "dialect": "2.4" }] }));
    assert_eq!(shown["receivers"], json!([{ "url": receiver.url(), "dialect": "2.4" }]));
    // In the middle of the flow.
    count.store(1_000, Ordering::SeqCst);
    eventually("more", SOON * 2, || (receiver.taken().len() > 120).then_some(()));
    set_dialect(&bed, &json!({ "receivers": [] }));
    eventually("all", SOON * 2, || (receiver.taken().len() >= 250).then_some(()));
    assert_eq!(receiver.taken(), ids(0..250), "in order, none lost, none twice");
    let taken: Vec<bool> = receiver
        .got()
        .iter()
        .filter(|got| got.status == 200)
        .map(|got| got.body.get("ext_data").is_none())
        .collect();
    assert!(taken[..40].iter().all(|flat| !flat), "before the change");
    assert!(taken[40..100].iter().all(|flat| *flat), "from the next event on");
    assert!(taken[100..120].iter().all(|flat| !flat));
    let changes = taken.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!((2..=3).contains(&changes), "{changes} changes of form");
    assert_eq!(bed.process().pid(), pid);
    bed.stop();

    // Kept over a restart, and what is wrong is refused.
    bed.start();
    answers(&bed);
    assert_eq!(http::get(bed.local_port, DIALECT).1["data"]["platform"], "2.6");
    for wrong in [
        json!({ "platform": "2.5" }),
        json!({ "receivers": [{ "url": "x", "dialect": "2.4" }] }),
        json!({ "x": 1 }),
    ] {
        assert_eq!(http::json(bed.local_port, "PUT", DIALECT, &wrong).0, 400, "{wrong}");
    }
    let list = bed.run(&["settings", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("`platform.dialect` is 2.6"), "{list:?}");
    assert!(bed.run(&["settings", "reset", "platform.dialect"]).status.success());
    assert_eq!(http::get(bed.local_port, DIALECT).1["data"]["platform"], "2.4");
    assert_eq!(receiver.taken(), ids(0..250));
    bed.stop();
}

fn reported(bed: &TestBed, kind: &str, after: u64, wanted: impl Fn(&Value) -> bool) -> Entry {
    bed.wait(kind, |entry| {
        entry.kind == kind && entry.number >= after && entry.is_accepted() && wanted(&entry.body)
    })
}

#[test]
fn a_platform_gets_its_dialect_in_every_report() {
    let mut camera = crate::testbed::start_camera("hall", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.platform.patch_login(json!({ "recordUploadInfo": "1" }));
    bed.set("platform.dialect", "\"2.6\"");
    bed.add_camera(&camera);
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);
    let device = reported(&bed, "device-list", 0, |body| body["deviceList"][0]["epStatus"] == "online");
    assert_eq!(device.body["deviceList"][0]["epType"], "RTSP");
    let status = reported(&bed, "status", 0, |_| true).body;
    assert_keys(&status, &[STATUS, &["gateway_port"]].concat());
    let facts = &status["gateway_ext_data"];
    assert_keys(facts, &[STATUS_FACTS, &["cpu_info", "memory_info", "disk_info"]].concat());
    assert_eq!(
        (&status["gateway_port"], &status["sub_devices"][0]["ep_type"]),
        (&json!(bed.port), &json!("3"))
    );
    assert_between(&facts["cpu_info"]["cpu_rate"], 0.0, 1.0);
    assert_between(&facts["disk_info"]["disk_rate"], 0.0, 1.0);
    assert!(facts["memory_info"]["total_memory"].as_str().unwrap().ends_with('G'), "{facts}");

    camera.go().unwrap();
    let live = reported(&bed, "realtime", 0, |body| body["identity_id"] == "1001").body;
    assert_event(&live, false);
    let flat = reported(&bed, "history", 0, |body| body["identity_id"] == "1001").body;
    assert_flat(&flat, &["reg_pic", "spot_pic", "recognize_face"]);
    assert_between(&flat["score"], 82.0, 100.0);
    let info = &flat["identity_info"];
    assert_eq!((&info["name"], &info["type"]), (&json!("Barack Obama"), &json!(1)));
    assert_eq!(info["face_ids"], json!([info["image_id"]]));
    let (width, height) = jpeg_size(&flat["spot_pic"]);
    let face = &flat["recognize_face_attr"];
    let numbers = |key: &str| -> Vec<f64> {
        face[key]
            .as_array()
            .unwrap_or_else(|| panic!("{face}"))
            .iter()
            .map(|it| it.as_f64().unwrap())
            .collect()
    };
    let (bbox, point) = (numbers("box"), numbers("point"));
    assert!(bbox[0] < bbox[2] && bbox[1] < bbox[3] && bbox[2] < f64::from(width) + 60.0, "{bbox:?}");
    assert!(
        point.len() == 10 && point[..5].iter().all(|x| (bbox[0]..bbox[2]).contains(x)),
        "{point:?} in {bbox:?}"
    );
    assert!(
        point[5..].iter().all(|y| (bbox[1]..bbox[3]).contains(y)) && bbox[3] < f64::from(height) + 60.0,
        "{point:?}"
    );
    let expected = format!("{DEV_SNO}__hall");
    for ep_id in
        [&device.body["deviceList"][0]["epId"], &status["sub_devices"][0]["ep_id"], &flat["ep_info"]["ep_id"]]
    {
        assert_eq!(*ep_id, *expected);
    }

    // The other dialect, without a restart.
    let before = bed.platform.ledger().len();
    set_dialect(&bed, &json!({ "platform": "2.4" }));
    let list = reported(&bed, "device-list", before, |_| true).body;
    assert_eq!(list["deviceList"][0]["epType"], "3");
    let status = reported(&bed, "status", before, |body| body.get("gateway_port").is_none()).body;
    assert_keys(&status, STATUS);
    assert_keys(&status["gateway_ext_data"], STATUS_FACTS);
    let nested = reported(&bed, "history", before, |body| body.get("ext_data").is_some()).body;
    assert_eq!(
        (&nested["ext_data"]["ep_id"], &nested["ext_data"]["info"]),
        (&json!(expected), &json!({})),
        "nothing measured"
    );
    assert_between(&nested["score"], 0.0, 1.0);
    assert!(keys(&nested).contains(&"want_action"), "{nested}");
    bed.stop();
}

#[test]
fn a_refused_login_is_told_in_an_installers_words() {
    let mut bed = TestBed::with_platform(|_| ());
    let refusals = [
        (
            r#"{"error":{"code":600000,"message":"x","status":"y"}}"#,
            400,
            "does not know the licence code",
            true,
        ),
        (r#"{"error":{"code":"600002","message":"x"}}"#, 403, "is registered for another one", true),
        (r#"{"error":{"code":500001,"message":"x"}}"#, 500, "message queue are wrong", false),
        (r#"{"error":{"code":500001,"message":"x"}}"#, 200, "message queue are wrong", false),
    ];
    for (body, status, words, needs_a_person) in refusals {
        let before = bed.platform.ledger().len();
        bed.platform.behaviour().fail(
            "login",
            Fault::Answer(status, body),
            if needs_a_person { 1 } else { 3 },
        );
        bed.start_unlinked();
        let told = eventually("it is shown", SOON, || {
            let health = bed.device.health();
            health["login_refused"].as_str().map(str::to_owned)
        });
        assert!(
            told.contains(words) && (!needs_a_person || told.contains("platform.dev_sno") || status == 403),
            "{told}"
        );
        let log = bed.log();
        assert!(log.contains(words), "{log}");
        if needs_a_person {
            let line = log.lines().find(|line| line.contains("delay_ms")).unwrap_or_else(|| panic!("{log}"));
            let delay = line.split("delay_ms=").nth(1).unwrap().split_whitespace().next().unwrap();
            let delay: u64 = delay.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!((30_000..=60_000).contains(&delay), "{line}");
        } else {
            bed.wait_link();
            assert!(bed.device.health()["login_refused"].is_null(), "it is over");
            let logins = bed.platform.ledger().since(before, |entry| entry.kind == "login").len();
            assert!(logins >= 4, "{logins} logins");
        }
        bed.stop();
    }
}

#[test]
fn a_platform_that_may_expect_the_other_dialect_is_hinted_at_once() {
    let mut bed = TestBed::with_platform(|_| ());
    // The list's address under the name of the first generation.
    let patch =
        json!({ "recordUploadInfo": 0, "deviceListInfoAddr": null, "deviceInfoAddr": "/box/devices" });
    bed.platform.patch_login(patch);
    bed.start();
    bed.wait("the list", |entry| entry.kind == "device-list" && entry.is_accepted());
    bed.platform.behaviour().rotate_token();
    eventually("another login", SOON, || (bed.platform.ledger().of_kind("login").len() >= 2).then_some(()));
    bed.wait_link();
    assert_eq!(bed.log().matches("may expect dialect 2.6").count(), 1, "{}", bed.log());
    bed.stop();
    bed.set("platform.dialect", "\"2.6\"");
    bed.start();
    assert!(!bed.log().contains("may expect dialect 2.6"), "it is that dialect");
    bed.stop();
    bed.platform.patch_login(json!({ "recordUploadInfo": null }));
    bed.set("platform.dialect", "\"2.4\"");
    bed.start();
    assert!(!bed.log().contains("may expect dialect 2.6"), "nothing was said");
    bed.stop();
}
