//! `Configs`: values by the vendor's names, as published for V5R7.

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually};

const CONFIGS: &str = "/SophonConfig/api/Configs";
const TOKEN: &str = "a-token-that-nobody-guesses-7f3";

const NAMES: [&str; 18] = [
    "ATTRIBUTE_DETECT",
    "DEV_SNO",
    "DUPLICATE_REMOVAL_TIMEOUT",
    "EVENT_WORK_MODE",
    "HISTORY_EVENT_NEED_RECOGNIZE_FACE",
    "HISTORY_EVENT_NEED_REG_PIC",
    "HISTORY_EVENT_NEED_SPOT_PIC",
    "HISTORY_UPLOAD_EVENT_URL",
    "HISTORY_UPLOAD_NEED_INFO",
    "IR_COLLECTION",
    "LOGIN_STATUS",
    "LOGIN_URL",
    "PASSMODE",
    "REPORTED_PEROID",
    "SUPPORT_STRANGER_GROUP",
    "THRESHOLD",
    "THRESHOLD_RANGE",
    "WORK_MODE",
];

fn ask(bed: &TestBed, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Content-Type", http::JSON), ("Authorization", bearer.as_str())];
    http::call(bed.local_port, method, path, &headers, body.to_string().as_bytes())
}

fn get(bed: &TestBed, name: &str) -> Value {
    let (status, body) = ask(bed, "GET", &format!("{CONFIGS}/{name}"), &Value::Null);
    assert_eq!(status, 200, "{body}");
    body["data"][name].clone()
}

fn put(bed: &TestBed, values: Value) -> (Vec<String>, Vec<String>) {
    let (status, body) = ask(bed, "PUT", CONFIGS, &json!({ "config_dict": values }));
    assert_eq!(status, 200, "{body}");
    let names = |key: &str| {
        let mut names: Vec<String> = serde_json::from_value(body["data"][key].clone()).unwrap();
        names.sort_unstable();
        names
    };
    (names("success_configs"), names("failed_configs"))
}

fn start(bed: &mut TestBed) {
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
}

#[test]
fn values_are_shown_by_name_and_no_secret_among_them() {
    let mut bed = TestBed::standalone();
    bed.add_config(&format!(
        "[local_api]\ntoken = \"{TOKEN}\"\n[events]\nhistory_urls = [\"http://user:secret-word@127.0.0.1:9/h\"]\n\
         [[devices]]\nip = \"gate\"\ntype = \"turnstile\"\npipeline = \"post\"\ndedup_s = 7\n"
    ));
    start(&mut bed);
    let (status, body) = ask(&bed, "GET", CONFIGS, &Value::Null);
    assert_eq!(status, 200, "{body}");
    let mut names: Vec<&str> = body["data"].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, NAMES);
    let text = body.to_string();
    assert!(!text.contains(TOKEN) && !text.contains("secret-word"), "{text}");
    for (name, value) in [
        ("THRESHOLD", json!(82.0)),
        ("THRESHOLD_RANGE", json!("0.0,82.0,100.0")),
        ("SUPPORT_STRANGER_GROUP", json!(false)),
        ("PASSMODE", json!("normal")),
        ("DUPLICATE_REMOVAL_TIMEOUT", json!(7)),
        ("WORK_MODE", json!("local")),
        ("EVENT_WORK_MODE", json!("opendoor")),
        ("HISTORY_EVENT_NEED_REG_PIC", json!(true)),
        ("HISTORY_UPLOAD_NEED_INFO", json!(false)),
        ("IR_COLLECTION", json!(false)),
        ("ATTRIBUTE_DETECT", json!(false)),
        ("LOGIN_URL", Value::Null),
    ] {
        assert_eq!(body["data"][name], value, "{name}");
        assert_eq!(get(&bed, name), value, "{name}");
    }
    assert_eq!(get(&bed, "LOGIN_STATUS")["code"], Value::Null);
    for name in ["LOGIN_TOKEN", "MQ_PASSWORD", "threshold", "NOTHING"] {
        let (status, body) = ask(&bed, "GET", &format!("{CONFIGS}/{name}"), &Value::Null);
        assert_eq!((status, &body["error"]["code"]), (404, &json!(40491)), "{name}");
    }
    assert_eq!(http::get(bed.local_port, CONFIGS).0, 401, "a token is needed here too");
    bed.stop();
}

