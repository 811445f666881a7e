//! Devices that the platform adds, changes and removes, and its commands that are refused whole.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use menshen_testbed::platform::ledger::Entry;
use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo_base64, start_camera};

const MATCH: &str = "/SophonMatch/api/PictureMatch";

fn devices(bed: &TestBed) -> Vec<Value> {
    let (_, body) = http::get(bed.local_port, "/SophonDevice/api/Devices");
    body["data"]["devices_list"].as_array().cloned().unwrap_or_default()
}

fn names(bed: &TestBed) -> Vec<String> {
    devices(bed).iter().map(|device| device["device_name"].as_str().unwrap().to_owned()).collect()
}

fn send(bed: &TestBed, method: &str, info: &Value) -> Value {
    bed.command(json!({ "method": method, "device_info": info }))
}

fn done(reply: &Value) {
    assert_eq!((&reply["success"], &reply["code"]), (&json!(true), &json!(0)), "{reply}");
}

fn refused(reply: &Value, code: i64, expected: &str) {
    let message = reply["message"].as_str().unwrap_or_default();
    assert!(reply["success"] == false && reply["code"] == code && message.contains(expected), "{reply}");
    assert_eq!(reply["result"], json!({}), "{reply}");
}

fn photo_device(id: &str, key: &str) -> Value {
    json!({
        "device_id": id, "device_name": format!("door {id}"), "group_name": "default_group", "permission_id": "0",
        "device_key": key, "device_type": "photo", "is_start_rtmp": false, "netRelay": {},
    })
}

