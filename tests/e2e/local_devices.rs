//! Devices as the local API is published: the same roster as the box's own calls change.

use serde_json::{Value, json};

use crate::doors::Relay;
use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo_base64, start_camera};

const DEVICES: &str = "/SophonDevice/api/Devices";
const OWN: &str = "/menshen/api/devices";
const USERS: &str = "/SophonFogSys/api/users";
const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
const MATCH: &str = "/SophonMatch/api/PictureMatch";

fn start(bed: &mut TestBed) {
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
}

fn done((status, body): (u16, Value)) -> Value {
    assert_eq!(status, 200, "{body}");
    body["data"].clone()
}

fn call(bed: &TestBed, method: &str, body: &Value) -> (u16, Value) {
    http::json(bed.local_port, method, &format!("{DEVICES}?"), body)
}

fn refused((status, body): (u16, Value), expected: (u16, i64, &str)) {
    let message = body["error"]["message"].as_str().unwrap_or_default();
    let is_it = status == expected.0 && body["error"]["code"] == expected.1 && message.contains(expected.2);
    assert!(is_it, "expected {expected:?}, got {status} {body}");
}

fn put(bed: &TestBed, method: &str, device: &Value) -> Value {
    done(call(bed, method, &json!({ "devices_list": [device] })))["success_devices"][0].clone()
}

fn listed(bed: &TestBed) -> Vec<Value> {
    done(http::get(bed.local_port, DEVICES))["devices_list"].as_array().unwrap().clone()
}

fn with_key(bed: &TestBed, ip: &str) -> Value {
    listed(bed).into_iter().find(|device| device["device_ip"] == ip).unwrap_or_default()
}

fn own(bed: &TestBed, ip: &str) -> Value {
    done(http::get(bed.local_port, &format!("{OWN}?ip={ip}")))["devices"][0].clone()
}

/// A device that sends photos, with everything that is published as a must.
fn photo_device(key: &str) -> Value {
    json!({
        "device_type": "photo", "netRelay": {}, "is_start_rtmp": false, "device_name": format!("door {}", key.rsplit('@').next().unwrap_or(key)),
        "device_key": key, "group_id": "default_group", "permission_id": "0",
    })
}

fn with(device: &Value, more: Value) -> Value {
    let mut device = device.clone();
    device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    device
}

/// A box with a terminal in its file.
fn bed() -> TestBed {
    let mut bed = TestBed::standalone();
    bed.add_config("\n[[devices]]\nip = \"terminal\"\ntype = \"door-terminal\"\npipeline = \"post\"\n");
    bed
}

#[test]
fn devices_come_change_and_go_under_their_ids() {
    let mut bed = bed();
    start(&mut bed);
    let terminal = with_key(&bed, "terminal");
    // uuid.uuid5(uuid.NAMESPACE_URL, 'terminal')
    assert_eq!(
        terminal["device_id"], "9b292160-a5d2-5615-9abf-c252de355367",
        "of a device of the file it never changes"
    );
    assert_eq!(
        (&terminal["device_type"], &terminal["device_key"], &terminal["is_start_rtmp"]),
        (&json!("photo"), &json!("terminal"), &json!(false))
    );
    let group = done(http::json(
        bed.local_port,
        "POST",
        PERMISSIONS,
        &json!({ "permission_name": "lab", "description": "" }),
    ))["info"]["id"]
        .clone();
    let added = put(&bed, "POST", &with(&photo_device("10.0.0.9"), json!({ "permission_id": "lab" })));
    let id = added["device_id"].clone();
    assert_eq!((&added["device_name"], id.as_str().unwrap().len()), (&json!("door 10.0.0.9"), 36));
    let shown = with_key(&bed, "10.0.0.9");
    assert_eq!((&shown["permission_id"], &shown["group_id"].is_string()), (&group, &true));
    let ours = own(&bed, "10.0.0.9");
    assert_eq!(
        (&ours["type"], &ours["pipeline"], &ours["device_id"]),
        (&json!("turnstile"), &json!("post"), &id)
    );

    // The same key again is the same device; under another id it is refused.
    assert_eq!(put(&bed, "POST", &photo_device("10.0.0.9"))["device_id"], id);
    let other = with(&photo_device("10.0.0.9"), json!({ "device_id": "another" }));
    refused(call(&bed, "POST", &json!({ "devices_list": [other] })), (400, 40091, "device_key"));
    assert_eq!(listed(&bed).len(), 2);

    // Only what is given changes; both ways of calling change the same device.
    put(
        &bed,
        "PUT",
        &json!({ "device_id": id, "device_name": "Yard", "device_attr": { "actions": { "do_match": false, "fast_mode": true } } }),
    );
    let ours = own(&bed, "10.0.0.9");
    assert_eq!(
        (&ours["name"], &ours["enabled"], &ours["type"]),
        (&json!("Yard"), &json!(false), &json!("turnstile"))
    );
    done(http::json(
        bed.local_port,
        "PUT",
        OWN,
        &json!({ "ip": "10.0.0.9", "enabled": true, "type": "snapshot-camera" }),
    ));
    let shown = with_key(&bed, "10.0.0.9");
    assert_eq!(
        shown["device_attr"]["actions"],
        json!({ "do_match": true, "fast_mode": true, "do_attribute": false })
    );
    assert_eq!((&shown["menshen_type"], &shown["device_name"]), (&json!("snapshot-camera"), &json!("Yard")));

    // A new address is the same device, also after a start.
    put(&bed, "PUT", &json!({ "device_id": id, "device_key": "10.0.0.10" }));
    put(&bed, "PUT", &json!({ "device_id": terminal["device_id"], "device_key": "10.0.0.11" }));
    bed.kill9();
    start(&mut bed);
    assert_eq!(with_key(&bed, "10.0.0.10")["device_id"], id);
    assert_eq!(with_key(&bed, "10.0.0.11")["device_id"], terminal["device_id"]);
    // The old address is free, and another device's.
    let second = put(&bed, "POST", &photo_device("terminal"));
    assert!(second["device_id"].is_string() && second["device_id"] != terminal["device_id"], "{second}");

    let gone =
        done(call(&bed, "DELETE", &json!({ "clear_all": false, "devices_list": [{ "device_id": id }] })));
    assert_eq!(
        gone["success_devices"][0],
        json!({ "device_id": id, "device_name": "Yard", "ip": "10.0.0.10" })
    );
    assert_eq!(
        done(call(&bed, "DELETE", &json!({ "clear_all": false, "devices_list": [] })))["success_devices"],
        json!([])
    );
    assert_eq!(listed(&bed).len(), 2);
    done(call(&bed, "DELETE", &json!({ "clear_all": true, "devices_list": [] })));
    assert!(listed(&bed).is_empty());
    bed.stop();
}