#[test]
fn what_control_config_sets_is_set_and_the_rest_is_named() {
    let mut bed = TestBed::standalone();
    bed.add_config(&format!("[local_api]\ntoken = \"{TOKEN}\"\n"));
    start(&mut bed);
    let text = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let values = json!({
        "THRESHOLD": 90, "THRESHOLD_RANGE": "10.0, 80.0, 100.0", "SUPPORT_STRANGER_GROUP": true, "PASSMODE": "allforbidden",
        "HISTORY_UPLOAD_NEED_INFO": "1", "IR_COLLECTION": false, "DEV_SNO": "another", "LOGIN_TOKEN": "x", "WORK_MODE": "mq",
    });
    let set = text(&[
        "HISTORY_UPLOAD_NEED_INFO",
        "IR_COLLECTION",
        "PASSMODE",
        "SUPPORT_STRANGER_GROUP",
        "THRESHOLD",
        "THRESHOLD_RANGE",
    ]);
    assert_eq!(put(&bed, values), (set, text(&["DEV_SNO", "LOGIN_TOKEN", "WORK_MODE"])));
    // Each alone: what is wrong keeps nothing else from being set.
    let values = json!({
        "THRESHOLD": 500, "THRESHOLD_RANGE": "1,2", "IR_COLLECTION": true, "PASSMODE": "maybe", "SUPPORT_STRANGER_GROUP": "",
        "HISTORY_UPLOAD_NEED_INFO": false,
    });
    let failed =
        text(&["IR_COLLECTION", "PASSMODE", "SUPPORT_STRANGER_GROUP", "THRESHOLD", "THRESHOLD_RANGE"]);
    assert_eq!(put(&bed, values), (text(&["HISTORY_UPLOAD_NEED_INFO"]), failed));
    // A list does too; and it is kept.
    let range = json!({ "THRESHOLD_RANGE": [20, 85.5, 100] });
    assert_eq!(put(&bed, range), (text(&["THRESHOLD_RANGE"]), Vec::new()));
    bed.stop();
    start(&mut bed);
    for (name, value) in [
        ("THRESHOLD", json!(90.0)),
        ("THRESHOLD_RANGE", json!("20.0,85.5,100.0")),
        ("SUPPORT_STRANGER_GROUP", json!(true)),
        ("PASSMODE", json!("allforbidden")),
        ("HISTORY_UPLOAD_NEED_INFO", json!(false)),
    ] {
        assert_eq!(get(&bed, name), value, "{name}");
    }
    for (body, code) in [
        (json!({}), 40002),
        (json!({ "config_dict": null }), 40091),
        (json!({ "config_dict": ["THRESHOLD"] }), 40091),
    ] {
        let (status, answer) = ask(&bed, "PUT", CONFIGS, &body);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(code)), "{body}: {answer}");
    }
    let many: Value = (0..129).map(|number| (format!("N{number}"), json!(1))).collect();
    assert_eq!(ask(&bed, "PUT", CONFIGS, &json!({ "config_dict": many })).0, 400);
    for path in
        ["/SophonFogSys/api/ImagePathStatusQuery", "/SophonConfig/api/login", "/SophonConfig/api/password"]
    {
        let (status, body) = ask(&bed, "POST", path, &json!({ "image_path": "/etc/passwd" }));
        assert_eq!((status, &body["error"]["code"]), (501, &json!(50100)), "{path}: {body}");
    }
    let audit = std::fs::read_to_string(bed.data_dir().join("audit.jsonl")).unwrap();
    assert!(audit.contains("PUT /SophonConfig/api/Configs") && audit.contains("PASSMODE"), "{audit}");
    bed.stop();
}

#[test]
fn a_login_is_shown_with_its_outcome() {
    let mut bed = TestBed::with_platform(|_| {});
    bed.add_config(&format!("[local_api]\ntoken = \"{TOKEN}\"\n"));
    start(&mut bed);
    assert_eq!(get(&bed, "LOGIN_STATUS")["code"], 0);
    assert_eq!(get(&bed, "WORK_MODE"), "mq");
    assert_eq!(get(&bed, "DEV_SNO"), crate::testbed::DEV_SNO);
    assert!(get(&bed, "LOGIN_URL").as_str().is_some_and(|url| url.starts_with("http://127.0.0.1")));
    bed.stop();
}
