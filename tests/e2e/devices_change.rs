//! Devices added, changed and removed while the box runs, over the local API and from the command line.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually};

const DEVICES: &str = "/menshen/api/devices";

fn devices(port: u16) -> Vec<Value> {
    let (_, body) = http::get(port, DEVICES);
    body["data"]["devices"].as_array().cloned().unwrap_or_default()
}

fn device(port: u16, ip: &str) -> Option<Value> {
    devices(port).into_iter().find(|device| device["ip"] == ip)
}

fn online(port: u16, ip: &str) -> Value {
    eventually(&format!("{ip} is online"), SOON, || {
        device(port, ip).filter(|device| device["state"] == "online")
    })
}

fn add_test_device(bed: &mut TestBed, ip: &str) {
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"{ip}\"\ntype = \"network-camera\"\npipeline = \"test\"\n"
    ));
}

/// A copy of the pipelines that this test may change.
fn own_pipelines(bed: &mut TestBed) -> PathBuf {
    let folder = bed.folder.path().join("pipelines");
    std::fs::create_dir(&folder).unwrap();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    bed.set("pipelines_dir", &format!("\"{}\"", folder.display()));
    folder
}

fn say(bed: &TestBed, arguments: &[&str]) -> String {
    let output = bed.run(arguments);
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    told
}

#[test]
fn devices_come_change_and_go_and_the_others_run_on() {
    let mut bed = TestBed::with_platform(|_| ());
    add_test_device(&mut bed, "steady");
    bed.start();
    let port = bed.local_port;
    let steady = online(port, "steady");

    // Added over the API: it opens, and the platform hears of it.
    let (status, added) = http::json(
        port,
        "POST",
        DEVICES,
        &json!({ "ip": "hall", "type": "turnstile", "pipeline": "test", "name": "Hall" }),
    );
    assert_eq!((status, &added["data"]["name"]), (200, &json!("Hall")), "{added}");
    online(port, "hall");
    bed.wait_device("hall", "online", 0);
    // From the command line too.
    let told = say(&bed, &["devices", "add", "yard", "type=snapshot-camera", "pipeline=test"]);
    assert!(told.contains("yard"), "{told}");
    let yard = online(port, "yard");

    // A new name touches no stream, and the platform hears of it; a pause closes the stream, and is told as such.
    let (_, changed) =
        http::json(port, "PUT", DEVICES, &json!({ "ip": "yard", "name": "Yard", "memo": "by the gate" }));
    assert_eq!(
        (&changed["data"]["memo"], &changed["data"]["since_ms"]),
        (&json!("by the gate"), &yard["since_ms"])
    );
    say(&bed, &["devices", "disable", "hall"]);
    eventually("hall is closed", SOON, || {
        device(port, "hall").filter(|device| device["state"] == "disabled")
    });
    bed.wait("the platform hears that hall is not watched", |entry| {
        let list = entry.body["deviceList"].as_array().cloned().unwrap_or_default();
        list.iter().any(|device| device["epIp"] == "hall" && device["isMonitor"] == false)
            && list.iter().any(|device| device["epName"] == "Yard")
    });
    let (status, _) = http::call(port, "DELETE", &format!("{DEVICES}?ip=yard"), &[], b"");
    assert_eq!((status, devices(port).len()), (200, 2));
    bed.wait("the platform hears that yard is gone", |entry| {
        let list = entry.body["deviceList"].as_array().cloned().unwrap_or_default();
        list.len() == 2 && list.iter().all(|device| device["epIp"] != "yard")
    });

    // Through all of this the first one was left alone, and all of it outlives the box.
    let now = device(port, "steady").unwrap();
    assert_eq!((&now["since_ms"], &now["reconnects"]), (&steady["since_ms"], &json!(0)));
    bed.kill9();
    bed.start();
    online(port, "steady");
    assert_eq!(device(port, "hall").unwrap()["state"], "disabled");
    say(&bed, &["devices", "enable", "hall"]);
    online(port, "hall");
    bed.stop();

    // With no box running the next start has it.
    say(&bed, &["devices", "remove", "hall"]);
    let listed = say(&bed, &["devices", "list"]);
    assert!(listed.contains("steady") && !listed.contains("hall"), "{listed}");
}

