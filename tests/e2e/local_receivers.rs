//! Receivers as the local API is published: names, switches, content types and periods.

use std::time::Duration;

use serde_json::{Value, json};

use crate::backlog::{fill, ids};
use crate::http::{self, JSON};
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually};

const EVENT: &str = "/SophonFogSys/api/EventServerUrl";
const HISTORY: &str = "/SophonFogSys/api/HistoryEventUrl";
const MONITOR: &str = "/SophonFogSys/api/MonitorServerUrl";
const MODE: &str = "/SophonFogSys/api/GateControllerMode";
const FORM: &str = "application/x-www-form-urlencoded";
/// Hard to guess.
const TOKEN: &str = "Zq8-fW2k_vN5tR7xLm3B";

fn done(answer: (u16, Value)) -> Value {
    assert_eq!(answer.0, 200, "{}", answer.1);
    answer.1["data"].clone()
}

fn refused(answer: (u16, Value), status: u16, code: i64) {
    assert_eq!((answer.0, &answer.1["error"]["code"]), (status, &json!(code)), "{}", answer.1);
}

fn answers(bed: &TestBed) {
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
}

fn form(port: u16, path: &str, kind: &str, body: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let headers = [&[("Content-Type", kind)], more].concat();
    http::call(port, "POST", path, &headers, body.as_bytes())
}

fn multipart(fields: &[(&str, &str)]) -> String {
    let part = |(name, text): &(&str, &str)| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    fields.iter().map(part).collect::<String>() + "--XX--\r\n"
}

/// What a receiver got of an event, its own pictures counted.
fn pictures_of(body: &Value) -> [bool; 3] {
    let data = &body["ext_data"];
    let is_there = |name: &str| body[name].is_string() || data[name].is_string();
    ["reg_pic", "spot_pic", "recognize_face"].map(is_there)
}

#[test]
fn history_is_sent_as_the_published_call_says_and_keeps_its_cursor() {
    let receiver = Receiver::new(|_| 200);
    let mut bed = TestBed::standalone();
    fill(&bed, &ids(0..2));
    bed.start();
    answers(&bed);
    let port = bed.local_port;
    let published = json!({
        "history_upload_event_url": [receiver.url()], "content-type": "json", "reported_peroid": 1,
        "history_need_recognize_face": false, "history_need_reg_pic": true, "history_need_spot_pic": false,
    });
    let answer = done(http::json(port, "POST", HISTORY, &published));
    for (key, value) in published.as_object().unwrap() {
        assert_eq!(&answer[key], value, "{key}");
    }
    assert_eq!((&answer["message"], &answer["urls"]), (&json!("success"), &json!([receiver.url()])));
    eventually("both", SOON, || (receiver.taken() == ids(0..2)).then_some(()));
    for got in receiver.got() {
        assert_eq!(
            (pictures_of(&got.body), got.content_type.as_str()),
            ([false; 3], JSON),
            "strangers have no photo"
        );
    }

    // Another form of the same receiver, also over a restart: nothing comes twice.
    let changed = json!({ "history_upload_event_url": receiver.url(), "content-type": "form-data" });
    let answer = done(http::json(port, "POST", HISTORY, &changed));
    assert_eq!(
        (&answer["reported_peroid"], &answer["history_need_spot_pic"]),
        (&json!(5), &json!(true)),
        "defaults"
    );
    bed.stop();
    fill(&bed, &ids(2..4));
    bed.start();
    answers(&bed);
    eventually("the new ones", SOON, || (receiver.taken() == ids(0..4)).then_some(()));
    let got = receiver.got().pop().unwrap();
    assert!(got.content_type.starts_with("multipart/form-data; boundary="), "{}", got.content_type);
    let text = String::from_utf8(got.raw.clone()).unwrap();
    for name in ["identity_id", "score", "spot_pic", "recognize_face", "ext_data"] {
        assert_eq!(text.matches(&format!("form-data; name=\"{name}\"")).count(), 1, "{name}: {text}");
    }
    assert_eq!(pictures_of(&got.body), [false, true, true]);
    assert_eq!(got.body["ext_data"].get("spot_pic"), None, "a picture is a part of its own");
    assert_eq!(
        (&got.body["identity_name"], &got.body["score"]),
        (&json!("stranger"), &json!("0.3")),
        "texts"
    );

    // The answer of GET, sent back as it is, changes nothing; ours alone changes what it says.
    let shown = done(http::get(port, HISTORY));
    assert_eq!(
        (&shown["content-type"], &shown["history_upload_event_url"]),
        (&json!("form-data"), &json!([receiver.url()]))
    );
    let ours =
        done(http::json(port, "PUT", HISTORY, &json!({ "urls": [receiver.url()], "reported_peroid": 7 })));
    assert_eq!((&ours["content-type"], &ours["reported_peroid"]), (&json!("form-data"), &json!(7)));
    refused(
        http::json(port, "POST", HISTORY, &json!({ "history_upload_event_url": [], "urls": [] })),
        400,
        40091,
    );
    refused(
        http::json(port, "POST", HISTORY, &json!({ "history_upload_event_url": [], "reported_peroid": 0 })),
        400,
        40091,
    );
    let cleared = done(http::json(port, "POST", HISTORY, &json!({ "history_upload_event_url": "" })));
    assert_eq!(cleared["urls"], json!([]));
    assert_eq!(receiver.taken(), ids(0..4), "none twice");
    bed.stop();
}