#[test]
fn one_wrong_entry_changes_nothing_and_is_named() {
    let mut bed = bed();
    start(&mut bed);
    let ids =
        |bed: &TestBed| listed(bed).iter().map(|device| device["device_id"].clone()).collect::<Vec<_>>();
    let before = ids(&bed);
    let sound = photo_device("10.0.0.8");
    for (method, device, expected) in [
        ("POST", with(&photo_device("a"), json!({ "permission_id": "none" })), (404, 40491, "permission_id")),
        ("POST", with(&photo_device("a"), json!({ "group_id": "none" })), (404, 40491, "group_id")),
        (
            "POST",
            with(&photo_device("a"), json!({ "device_name": "" })),
            (400, 40091, "`device_name` is missing"),
        ),
        (
            "POST",
            with(&photo_device("a"), json!({ "device_key": null })),
            (400, 40091, "`device_key` is missing"),
        ),
        ("POST", with(&photo_device("a"), json!({ "device_type": "kettle" })), (400, 40091, "device_type")),
        ("POST", with(&photo_device("a"), json!({ "device_type": "file" })), (501, 50100, "file")),
        ("POST", with(&photo_device("a"), json!({ "device_type": "gb28181" })), (501, 50100, "gb28181")),
        ("POST", with(&photo_device("a"), json!({ "is_start_rtmp": true })), (501, 50100, "is_start_rtmp")),
        (
            "POST",
            with(&photo_device("a"), json!({ "device_type": "rtsp" })),
            (400, 40091, "URL of the stream"),
        ),
        ("POST", with(&photo_device("a b"), json!({})), (400, 40091, "ip")),
        ("PUT", json!({ "device_name": "x" }), (400, 40091, "`device_id` is missing")),
        ("PUT", json!({ "device_id": "none" }), (404, 40491, "device_id `none`")),
    ] {
        let list = if method == "POST" { json!([sound, device]) } else { json!([device]) };
        refused(call(&bed, method, &json!({ "devices_list": list })), expected);
    }
    for (method, body, expected) in [
        ("POST", json!({ "devices_list": [] }), (400, 40091, "devices_list")),
        ("POST", json!({ "devices_list": vec![sound; 65] }), (400, 40091, "at most 64")),
        ("PUT", json!({ "preview_list": ["x"], "devices_list": [] }), (501, 50100, "preview_list")),
        ("DELETE", json!({ "devices_list": [{ "device_id": "none" }] }), (404, 40491, "none")),
        (
            "DELETE",
            json!({ "clear_all": true, "devices_list": [{ "device_id": "x" }] }),
            (400, 40091, "not both"),
        ),
        ("DELETE", json!({ "clear_all": "perhaps" }), (400, 40091, "clear_all")),
    ] {
        refused(call(&bed, method, &body), expected);
    }
    assert_eq!(ids(&bed), before);
    let (status, _) = http::get(bed.local_port, &format!("{DEVICES}?device_id=none"));
    let id = before[0].as_str().unwrap();
    let one = done(http::get(bed.local_port, &format!("{DEVICES}?device_id={id}&need_preview_list=true")));
    assert_eq!((status, one["devices_list"].as_array().unwrap().len()), (404, 1));
    assert_eq!(one["preview_list"]["preview_list"], json!([]), "{one}");
    bed.stop();
}

