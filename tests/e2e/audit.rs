//! What the audit log says of changes that fail, in part or as a whole, and of calls that are refused.

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::access::{lines_of, new_token, with};
use crate::testbed::{SOON, TestBed, eventually, photo_base64};

const USERS: &str = "/SophonFogSys/api/users";
const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
const ACTION: &str = "/SophonFogSys/api/EventAction";
const MODE: &str = "/SophonFogSys/api/GateControllerMode";

fn started() -> TestBed {
    let mut bed = TestBed::standalone();
    let closed = menshen_testbed::broker::free_port().unwrap();
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"gate-1\"\ntype = \"turnstile\"\npipeline = \"post\"\n\
         action_url = \"http://127.0.0.1:{closed}/?m={{mode}}\"\n\
         [[devices]]\nip = \"gate-2\"\ntype = \"turnstile\"\npipeline = \"post\"\n"
    ));
    bed.start();
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", bed.local_port)).ok());
    bed
}

/// Lines of the audit log: what, about whom, the result.
fn told(bed: &TestBed, lines: usize) -> Vec<(String, String, String)> {
    let audit = lines_of(bed, &["audit", "--json", "--lines", &lines.to_string()]);
    let entries = audit.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    entries.map(|entry| (text(&entry, "what"), text(&entry, "on"), text(&entry, "result"))).collect()
}

#[test]
fn what_failed_and_whom_it_was_about_is_written_down() {
    let mut bed = started();
    let port = bed.local_port;
    let admin = new_token(&bed, &["ops"]);
    let call = |method: &str, path: &str, body: Value| with(port, &admin, method, path, &body);
    let last = || told(&bed, 1).remove(0);

    let act = |ip: &str| json!({ "action": [{ "action_ip": ip, "action_mode": "opendoor" }] });
    let (status, answer) = call("PUT", ACTION, act("gate-1"));
    assert_eq!((status, &answer["data"]["action"][0]["code"]), (200, &json!(50_072)), "{answer}");
    assert_eq!((last().1.as_str(), last().2.as_str()), ("gate-1", "failed: 1 of 1 (50072)"));
    call("PUT", ACTION, act("gate-2"));
    assert_eq!(last().1, "gate-2", "one without a door: {:?}", last());

    let person =
        json!({ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg"), "info": { "name": "x" } });
    assert_eq!(call("POST", USERS, person).0, 200);
    let (status, answer) = call("DELETE", USERS, json!({ "userid_list": ["nobody", "no one"] }));
    assert_eq!(status, 200, "{answer}");
    assert_eq!((last().1.as_str(), last().2.as_str()), ("2 people", "failed: 2 of 2 (40401)"));
    let (_, answer) = call("DELETE", USERS, json!({ "userid_list": ["1001", "nobody"], "erase": true }));
    assert_eq!(last().2, "partial: 1 of 2 failed (40401)", "{answer}");
    let asked_by = answer["data"]["success_users"][0]["erased"]["asked_by"].as_str().unwrap();
    assert_eq!(asked_by, "local API, ops, 127.0.0.1");

    for (method, path, body, about) in [
        ("POST", PERMISSIONS, json!({ "permission_name": "night shift" }), "group night shift"),
        ("POST", PERMISSIONS, json!({ "id": "7", "info": { "name": "x" } }), "group 7"),
        (
            "PUT",
            PERMISSIONS,
            json!({ "permission_name": "night shift", "description": "d" }),
            "group night shift",
        ),
        (
            "DELETE",
            PERMISSIONS,
            json!({ "permission_name": "night shift", "user_recursive_delete": true }),
            "group night shift with its people",
        ),
        ("POST", "/menshen/api/settings/reset", json!({ "key": "gate.mode" }), "gate.mode"),
        ("POST", "/menshen/api/devices/reset", json!({ "ip": "gate-2" }), "gate-2"),
        ("POST", "/menshen/api/set-aside/retry", json!({}), "all receivers"),
        ("POST", "/menshen/api/models/use", json!({ "name": "no-such" }), "no-such"),
        ("POST", "/menshen/api/models/cancel", Value::Null, "the running swap"),
        (
            "PUT",
            "/SophonMQ/api/LoginUrl",
            json!({ "login_url": "http://u:s3cret@h/x?k=s3cret" }),
            "http://h/x",
        ),
    ] {
        let (status, answer) = call(method, path, body);
        let (what, on, result) = last();
        assert_eq!((what, on.as_str()), (format!("{method} {path}"), about), "{status} {answer} {result}");
    }
    let (status, answer) =
        call("PUT", "/SophonMQ/api/DevSno", json!({ "dev_sno": "UMOTRU000120190909103019" }));
    assert_eq!(status, 200, "{answer}");
    let (_, on, result) = last();
    assert!(on.starts_with("licence code ") && !on.contains("UMOTRU") && result == "ok", "{on} {result}");
    let name = lines_of(&bed, &["users", "log-name", "UMOTRU000120190909103019"]).remove(0);
    assert_eq!(on.replace("licence code ", "person-"), name, "who knows the code finds the line");
    // A change that needs a restart is followed by it soon after the answer.
    std::thread::sleep(std::time::Duration::from_secs(3));
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    bed.stop();

    // While no box runs.
    let output = bed.run(&["users", "remove", "nobody"]);
    assert!(!output.status.success());
    let (what, on, result) = told(&bed, 1).remove(0);
    assert_eq!((what.as_str(), result.as_str()), ("users remove", "failed: 1 of 1 (40401)"));
    assert!(on.starts_with("person-"), "{on}");
}

#[test]
fn refused_calls_are_folded_and_push_nothing_out() {
    let mut bed = started();
    let port = bed.local_port;
    let admin = new_token(&bed, &["ops"]);
    let gate = new_token(&bed, &["gate-1-terminal", "--device", "gate-1"]);
    assert_eq!(with(port, &admin, "POST", MODE, &json!({ "controller_mode": "avoid" })).0, 200);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    let body = json!({ "users": true });
                    assert_eq!(with(port, &gate, "POST", "/SophonFogSys/api/WipeData", &body).0, 403);
                }
            });
        }
    });
    assert_eq!(with(port, &admin, "POST", MODE, &json!({ "controller_mode": "opendoor" })).0, 200);
    let refused = |lines: &[String]| lines.iter().filter(|line| line.contains("gate-1-terminal\"")).count();
    let lines = lines_of(&bed, &["audit", "--json"]);
    assert_eq!(refused(&lines), 10, "{lines:?}");
    let changes = std::fs::read_to_string(bed.data_dir().join("audit.jsonl")).unwrap();
    assert!(!changes.contains("WipeData"), "{changes}");
    assert_eq!(changes.matches("GateControllerMode").count(), 2, "{changes}");
    bed.stop();
    let lines = lines_of(&bed, &["audit", "--json"]);
    assert_eq!(refused(&lines), 11);
    let sum: u64 = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|entry| entry["refused"] == true)
        .map(|entry| {
            assert_eq!((&entry["who"], &entry["on"]), (&json!("gate-1-terminal"), &json!("gate-1")));
            1 + entry["more"].as_u64().unwrap_or(0)
        })
        .sum();
    assert_eq!(sum, 400, "every one is counted");
    let shown = lines_of(&bed, &["audit"]).join("\n");
    assert!(shown.contains("389 more"), "{shown}");
}