/// The newest list of devices the platform took has just these names.
fn platform_knows(bed: &TestBed, after: u64, expected: &[&str]) -> u64 {
    let names = |entry: &Entry| {
        let list = entry.body["deviceList"].as_array().cloned().unwrap_or_default();
        list.iter().map(|device| device["epName"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let is_it = |entry: &Entry| {
        entry.number >= after
            && entry.kind == "device-list"
            && entry.is_accepted()
            && names(entry) == expected
    };
    bed.wait(&format!("the list {expected:?}"), is_it).number
}

#[test]
fn the_platform_adds_changes_and_removes_devices() {
    let camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg")]);

    // A terminal: the photos it posts are recognised from then on, and the platform gets the list.
    let before = bed.platform.ledger().len();
    let reply = send(&bed, "add_device", &photo_device("gate-1", "10.0.0.5"));
    done(&reply);
    assert_eq!(reply["result"]["device_info"]["device_id"], "gate-1");
    let photo = json!({ "device_ip": "10.0.0.5", "rgb_image_base64": photo_base64("obama-2.jpg") });
    let (_, answer) = http::json(bed.local_port, "POST", MATCH, &photo);
    assert_eq!((&answer["retcode"], &answer["identity_id"]), (&json!("1"), &json!("1001")), "{answer}");
    platform_knows(&bed, before, &["door gate-1"]);

    // A camera shows up online; its password is shown to nobody.
    let url = camera.url().replacen("rtsp://", "rtsp://keeper:opensesame@", 1);
    let stream = json!({
        "device_id": "hall", "device_name": "hall", "group_name": "default_group", "permission_id": "0",
        "device_key": url, "device_type": "rtsp",
    });
    let reply = send(&bed, "add_device", &json!([stream]));
    done(&reply);
    assert!(
        reply["result"]["device_info"][0]["device_key"].as_str().unwrap().contains("***:***@"),
        "{reply}"
    );
    bed.wait_device("127.0.0.1", "online", before);

    // What is known is changed, whichever command says it.
    let mut again = photo_device("gate-1", "10.0.0.5");
    again["device_name"] = json!("north gate");
    done(&send(&bed, "add_device", &again));
    done(&send(&bed, "update_device", &json!([{ "device_id": "hall", "device_name": "great hall" }])));
    assert_eq!(names(&bed), ["north gate", "great hall"]);
    let at = platform_knows(&bed, before, &["north gate", "great hall"]);

    let reply = send(&bed, "delete_device", &json!({ "device_id": "gate-1" }));
    done(&reply);
    assert_eq!(reply["result"], json!({ "device_id": "gate-1" }));
    done(&bed.command(json!({ "method": "delete_device", "device_id": "gate-1" })));
    assert_eq!(names(&bed), ["great hall"]);
    platform_knows(&bed, at, &["great hall"]);
    assert!(!bed.log().contains("opensesame"));
    bed.stop();
}

#[test]
fn a_device_that_cannot_be_fails_the_command_and_changes_nothing() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    done(&send(&bed, "add_device", &photo_device("gate", "10.0.0.5")));
    let with = |key: &str, value: Value| {
        let mut device = photo_device("new", "10.0.0.6");
        device[key] = value;
        device
    };
    for (method, info, code, expected) in [
        ("update_device", json!({ "device_id": "none", "device_name": "x" }), 40401, "none"),
        ("add_device", with("device_type", json!("gb28181")), 50100, "gb28181"),
        ("add_device", with("device_type", json!("file")), 50100, "file"),
        ("add_device", with("is_start_rtmp", json!(true)), 50100, "is_start_rtmp"),
        ("add_device", with("device_type", json!("kettle")), 40071, "device_type"),
        ("add_device", with("permission_id", json!("none")), 40071, "permission_id"),
        ("add_device", with("group_name", json!("none")), 40071, "group"),
        ("add_device", with("device_key", json!("10.0.0.5")), 40071, "device_key"),
        ("add_device", with("device_id", json!("")), 40071, "device_id"),
        (
            "add_device",
            json!([photo_device("sound", "10.0.0.7"), with("device_key", json!("a b"))]),
            40071,
            "ip",
        ),
        ("delete_device", json!({}), 40071, "device_id"),
    ] {
        refused(&send(&bed, method, &info), code, expected);
    }
    assert_eq!(names(&bed), ["door gate"]);
    bed.stop();

    bed.set("platform.manages_devices", "false");
    bed.start();
    for method in ["add_device", "update_device", "delete_device"] {
        refused(&send(&bed, method, &photo_device("gate", "10.0.0.9")), 50100, "platform.manages_devices");
    }
    assert_eq!(devices(&bed)[0]["device_key"], "10.0.0.5");
    bed.stop();
}

/// Killed between the change and its acknowledgement, the command comes again: nothing is there twice.
#[test]
fn devices_that_are_added_again_after_a_kill_are_there_once() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    let publish = |number: u32| {
        let device = photo_device(&format!("id-{}", number % 5), &format!("10.0.0.{}", number % 5));
        let command =
            json!({ "method": "add_device", "messageId": format!("add-{number}"), "device_info": device });
        bed.platform.publish(&command).unwrap();
    };
    (0..40).for_each(publish);
    let answered = |bed: &TestBed| {
        let replies = bed.platform.ledger().since(0, Entry::is_reply);
        let ids: std::collections::BTreeSet<_> =
            replies.iter().filter_map(|reply| reply.body["messageId"].as_str().map(str::to_owned)).collect();
        ids.len()
    };
    eventually("the first replies", SOON, || (answered(&bed) >= 3).then_some(()));
    bed.kill9();
    bed.start();
    eventually("every reply", SOON, || (answered(&bed) == 40).then_some(()));
    let mut keys: Vec<_> =
        devices(&bed).iter().map(|device| device["device_key"].as_str().unwrap().to_owned()).collect();
    keys.sort();
    assert_eq!(keys, (0..5).map(|number| format!("10.0.0.{number}")).collect::<Vec<_>>());
    bed.stop();
}

/// Refused whole: no request goes to the link or the server, and no secret into the log.
fn refuse_both(bed: &TestBed, extend: &Value) {
    let link = TcpListener::bind("127.0.0.1:0").unwrap();
    link.set_nonblocking(true).unwrap();
    let port = link.local_addr().unwrap().port();
    for size in [json!(12.5), json!(0)] {
        let reply = bed.command(json!({
            "method": "download_package", "extend_params": extend,
            "download_package_info": {
                "package_name": "patch-7.tar.gz", "package_size": size, "package_md5": "d41d8cd98f00b204e9800998ecf8427e",
                "package_download_link": format!("http://127.0.0.1:{port}/patch-7.tar.gz?token=t0psecret"),
            },
        }));
        refused(&reply, 50100, "remote packages are not executed on this box");
    }
    for action in ["start", "stop", "enable", "disable"] {
        let reply = bed.command(json!({
            "method": "frp_control", "extend_params": extend, "action": action,
            "frp_config_info_list": [
                { "section_name": "common",
                  "section_info": { "server_addr": "127.0.0.1", "server_port": port, "token": "t0psecret" } },
                { "section_name": "ssh", "section_info": { "type": "tcp", "local_port": 22, "remote_port": 6000 } },
            ],
        }));
        refused(&reply, 50100, "remote tunnels are not opened on this box");
    }
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(link.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
    let log = bed.log();
    assert!(log.contains("patch-7.tar.gz") && log.contains("127.0.0.1"), "{log}");
    assert!(!log.contains("t0psecret"), "{log}");
    // Nothing is kept of them either: the token would lie on the disk.
    assert_eq!(bed.metric("menshen_dead_letters_total"), 0.0);
    assert_eq!(bed.metric("menshen_commands_total"), 6.0, "each is counted");
}

#[test]
fn packages_and_tunnels_are_refused_without_a_request() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    refuse_both(&bed, &json!({}));
    bed.stop();
    bed.start();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(bed.metric("menshen_commands_total"), 0.0, "all were acknowledged, none comes again");
    bed.stop();
}

#[test]
fn refusals_go_to_notify_path_too() {
    let mut bed = TestBed::with_platform(|config| config.upload_queue = false);
    bed.start();
    refuse_both(&bed, &json!({ "notify_path": "/box/notify" }));
    assert_eq!(bed.platform.ledger().of_kind("notify").len(), 6);
    bed.stop();
}