#[test]
fn forms_are_taken_of_programs_and_not_of_web_pages() {
    let receiver = Receiver::new(|_| 200);
    let mut bed = TestBed::standalone();
    bed.set("local_api.allow", "[\"127.0.0.0/8\"]");
    bed.start();
    answers(&bed);
    let port = bed.local_port;
    let multipart_type = "multipart/form-data; boundary=XX";
    let fields = multipart(&[
        ("history_upload_event_url", "http://127.0.0.1:9/a"),
        ("history_upload_event_url", &receiver.url()),
        ("history_need_spot_pic", "FALSE"),
        ("reported_peroid", "9"),
    ]);
    let answer = done(form(port, HISTORY, multipart_type, &fields, &[]));
    assert_eq!(answer["history_upload_event_url"], json!(["http://127.0.0.1:9/a", receiver.url()]));
    assert_eq!((&answer["history_need_spot_pic"], &answer["reported_peroid"]), (&json!(false), &json!(9)));
    let list = "event_server_url=%5B%22http://127.0.0.1:9/b%22%5D&real_need_send_all_person_type=True";
    let answer = done(form(port, EVENT, FORM, list, &[]));
    assert_eq!(answer["event_server_url"], json!(["http://127.0.0.1:9/b"]));
    assert_eq!(answer["real_need_send_all_person_type"], true);
    let answer = done(form(
        port,
        MONITOR,
        FORM,
        "monitor_server_url=http%3A%2F%2F127.0.0.1%3A9%2Fc&reported_peroid=60",
        &[],
    ));
    assert_eq!(
        (&answer["monitor_server_url"], &answer["message"]),
        (&json!("http://127.0.0.1:9/c"), &json!("ok"))
    );
    let answer = done(form(port, MODE, FORM, "controller_mode=alarm", &[]));
    assert_eq!(answer["controller_mode"], "alarm");

    let own = format!("http://127.0.0.1:{port}");
    let page = [("Origin", own.as_str())];
    refused(form(port, MODE, FORM, "controller_mode=avoid", &page), 415, 41591);
    refused(form(port, MODE, FORM, "controller_mode=avoid", &[("Sec-Fetch-Site", "none")]), 415, 41591);
    refused(
        form(port, MODE, FORM, "controller_mode=avoid", &[("Origin", "https://evil.example")]),
        403,
        40000,
    );
    let own_page = [page[0], ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(done(form(port, MODE, FORM, "controller_mode=avoid", &own_page))["controller_mode"], "avoid");
    refused(form(port, MODE, FORM, "", &[]), 400, 40002);
    refused(form(port, MODE, multipart_type, "controller_mode=alarm", &[]), 400, 40091);
    refused(form(port, MODE, "text/plain", "{\"controller_mode\":\"alarm\"}", &[]), 415, 41591);
    refused(form(port, MODE, FORM, &"a=1&".repeat(40_000), &[]), 413, 41300);
    // Calls that are published with JSON only.
    refused(form(port, "/SophonFogSys/api/WipeData", FORM, "users=true", &[]), 415, 41591);
    bed.stop();

    bed.set("local_api.token", &format!("{TOKEN:?}"));
    bed.set("local_api.allow", "[]");
    bed.start();
    answers(&bed);
    refused(form(port, MODE, FORM, "controller_mode=alarm", &[]), 401, 40000);
    let bearer = format!("Bearer {TOKEN}");
    let with_token = [page[0], ("Authorization", bearer.as_str())];
    assert_eq!(
        done(form(port, MODE, FORM, "controller_mode=alarm", &with_token))["controller_mode"],
        "alarm"
    );
    bed.stop();
}

#[test]
fn event_servers_get_strangers_and_forms_where_they_ask_for_them() {
    let receiver = Receiver::new(|_| 200);
    let mut camera = crate::testbed::start_camera("hall", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::standalone();
    bed.add_camera(&camera);
    bed.start();
    answers(&bed);
    let port = bed.local_port;
    camera.go().unwrap();
    let asked = |all: bool, kind: &str| {
        let body = json!({
            "event_server_url": [receiver.url()], "real_need_send_all_person_type": all, "content-type": kind,
            "real_need_spot_pic": false,
        });
        done(http::json(port, "POST", EVENT, &body));
    };
    asked(false, "json");
    eventually("a stranger is kept", SOON, || (bed.metric("menshen_events_total") > 0.0).then_some(()));
    assert_eq!(receiver.got().len(), 0, "matches only, unless it is asked for");
    asked(true, "form-data");
    let got = eventually("a stranger in real time", SOON, || receiver.got().pop());
    assert_eq!(
        (&got.body["identity_name"], &got.body["ext_data"]["person_type"]),
        (&json!("stranger"), &json!(4))
    );
    assert_eq!(pictures_of(&got.body), [false, false, true], "without the scene");
    assert!(got.content_type.starts_with("multipart/form-data"), "{}", got.content_type);
    let id = got.event_id();
    std::thread::sleep(Duration::from_secs(1));
    let again = receiver.got().iter().filter(|got| got.event_id() == id).count();
    assert_eq!(again, 1, "once a passage");
    let shown = done(http::get(port, EVENT));
    assert_eq!((&shown["real_need_spot_pic"], &shown["real_need_reg_pic"]), (&json!(false), &json!(true)));
    // The scene without the face cut out of it.
    let body = json!({ "event_server_url": [receiver.url()], "real_need_send_all_person_type": true,
        "real_need_recognize_face": false });
    done(http::json(port, "POST", EVENT, &body));
    let next = eventually("the next passage", SOON, || {
        receiver.got().into_iter().find(|got| got.content_type.starts_with("application/json"))
    });
    assert_eq!(pictures_of(&next.body), [false, true, false], "{}", next.body);
    bed.stop();
}

#[test]
fn own_status_receivers_have_a_period_of_their_own() {
    let (often, platform_period_s) = (Receiver::new(|_| 200), 1000);
    let mut bed = TestBed::with_platform(|config| config.monitor_period_s = platform_period_s);
    bed.start_unlinked();
    answers(&bed);
    let port = bed.local_port;
    let body = json!({ "monitor_server_url": often.url(), "content-type": "json", "reported_peroid": 1 });
    let answer = done(http::json(port, "POST", MONITOR, &body));
    assert_eq!((&answer["message"], &answer["reported_peroid"]), (&json!("ok"), &json!(1)));
    assert_eq!(answer["platform_urls"].as_array().map(Vec::len), Some(1), "{answer}");
    eventually("every second", SOON, || (often.got().len() >= 4).then_some(()));
    let at_platform = bed.platform.ledger().of_kind("status").len();
    assert!(at_platform <= 3, "{at_platform} at the platform, whose period is long");
    refused(
        http::json(
            port,
            "POST",
            MONITOR,
            &json!({ "monitor_server_url": often.url(), "content-type": "form-data" }),
        ),
        400,
        40091,
    );
    let shown = done(http::get(port, MONITOR));
    assert_eq!((&shown["monitor_server_url"], &shown["reported_peroid"]), (&json!(often.url()), &json!(1)));
    bed.stop();
}

#[test]
fn networks_that_are_allowed_need_no_token_and_are_named_in_the_audit_log() {
    let mut bed = TestBed::standalone();
    bed.set("local_api.token", &format!("{TOKEN:?}"));
    bed.set("local_api.allow", "[\"127.0.0.2\", \"10.9.0.0/16\"]");
    bed.set("local_api.names", "[\"box.example\"]");
    bed.start();
    answers(&bed);
    let port = bed.local_port;
    assert!(bed.log().contains("callers of 127.0.0.2/32, 10.9.0.0/16 need no token"), "{}", bed.log());
    let mode = json!({ "controller_mode": "avoid" });
    refused(http::json(port, "POST", MODE, &mode), 401, 40000);
    let from_other = |host: &str, headers: &[(&str, &str)]| {
        let body = mode.to_string();
        let headers = [&[("Host", host), ("Content-Type", JSON)], headers].concat();
        http::call_from("127.0.0.2", port, "POST", MODE, &headers, body.as_bytes())
    };
    assert_eq!(done(from_other(&format!("127.0.0.1:{port}"), &[]))["controller_mode"], "avoid");
    assert_eq!(done(from_other("Box.Example:5555", &[]))["controller_mode"], "avoid");
    refused(from_other("evil.example", &[]), 403, 40000);
    refused(from_other("127.0.0.1", &[("Origin", "http://evil.example")]), 403, 40000);
    refused(from_other("127.0.0.1", &[("Authorization", "Bearer wrong")]), 401, 40000);
    let audit = bed.run(&["audit", "--json"]);
    let lines = String::from_utf8(audit.stdout).unwrap();
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = entries
        .iter()
        .filter(|entry| entry["result"] == "ok")
        .map(|entry| (&entry["who"], &entry["from"]))
        .collect();
    let network = (&json!("network 127.0.0.2/32"), &json!("127.0.0.2"));
    assert_eq!(told, [network, network], "{lines}");
    bed.stop();

    for (allow, told) in [
        ("[\"0.0.0.0/0\"]", "is everybody"),
        ("[\"10.0.0.7/24\"]", "write \"10.0.0.0/24\" for all of it, or \"10.0.0.7\" for the one"),
        ("[\"office\"]", "is no network"),
    ] {
        bed.set("local_api.allow", allow);
        let output = bed.run(&["check"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("`local_api.allow`") && text.contains(told), "{allow}: {text}");
    }
    bed.set("local_api.allow", "[\"10.0.0.0/24\"]");
    bed.set("local_api.token", "\"\"");
    bed.set("local_api.listen", "\"0.0.0.0:5555\"");
    let output = bed.run(&["check"]);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("must be set") && text.contains("need no token"), "{text}");
}