#[test]
fn a_stream_is_named_by_its_url_and_shows_no_password() {
    let camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = bed();
    start(&mut bed);
    let url = camera.url().replacen("rtsp://", "rtsp://keeper:opensesame@", 1);
    let stream = with(&photo_device(&url), json!({ "device_type": "rtsp", "device_id": "lobby" }));
    put(&bed, "POST", &stream);
    let shown = eventually("it is online", SOON, || {
        Some(with_key(&bed, "127.0.0.1")).filter(|device| device["online"] == true)
    });
    let masked = shown["device_key"].as_str().unwrap();
    assert!(masked.contains("***:***@") && !shown.to_string().contains("opensesame"), "{shown}");
    // Sent back as it was shown, nothing changes: the stream stays open.
    let since = own(&bed, "127.0.0.1")["since_ms"].clone();
    put(&bed, "PUT", &shown);
    put(&bed, "POST", &with(&stream, json!({ "device_key": masked })));
    assert_eq!(own(&bed, "127.0.0.1")["since_ms"], since);
    let elsewhere = masked.replace("127.0.0.1", "127.0.0.2");
    let moved = json!({ "devices_list": [{ "device_id": "lobby", "device_key": elsewhere }] });
    refused(call(&bed, "PUT", &moved), (400, 40091, "masked password"));
    // A second stream of this host has a name of its own.
    let second = format!("{url}?two");
    put(&bed, "POST", &with(&photo_device(&second), json!({ "device_type": "3" })));
    assert_eq!(with_key(&bed, "127.0.0.1#2")["device_type"], "rtsp");
    assert!(!bed.log().contains("opensesame"));
    bed.stop();
}

#[test]
fn a_network_relay_opens_by_the_operators_template() {
    let relay = Relay::new();
    let mut bed = bed();
    bed.set("gate.net_relay_url", "\"modbus://{ip}:{net_port}/0?coils={door_port}\"");
    start(&mut bed);
    let user = json!({ "identity_id": "1001", "reg_photo": photo_base64("obama-1.jpg"), "info": { "name": "Barack Obama" } });
    done(http::json(bed.local_port, "POST", USERS, &user));
    let net_relay = json!({ "ip": "127.0.0.1", "net_port": relay.port, "door_port": 1, "delay_time": 1 });
    put(&bed, "POST", &with(&photo_device("10.0.0.9"), json!({ "netRelay": net_relay })));
    assert_eq!(with_key(&bed, "10.0.0.9")["netRelay"], net_relay);
    assert_eq!(own(&bed, "10.0.0.9")["has_door"], true);
    let photo = json!({ "device_ip": "10.0.0.9", "rgb_image_base64": photo_base64("obama-2.jpg") });
    let (status, answer) = http::json(bed.local_port, "POST", MATCH, &photo);
    assert_eq!((status, &answer["pass"]), (200, &json!(true)), "{answer}");
    let said = eventually("it opens, and closes after its time", SOON, || {
        (relay.told() == [(0, true), (0, false)]).then(|| relay.times())
    });
    let open = said[1] - said[0];
    assert!((0.9..3.0).contains(&open.as_secs_f64()), "open for {open:?}, said was one second");
    let no_port =
        with(&photo_device("10.0.0.8"), json!({ "netRelay": { "ip": "127.0.0.1", "door_port": 1 } }));
    refused(call(&bed, "POST", &json!({ "devices_list": [no_port] })), (400, 40091, "net_port"));
    // An empty one takes the door away.
    put(&bed, "PUT", &json!({ "device_id": with_key(&bed, "10.0.0.9")["device_id"], "netRelay": {} }));
    assert_eq!(own(&bed, "10.0.0.9")["has_door"], false);
    bed.stop();

    // Without a template the device works, without a door.
    bed.set("gate.net_relay_url", "\"\"");
    start(&mut bed);
    put(&bed, "POST", &with(&photo_device("10.0.0.7"), json!({ "netRelay": net_relay })));
    assert_eq!(
        (own(&bed, "10.0.0.7")["has_door"].clone(), with_key(&bed, "10.0.0.7")["netRelay"].clone()),
        (json!(false), net_relay)
    );
    assert!(bed.log().contains("set gate.net_relay_url"), "{}", bed.log());
    bed.stop();
}
