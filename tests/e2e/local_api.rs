//! The local half of the protocol (section 9), as the field calls it.

use serde_json::{Value, json};

use crate::backlog::{fill, ids};
use crate::fields::assert_keys;
use crate::http::{self, JSON};
use crate::receiver::Receiver;
use crate::testbed::{DEV_SNO, SOON, TestBed, eventually, photo, photo_base64};

const USERS: &str = "/SophonFogSys/api/users";
const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
const WIPE: &str = "/SophonFogSys/api/WipeData";
const ACTION: &str = "/SophonFogSys/api/EventAction";
const PRETTY_SCORE: &str = "/SophonFogSys/api/PrettyScore";
const RECOGNIZE: &str = "/SophonFogSys/api/Recognize";

/// The data of a call that must be taken.
fn done(answer: (u16, Value)) -> Value {
    assert_eq!(answer.0, 200, "{}", answer.1);
    assert_keys(&answer.1, &["data"]);
    answer.1["data"].clone()
}

/// A call that must be refused, with its HTTP status and the protocol's code.
fn refused(what: &str, answer: (u16, Value), status: u16, code: i64) {
    let (got, body) = answer;
    assert_eq!((got, &body["error"]["code"]), (status, &json!(code)), "{what}: {body}");
    assert_keys(&body, &["error"]);
    assert_keys(&body["error"], &["code", "message", "status"]);
    assert!(body["error"]["message"].as_str().unwrap().len() > 5, "{what}: {body}");
}

fn user(id: &str, name: &str, file: &str) -> Value {
    json!({ "identity_id": id, "reg_photo": photo_base64(file), "info": { "name": name, "desk": "7" } })
}

fn recognize(port: u16, query: &str, file: &str) -> (u16, Value) {
    http::call(port, "POST", &format!("{RECOGNIZE}{query}"), &[("Content-Type", "image/jpeg")], &photo(file))
}

#[test]
fn people_permissions_and_photos() {
    let mut bed = TestBed::standalone();
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let added = done(http::json(port, "POST", USERS, &user("1001", "Barack Obama", "obama-1.jpg")));
    assert_eq!((&added["success_users"][0]["userid"], &added["failed_users"]), (&json!("1001"), &json!([])));
    let several = json!({ "user_info_list": [user("1002", "Joe Biden", "biden-1.jpg"), user("1003", "No Face", "coffee.png")] });
    let added = done(http::json(port, "POST", USERS, &several));
    assert_eq!(added["success_users"][0]["userid"], "1002");
    assert_eq!(added["failed_users"][0]["code"], 40004);

    // In an order that tells nothing of the ids, but always the same.
    let page_of = |skip: u32| done(http::get(port, &format!("{USERS}?limit=1&skip_num={skip}")));
    let mut listed = [0, 1].map(|skip| page_of(skip)["users"][0]["identity_id"].clone()).to_vec();
    listed.sort_by_key(ToString::to_string);
    assert_eq!((&page_of(0)["total"], &listed[..]), (&json!(2), &[json!("1001"), json!("1002")][..]));
    let one = done(http::get(port, &format!("{USERS}?identity_id=1001&group_name=default_group")));
    assert_eq!(one["users"][0]["info"]["desk"], "7");
    assert!(one["users"][0].get("reg_photo").is_none(), "our own list has no photos");

    // An update without a photo keeps it, and whatever else it does not name.
    let change = json!({ "identity_id": "1001", "info": { "type": 5, "permission_ids": ["0", "9"] } });
    done(http::json(port, "PUT", USERS, &change));
    let one = done(http::get(port, &format!("{USERS}?identity_id=1001")));
    let info = &one["users"][0]["info"];
    assert_eq!(
        (&info["name"], &info["type"], &info["desk"]),
        (&json!("Barack Obama"), &json!(5), &json!("7"))
    );

    let answer = done(recognize(port, "", "obama-2.jpg"));
    assert_keys(&answer, &["result", "score", "identity_id", "identity_info", "timestamp", "cost_ms"]);
    assert_eq!((&answer["result"], &answer["identity_id"]), (&json!(true), &json!("1001")));
    assert_eq!(answer["identity_info"]["type"], 5);
    assert!(answer["score"].as_f64().unwrap() >= 0.82);
    let other = done(recognize(port, "?permission_ids=77", "obama-2.jpg"));
    assert_eq!((&other["result"], &other["identity_id"]), (&json!(false), &json!("")), "not in that group");
    let stranger = done(recognize(port, "", "obama-3.jpg"));
    assert_eq!(stranger["result"], true, "another picture of the same person: {stranger}");

    let groups =
        json!({ "permissions_info_list": [{ "id": "9", "info": { "name": "lab", "description": "d" } }] });
    done(http::json(port, "PUT", PERMISSIONS, &groups));
    done(http::json(port, "POST", PERMISSIONS, &json!({ "id": 7, "info": { "name": "yard" } })));
    assert_eq!(done(http::get(port, PERMISSIONS))["total"], 3, "with that of people without one");
    done(http::call(port, "DELETE", &format!("{PERMISSIONS}?id=9"), &[], b""));
    let left = done(http::get(port, PERMISSIONS))["permissions_info_list"].clone();
    assert_eq!(left[0], json!({ "id": "7", "info": { "name": "yard", "description": "" } }));
    let described =
        |id: &str| left.as_array().unwrap().iter().find(|group| group["id"] == id).unwrap().clone();
    assert_eq!(described("9")["info"], json!({ "name": "9", "description": "" }), "somebody is in it still");

    done(http::call(port, "DELETE", &format!("{USERS}?identity_id=1002"), &[], b""));
    refused(
        "deleted twice",
        http::call(port, "DELETE", &format!("{USERS}?identity_id=1002"), &[], b""),
        404,
        40401,
    );
    done(http::json(port, "POST", WIPE, &json!({ "wipe_options": { "users": true, "events": true } })));
    assert_eq!(done(http::get(port, USERS))["total"], 0);
    bed.stop();
}

