//! Comparing bodies with the protocol, field by field.

use base64::Engine as _;
use serde_json::Value;

/// Body of the device list (protocol section 6).
pub const DEVICE_LIST: &[&str] = &["devSno", "deviceList"];
/// One of its devices.
pub const DEVICE: &[&str] = &[
    "epId",
    "devSno",
    "direction",
    "epType",
    "memo",
    "epName",
    "epIp",
    "epStatus",
    "epVersion",
    "epGroupName",
    "epStreamUrl",
    "lastMonitorTime",
    "isMonitor",
    "privilegeGroupKey",
];
/// Body of the status report (section 7).
pub const STATUS: &[&str] = &[
    "gateway_ip",
    "gateway_name",
    "gateway_status",
    "gateway_sn",
    "dev_sno",
    "gateway_ext_data",
    "sub_devices",
];
/// Its `gateway_ext_data`.
pub const STATUS_FACTS: &[&str] = &[
    "sw_version",
    "sdk_version",
    "gateway_mac",
    "cpu_usage",
    "memory_size",
    "memory_usage",
    "disk_size",
    "disk_free_size",
    "temperature",
];
/// One of its `sub_devices`.
pub const STATUS_DEVICE: &[&str] =
    &["ep_id", "ep_name", "ep_ip", "ep_status", "ep_location", "ep_type", "ep_url"];

/// The keys of an object, sorted.
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value
        .as_object()
        .unwrap_or_else(|| panic!("no object: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    keys
}

/// Exactly these keys, in any order.
pub fn assert_keys(value: &Value, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(keys(value), expected, "{}", shortened(value));
}

/// An object's text with long strings cut, for messages.
pub fn shortened(value: &Value) -> String {
    value.to_string().chars().take(600).collect()
}

/// Width and height of a picture that went over the wire as plain base64 JPEG.
pub fn jpeg_size(value: &Value) -> (u32, u32) {
    let text = value.as_str().unwrap_or_else(|| panic!("no picture: {}", shortened(value)));
    let bytes = base64::prelude::BASE64_STANDARD.decode(text).expect("plain base64");
    assert!(bytes.starts_with(&[0xFF, 0xD8]), "pictures are written as JPEG");
    let picture = image::load_from_memory(&bytes).expect("a whole JPEG");
    (picture.width(), picture.height())
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

pub fn assert_between(value: &Value, low: f64, high: f64) {
    let found = number(value);
    assert!((low..=high).contains(&found), "{found} is outside {low} to {high}");
}

/// The event body of protocol section 8, real-time form; history adds to it.
pub fn assert_event(body: &Value, history: bool) {
    let mut top = vec!["identity_id", "identity_name", "group_name", "timestamp", "score", "ext_data"];
    let mut ext = vec![
        "device_ip",
        "spot_pic",
        "recognize_face",
        "person_type",
        "device_type",
        "grab_fiqa_info",
        "box_fiqa_info",
        "event_id",
        "in_timestamp",
        "out_timestamp",
    ];
    if history {
        top.push("want_action");
        ext.extend(["ep_id", "dev_sno"]);
    }
    // A stranger who is enrolled has an id and a registry photo too.
    if body["identity_id"] != "" {
        top.push("reg_pic");
        assert!(jpeg_size(&body["reg_pic"]).0 > 100);
    }
    assert_keys(body, &top);
    let data = &body["ext_data"];
    assert_keys(data, &ext);
    assert_eq!(body["group_name"], "default_group");
    assert_between(&body["score"], 0.0, 1.0);
    assert_eq!(data["device_type"], "3", "a network camera");
    assert_eq!(data["grab_fiqa_info"], serde_json::json!({}));
    let scene = jpeg_size(&data["spot_pic"]);
    let face = jpeg_size(&data["recognize_face"]);
    assert_eq!(scene, (1280, 720), "the scene picture is the camera's frame");
    assert!(face.0 < scene.0 && face.0 > 60, "the face crop is {face:?}");
    let id: uuid::Uuid = data["event_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    let times = ["in_timestamp", "out_timestamp"].map(|key| data[key].as_u64().unwrap());
    let at = body["timestamp"].as_u64().unwrap();
    assert!(times[0] <= at && at <= times[1].max(at), "{times:?} {at}");
    assert_box_fiqa(&data["box_fiqa_info"]);
}

fn assert_box_fiqa(fiqa: &Value) {
    assert_keys(fiqa, &["info", "fiqa_result", "success", "fails"]);
    assert_eq!(fiqa["fiqa_result"], true, "only faces that pass are looked at");
    let info = &fiqa["info"];
    assert_keys(
        info,
        &["brightness", "clarity", "covered", "face_size", "headpose", "mask", "occlusion", "partial"],
    );
    assert_between(&info["mask"], 0.0, 1.0);
    assert_between(&info["face_size"], 60.0, 400.0);
    // Who is recognised while still coming into the picture is partly outside.
    assert!(info["partial"].is_boolean(), "{info}");
    assert_keys(&info["headpose"], &["pitch_angle", "roll_angle", "yaw_angle"]);
    for angle in ["pitch_angle", "roll_angle", "yaw_angle"] {
        assert_between(&info["headpose"][angle], -90.0, 90.0);
    }
    for name in ["face_size", "headpose"] {
        assert!(fiqa["success"].as_array().unwrap().contains(&name.into()), "{fiqa}");
    }
    assert_eq!(fiqa["fails"], serde_json::json!([]));
}
