//! What the command line says about devices: why one is not up, what the file's values are worth, and moving one.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{SOON, TestBed, eventually, start_camera};

fn said(bed: &TestBed, arguments: &[&str]) -> String {
    let output = bed.run(arguments);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn add(bed: &mut TestBed, ip: &str, url: &str, more: &str) {
    bed.add_config(&format!(
        "\n[[devices]]\nip = \"{ip}\"\ntype = \"network-camera\"\nurl = \"{url}\"\n{more}\n"
    ));
}

/// The list and the probe have the same words for the same fault.
#[test]
fn the_list_says_what_the_probe_says() {
    let locked =
        start_camera("locked", &["obama-2.jpg"], &["--size", "640x360", "--credentials", "admin:r1ght"]);
    let open = start_camera("open", &["obama-2.jpg"], &["--size", "640x360"]);
    let mut bed = TestBed::standalone();
    let closed = closed_port();
    let wrong = locked.url().replace("rtsp://", "rtsp://admin:wr0ngpass@");
    add(&mut bed, "closed", &format!("rtsp://127.0.0.1:{closed}/x"), "");
    add(
        &mut bed,
        "closed-udp",
        &format!("rtsp://127.0.0.1:{closed}/x"),
        "parameters = { transport = \"udp\" }",
    );
    add(&mut bed, "closed-http", &format!("http://127.0.0.1:{closed}/x.jpg"), "pipeline = \"snapshot\"");
    add(&mut bed, "unknown", "rtsp://no-such-host.invalid/x", "");
    add(&mut bed, "unknown-http", "http://no-such-host.invalid/x", "pipeline = \"mjpeg\"");
    add(&mut bed, "locked", &wrong, "");
    add(&mut bed, "elsewhere", &open.url().replace("/open", "/elsewhere"), "");
    bed.start();
    let devices = |language: &str| {
        let (_, body) = http::get(bed.local_port, &format!("/menshen/api/devices?lang={language}"));
        body["data"]["devices"].as_array().cloned().unwrap_or_default()
    };
    for (ip, fault) in [
        ("closed", "refused"),
        ("closed-udp", "refused"),
        ("closed-http", "refused"),
        ("unknown", "dns"),
        ("unknown-http", "dns"),
        ("locked", "unauthorized"),
        ("elsewhere", "not-found"),
    ] {
        let found = eventually(ip, SOON, || {
            devices("en").into_iter().find(|device| device["ip"] == ip && device["fault"] == fault)
        });
        let probed = bed.run(&["devices", "probe", ip, "--json"]);
        let probed: Value = serde_json::from_slice(&probed.stdout).unwrap();
        assert_eq!((&probed["fault"], &probed["message"]), (&json!(fault), &found["reason"]), "{ip}");
    }
    let (english, chinese) =
        (said(&bed, &["devices", "list"]), said(&bed, &["devices", "list", "--lang", "zh"]));
    for (text, parts) in [
        (english, ["refuses the connection", "is not known", "password is wrong", "no such stream"]),
        (chinese, ["拒绝连接", "无法解析", "密码不正确", "没有这个码流"]),
    ] {
        assert!(parts.iter().all(|part| text.contains(part)) && !text.contains("wr0ngpass"), "{text}");
    }
    bed.stop();
}

/// An installer gives a camera another address: groups, names and addresses come along.
#[test]
fn a_device_moves_to_another_address() {
    let camera = start_camera("lobby", &["obama-2.jpg"], &["--size", "640x360"]);
    let mut bed = TestBed::standalone();
    let url = camera.url().replace("rtsp://", "rtsp://admin:s3cret@").replace("127.0.0.1", "127.0.0.9");
    add(&mut bed, "127.0.0.9", &url, "name = \"Lobby\"\npermission_groups = [\"7\"]");
    add(&mut bed, "other", "rtsp://other.invalid/x", "");
    bed.start();
    let port = bed.local_port;
    let device = |ip: &str| {
        let (_, body) = http::get(port, "/menshen/api/devices");
        let list = body["data"]["devices"].as_array().cloned().unwrap_or_default();
        list.into_iter().find(|device| device["ip"] == ip)
    };
    let refused = said(&bed, &["devices", "change", "127.0.0.9", "ip=other"]);
    assert!(refused.contains("there is a device `other` already"), "{refused}");
    assert!(said(&bed, &["devices", "change", "127.0.0.9", "ip="]).contains("new address"));
    let told = said(&bed, &["devices", "change", "127.0.0.9", "ip=127.0.0.1"]);
    assert!(told.contains("moved from 127.0.0.9 to 127.0.0.1"), "{told}");
    let moved = device("127.0.0.1").unwrap();
    assert_eq!((&moved["name"], &moved["permission_groups"]), (&json!("Lobby"), &json!(["7"])));
    assert!(moved["url"].as_str().unwrap().contains("@127.0.0.1:"), "{moved}");
    assert!(device("127.0.0.9").is_none());
    eventually("it is online", SOON, || device("127.0.0.1").filter(|device| device["state"] == "online"));
    // What the file says of it does not count; that is told, with the way back.
    for arguments in [&["devices", "list"][..], &["settings", "list"], &["check"]] {
        let told = said(&bed, arguments);
        assert!(told.contains("menshen devices reset 127.0.0.9"), "{arguments:?}: {told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    said(&bed, &["devices", "reset", "127.0.0.9"]);
    said(&bed, &["devices", "reset", "127.0.0.1"]);
    assert!(device("127.0.0.1").is_none() && device("127.0.0.9").is_some());
    bed.stop();
    // The same with no box running.
    let told = said(&bed, &["devices", "change", "127.0.0.9", "ip=gate", "name=Gate"]);
    assert!(told.contains("gate: from the next start on"), "{told}");
    let listed = said(&bed, &["devices", "list"]);
    assert!(listed.contains("gate ") && listed.contains("devices reset 127.0.0.9"), "{listed}");
    said(&bed, &["devices", "reset", "127.0.0.9"]);
    said(&bed, &["devices", "reset", "gate"]);
    assert!(!said(&bed, &["devices", "list"]).contains("devices reset"));
}

#[test]
fn devices_and_settings_of_the_field_are_known_to_probe_check_and_start() {
    let camera = start_camera("late", &["obama-2.jpg"], &["--size", "640x360"]);
    let mut bed = TestBed::standalone();
    add(&mut bed, "gone", "rtsp://gone.invalid/x", "");
    let ok = said(&bed, &["devices", "add", "late", &format!("url={}", camera.url()), "type=turnstile"]);
    assert!(ok.contains("next start"), "{ok}");
    said(&bed, &["devices", "remove", "gone"]);
    let probed = said(&bed, &["devices", "probe", "late"]);
    assert!(probed.contains("ok: h264"), "{probed}");
    let probed = said(&bed, &["devices", "probe", "gone"]);
    assert!(probed.contains("was removed"), "{probed}");
    bed.start();
    let (status, _) = http::json(
        bed.local_port,
        "POST",
        "/SophonFogSys/api/GateControllerMode",
        &json!({ "controller_mode": "avoid" }),
    );
    assert_eq!(status, 200);
    let told = said(&bed, &["settings", "list"]);
    assert!(
        told.contains("menshen settings reset gate.mode") && told.contains("devices reset gone"),
        "{told}"
    );
    bed.stop();
    bed.start();
    let log = bed.log();
    assert!(log.contains("settings reset gate.mode") && log.contains("devices reset gone"), "{log}");
    assert!(said(&bed, &["settings", "reset", "gate.mode"]).contains("as the configuration file says"));
    let (_, mode) = http::get(bed.local_port, "/SophonFogSys/api/GateControllerMode");
    assert_eq!(mode["data"]["controller_mode"], "opendoor");
    assert!(said(&bed, &["settings", "reset", "gate.mod"]).contains("there is platform.login_url"));
    bed.stop();
    assert!(said(&bed, &["settings", "reset", "gate.mode"]).contains("was not changed"));
}