/// What is called wrongly, the answer, and the status and code it must have.
type Row = (&'static str, (u16, Value), u16, i64);

fn raw(port: u16, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    http::call(port, method, path, &[("Content-Type", kind)], body)
}

fn gate(port: u16, action: Value) -> (u16, Value) {
    http::json(port, "PUT", ACTION, &json!({ "action": [action] }))
}

fn bad_bodies(port: u16) -> Vec<Row> {
    let huge = vec![b' '; 18 * 1024 * 1024];
    vec![
        ("no such path", http::get(port, "/SophonFogSys/api/nothing"), 404, 40491),
        ("no such method", raw(port, "PATCH", USERS, JSON, b"{}"), 405, 40491),
        (
            "a name in the wrong place",
            http::json(
                port,
                "POST",
                USERS,
                &json!({ "identity_id": "77", "name": "x", "reg_photo": "/9j/" }),
            ),
            400,
            40091,
        ),
        (
            "a name in the wrong place of a change",
            http::json(
                port,
                "PUT",
                USERS,
                &json!({ "identity_id": "1", "name": "x", "info": { "desk": 1 } }),
            ),
            400,
            40091,
        ),
        ("no body", raw(port, "POST", USERS, JSON, b""), 400, 40002),
        ("empty object", raw(port, "POST", USERS, JSON, b"{}"), 400, 40002),
        ("a form", raw(port, "POST", WIPE, "application/x-www-form-urlencoded", b"users=true"), 415, 41591),
        ("text that is JSON", raw(port, "POST", WIPE, "text/plain", b"{\"users\":true}"), 415, 41591),
        ("no JSON", raw(port, "POST", USERS, JSON, b"{\"identity_id\": "), 400, 40091),
        ("not UTF-8", raw(port, "POST", USERS, JSON, b"\xFF\xFE\x00"), 400, 40091),
        ("a list", raw(port, "POST", USERS, JSON, b"[1]"), 400, 40091),
        ("too large", raw(port, "POST", USERS, JSON, &huge), 413, 41300),
    ]
}

fn bad_people(port: u16) -> Vec<Row> {
    vec![
        ("no id", http::json(port, "POST", USERS, &json!({ "info": {} })), 400, 40091),
        ("an id that is a list", http::json(port, "POST", USERS, &json!({ "identity_id": [] })), 400, 40091),
        ("no photo", http::json(port, "POST", USERS, &json!({ "identity_id": "2" })), 400, 40091),
        (
            "a photo that is none",
            http::json(port, "POST", USERS, &json!({ "identity_id": "2", "reg_photo": "@" })),
            400,
            40003,
        ),
        ("no face", http::json(port, "POST", USERS, &user("2", "x", "coffee.png")), 400, 40004),
        ("there already", http::json(port, "POST", USERS, &user("1001", "x", "obama-1.jpg")), 409, 40011),
        ("not there yet", http::json(port, "PUT", USERS, &user("2", "x", "obama-1.jpg")), 404, 40401),
        (
            "type 99",
            http::json(port, "PUT", USERS, &json!({ "identity_id": "1001", "info": { "type": 99 } })),
            400,
            40091,
        ),
        ("an empty list", http::json(port, "POST", USERS, &json!({ "user_info_list": [] })), 400, 40091),
        (
            "too many",
            http::json(port, "POST", USERS, &json!({ "user_info_list": vec![json!({}); 101] })),
            400,
            40091,
        ),
        ("another group", http::get(port, &format!("{USERS}?group_name=vip")), 400, 40012),
        ("an unknown id", http::get(port, &format!("{USERS}?identity_id=nobody")), 404, 40401),
        ("limit in words", http::get(port, &format!("{USERS}?limit=all")), 400, 40091),
        ("a limit too high", http::get(port, &format!("{USERS}?limit=100000")), 400, 40091),
        ("delete nobody", raw(port, "DELETE", USERS, JSON, b""), 400, 40091),
    ]
}

fn bad_scales_and_wipes(port: u16) -> Vec<Row> {
    vec![
        ("wipe what is not named", http::json(port, "POST", WIPE, &json!({ "user": true })), 400, 40091),
        ("reset the box", http::json(port, "POST", WIPE, &json!({ "users": true, "all": true })), 501, 50100),
        (
            "reset the box, wrapped",
            http::json(port, "POST", WIPE, &json!({ "wipe_options": { "users": true, "all": 1 } })),
            501,
            50100,
        ),
        ("no range", http::json(port, "PUT", PRETTY_SCORE, &json!({ "range": [0, 82, 100] })), 400, 40091),
        (
            "a range that does not rise",
            http::json(port, "PUT", PRETTY_SCORE, &json!({ "threshold_range": [0, 100, 82] })),
            400,
            40091,
        ),
        (
            "a range without the mark in force",
            http::json(port, "PUT", PRETTY_SCORE, &json!({ "threshold_range": [0, 50, 80] })),
            400,
            40091,
        ),
    ]
}

fn bad_settings_doors_and_photos(port: u16) -> Vec<Row> {
    vec![
        ("wipe in words", http::json(port, "POST", WIPE, &json!({ "users": "perhaps" })), 400, 40091),
        ("a group without an id", http::json(port, "POST", PERMISSIONS, &json!({ "info": {} })), 400, 40091),
        ("delete no group", raw(port, "DELETE", PERMISSIONS, JSON, b""), 400, 40091),
        (
            "no URL",
            http::json(port, "POST", "/SophonFogSys/api/HistoryEventUrl", &json!({ "urls": ["x"] })),
            400,
            40091,
        ),
        (
            "ftp",
            http::json(port, "POST", "/SophonFogSys/api/EventServerUrl", &json!({ "url": "ftp://h/" })),
            400,
            40091,
        ),
        (
            "no urls",
            http::json(port, "POST", "/SophonFogSys/api/MonitorServerUrl", &json!({ "u": 1 })),
            400,
            40091,
        ),
        (
            "an unknown mode",
            http::json(
                port,
                "POST",
                "/SophonFogSys/api/GateControllerMode",
                &json!({ "controller_mode": "x" }),
            ),
            400,
            40091,
        ),
        (
            "a dev_sno with a space",
            http::json(port, "PUT", "/SophonMQ/api/DevSno", &json!({ "dev_sno": "a b" })),
            400,
            40091,
        ),
        (
            "standalone has no login",
            http::json(port, "PUT", "/SophonMQ/api/LoginUrl", &json!({ "login_url": "http://h/" })),
            400,
            40091,
        ),
        ("no action", http::json(port, "PUT", ACTION, &json!({ "action": {} })), 400, 40091),
        (
            "an unknown device",
            gate(port, json!({ "action_ip": "9.9.9.9", "action_mode": "opendoor" })),
            404,
            40491,
        ),
        (
            "a device without a relay",
            gate(port, json!({ "action_ip": "gate", "action_mode": "opendoor" })),
            404,
            40491,
        ),
        ("an unknown action", gate(port, json!({ "action_ip": "gate", "action_mode": "kick" })), 400, 40091),
        ("JSON without a photo", raw(port, "POST", RECOGNIZE, JSON, b"{}"), 400, 40091),
        ("a photo that is text", raw(port, "POST", RECOGNIZE, "image/jpeg", b"hello"), 400, 40003),
        ("an empty photo", raw(port, "POST", RECOGNIZE, "image/jpeg", b""), 400, 40003),
        ("a photo without a face", recognize(port, "", "coffee.png"), 400, 40004),
        ("a photo for no device", recognize(port, "?device_ip=9.9.9.9", "obama-2.jpg"), 404, 40491),
    ]
}

#[test]
fn every_bad_request_is_answered_with_its_code() {
    let mut bed = TestBed::standalone();
    bed.add_device("gate", "test", "");
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    done(http::json(port, "POST", USERS, &user("1001", "Barack Obama", "obama-1.jpg")));
    let tables =
        [bad_bodies(port), bad_people(port), bad_scales_and_wipes(port), bad_settings_doors_and_photos(port)];
    for table in tables {
        for (what, answer, status, code) in table {
            refused(what, answer, status, code);
        }
    }
    let foreign = http::call(port, "GET", USERS, &[("Host", "evil.example:5555")], b"");
    refused("a name that only looks local", foreign, 403, 40000);
    assert_eq!(done(http::get(port, USERS))["total"], 1, "nothing of it changed anything");
    assert!(bed.device.is_running());
    bed.stop();
}

#[test]
fn a_token_is_asked_for_and_shown_nowhere() {
    let mut bed = TestBed::standalone();
    let token = "Zq8-fW2k_vN5tR7xLm3B";
    bed.set("local_api.token", &format!("{token:?}"));
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    refused("without", http::get(port, USERS), 401, 40000);
    refused("a wrong one", http::get(port, &format!("{USERS}?token=wrong")), 401, 40000);
    refused(
        "a part of it",
        http::call(port, "GET", USERS, &[("Authorization", "Bearer Zq8-fW2k_vN5tR7x")], b""),
        401,
        40000,
    );
    done(http::get(port, &format!("{USERS}?token={token}")));
    let bearer = format!("Bearer {token}");
    done(http::call(port, "GET", USERS, &[("Authorization", &bearer), ("Host", "box.example")], b""));
    let shown = bed.log() + &menshen_testbed::scrape::get(bed.port, "/metrics");
    assert!(!shown.contains(token));
    bed.stop();
    bed.set("local_api.token", "\"\"");
    bed.set("local_api.listen", "\"0.0.0.0:5555\"");
    let output = bed.run(&["check"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("`local_api.token`: must be set"), "{output:?}");
}

#[test]
fn addresses_change_at_once_and_for_good() {
    let (history, monitor) = (Receiver::new(|_| 200), Receiver::new(|_| 200));
    let mut bed = TestBed::with_platform(|config| config.receivers = 1);
    fill(&bed, &ids(0..3));
    bed.start_unlinked();
    let port = bed.local_port;
    let url = |name: &str| format!("/SophonFogSys/api/{name}");
    bed.wait("history at the platform", |entry| entry.kind == "history" && entry.is_accepted());
    let shown = done(http::json(port, "POST", &url("HistoryEventUrl"), &json!({ "urls": [history.url()] })));
    assert_eq!(shown["urls"], json!([history.url()]));
    assert_eq!(shown["platform_urls"], json!([bed.platform.url("/box/record/0")]));
    eventually("a new receiver gets what is kept", SOON, || (history.taken() == ids(0..3)).then_some(()));
    assert!(history.got().iter().all(|got| !got.line.contains("token=")), "the token is the platform's");
    done(http::json(port, "PUT", &url("MonitorServerUrl"), &json!({ "url": monitor.url() })));
    eventually("status at the monitor", SOON, || monitor.got().pop());
    let list = bed.platform.ledger().len();
    done(http::json(port, "POST", &url("GateControllerMode"), &json!({ "controller_mode": "avoid" })));
    bed.wait("the list, since the mode changed", |entry| entry.number >= list && entry.kind == "device-list");

    // A new name and a new platform: the process starts itself afresh, in place.
    let pid = bed.process().pid();
    let new_name = json!({ "dev_sno": "UMOTRU-NEW" });
    let answer = done(http::json(port, "PUT", "/SophonMQ/api/DevSno", &new_name));
    assert_eq!(answer, json!({ "dev_sno": "UMOTRU-NEW", "response": "UMOTRU-NEW" }), "as published");
    bed.wait("a login under the new name", |entry| {
        entry.kind == "login" && entry.body["dev_sno"] == "UMOTRU-NEW"
    });
    eventually("what was changed is still so", SOON, || {
        let alive = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        drop(alive);
        let (_, body) = http::get(port, &url("GateControllerMode"));
        (body["data"]["controller_mode"] == "avoid").then_some(())
    });
    assert_eq!(bed.process().pid(), pid);
    assert_eq!(done(http::get(port, &url("HistoryEventUrl")))["urls"], json!([history.url()]));
    let back = json!({ "dev_sno": DEV_SNO });
    done(http::json(port, "PUT", "/SophonMQ/api/DevSno", &back));
    let again = bed.platform.ledger().len();
    bed.wait("the list under the old name", |entry| {
        entry.number >= again && entry.kind == "device-list" && entry.is_accepted()
    });
    bed.stop();
}

#[test]
fn doors_are_opened_by_command_and_by_a_match() {
    let relay = Receiver::new(|_| 200);
    let relay_url = relay.url().replace("http://", "http://user:s3cret@");
    let mut camera = crate::testbed::start_camera("gate", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::standalone();
    bed.add_camera(&camera);
    bed.set("devices.0.type", "\"turnstile\"");
    bed.set(
        "devices.0.action_url",
        &format!("{:?}", relay_url + "?m={mode}&s={seconds}&p={port}&a={action_port}"),
    );
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let close = json!({ "action": [{ "action_ip": "gate", "action_mode": "closedoor", "action_duration": 9, "logic_port": "2",
        "action_port": "80" }] });
    let answer = done(http::json(port, "PUT", ACTION, &close));
    assert_eq!((&answer["action"][0]["result"], &answer["action"][0]["code"]), (&json!(true), &json!(0)));
    assert_eq!(
        (&answer["action_mode"], &answer["message"]),
        (&json!("closedoor"), &json!("success")),
        "published"
    );
    let lines = || relay.got().into_iter().map(|got| got.line).collect::<Vec<_>>();
    assert_eq!(lines(), ["GET /record?m=closedoor&s=9&p=2&a=80 HTTP/1.1"]);
    relay.answer(|_| 500);
    let answer = done(http::json(port, "PUT", ACTION, &close));
    assert_eq!(
        (&answer["action"][0]["result"], &answer["action"][0]["code"]),
        (&json!(false), &json!(50072))
    );
    assert_eq!(lines().len(), 2, "a command is never repeated");
    relay.answer(|_| 200);

    done(http::json(port, "POST", USERS, &user("1001", "Barack Obama", "obama-1.jpg")));
    camera.go().unwrap();
    eventually("the door opens for him", SOON, || {
        lines().contains(&"GET /record?m=opendoor&s=5&p=0&a=0 HTTP/1.1".to_owned()).then_some(())
    });
    // Somebody of the blacklist opens nothing.
    done(http::json(port, "PUT", USERS, &json!({ "identity_id": "1001", "info": { "type": 3 } })));
    done(http::json(
        port,
        "POST",
        "/SophonFogSys/api/GateControllerMode",
        &json!({ "controller_mode": "alarm" }),
    ));
    eventually("an alarm for him now", SOON, || {
        lines().contains(&"GET /record?m=alarm&s=5&p=0&a=0 HTTP/1.1".to_owned()).then_some(())
    });
    let shown = bed.log()
        + &menshen_testbed::scrape::get(bed.port, "/healthz")
        + &menshen_testbed::scrape::get(bed.port, "/metrics");
    assert!(!shown.contains("s3cret"), "the relay's password is shown");
    bed.stop();
}

#[test]
fn the_score_scale_is_read_and_set_as_published() {
    let mut bed = TestBed::standalone();
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    assert_eq!(done(http::get(port, PRETTY_SCORE)), json!({ "threshold_range": [0.0, 82.0, 100.0] }));
    let range = json!({ "threshold_range": ["10", 85, 99.5] });
    assert_eq!(
        done(http::json(port, "PUT", PRETTY_SCORE, &range)),
        json!({ "threshold_range": [10.0, 85.0, 99.5] })
    );
    bed.stop();
    bed.start();
    let kept = eventually("it is kept", SOON, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        Some(done(http::get(port, PRETTY_SCORE)))
    });
    assert_eq!(kept, json!({ "threshold_range": [10.0, 85.0, 99.5] }));
    // Nothing asked for, nothing done.
    done(http::json(port, "POST", USERS, &user("1001", "Barack Obama", "obama-1.jpg")));
    let nothing = json!({ "wipe_options": { "users": false, "events": "0" } });
    let answer = done(http::json(port, "POST", WIPE, &nothing));
    assert_eq!(answer, json!({ "wipe_options": { "users": false, "events": false } }));
    assert_eq!(done(http::get(port, USERS))["total"], 1);
    // As copied from the published pages.
    let copied = "\u{feff}{\n\u{a0}\u{a0}\"threshold_range\":\u{a0}[0,\u{a0}82, 100]}";
    let answer = raw(port, "PUT", PRETTY_SCORE, JSON, copied.as_bytes());
    assert_eq!(done(answer), json!({ "threshold_range": [0.0, 82.0, 100.0] }));
    bed.stop();
}