#[test]
fn a_wrong_device_changes_nothing_and_the_mistake_is_named() {
    let mut bed = TestBed::standalone();
    add_test_device(&mut bed, "steady");
    bed.start();
    let port = bed.local_port;
    online(port, "steady");
    let test = |more: Value| {
        let mut table = json!({ "ip": "new", "type": "turnstile", "pipeline": "test" });
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        table
    };
    for (method, body, status, expected) in [
        ("POST", json!({ "type": "turnstile" }), 400, "ip"),
        (
            "POST",
            json!({ "ip": "steady", "type": "turnstile", "pipeline": "test" }),
            400,
            "there is a device `steady`",
        ),
        ("POST", test(json!({ "type": "kettle" })), 400, "kettle"),
        ("POST", test(json!({ "nmae": "x" })), 400, "did you mean `name`"),
        ("POST", test(json!({ "pipeline": "nosuch" })), 400, "no such template"),
        ("POST", test(json!({ "pipeline": "rtsp", "url": "http://u:s3cret@h/" })), 400, "is not one of rtsp"),
        (
            "POST",
            test(
                json!({ "pipeline": "rtsp", "url": "rtsp://h/ ! filesink location=/tmp/x" , "parameters": { "latency_ms": "-1" } }),
            ),
            400,
            "latency_ms",
        ),
        ("POST", test(json!({ "permission_groups": [] })), 400, "permission_groups"),
        (
            "POST",
            test(json!({ "pipeline": "ftp", "ftp_user": "cam", "ftp_password": "long-enough" })),
            400,
            "set ftp.listen",
        ),
        ("PUT", json!({ "ip": "nobody", "name": "x" }), 404, "no device has ip `nobody`"),
        ("DELETE", json!({ "ip": "nobody" }), 404, "no device has ip `nobody`"),
    ] {
        let (found, answer) = http::json(port, method, DEVICES, &body);
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(expected), "{method} {body}: {found} {answer}");
        assert!(!message.contains("s3cret"), "{message}");
    }
    assert_eq!(devices(port).len(), 1);
    bed.stop();
}

/// The file is edited while the box runs: what changed is opened anew, the rest goes on.
#[test]
fn the_file_and_the_pipelines_are_read_again() {
    let mut bed = TestBed::standalone();
    let pipelines = own_pipelines(&mut bed);
    add_test_device(&mut bed, "steady");
    let own = std::fs::read_to_string(pipelines.join("test.toml")).unwrap();
    std::fs::write(pipelines.join("own.toml"), own.replace("pattern=ball", "pattern=snow")).unwrap();
    bed.add_config("\n[[devices]]\nip = \"own\"\ntype = \"network-camera\"\npipeline = \"own\"\n");
    bed.start();
    let port = bed.local_port;
    let (steady, before) = (online(port, "steady"), online(port, "own"));
    assert!(say(&bed, &["devices", "reload"]).contains("nothing has changed"));

    std::fs::write(pipelines.join("own.toml"), &own).unwrap();
    add_test_device(&mut bed, "late");
    let told = say(&bed, &["devices", "reload"]);
    assert!(told.contains("own") && told.contains("late") && !told.contains("steady"), "{told}");
    online(port, "late");
    eventually("own is opened anew", SOON, || {
        device(port, "own")
            .filter(|device| device["state"] == "online" && device["since_ms"] != before["since_ms"])
    });
    assert_eq!(device(port, "steady").unwrap()["since_ms"], steady["since_ms"]);

    // What is wrong is named, and everything stays as it is.
    std::fs::write(pipelines.join("own.toml"), "launch = \"nosuchelement\"").unwrap();
    let output = bed.run(&["devices", "reload"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("own"));
    assert_eq!(devices(port).len(), 3);
    bed.stop();
}
