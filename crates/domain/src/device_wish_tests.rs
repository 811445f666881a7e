use serde_json::json;

use super::*;

fn photo(ip: &str, device_id: &str) -> DeviceConfig {
    DeviceConfig { device_id: device_id.to_owned(), ..DeviceConfig::plain(ip, ip, "post") }
}

fn stream(ip: &str, device_id: &str, url: &str) -> DeviceConfig {
    let mut device = DeviceConfig { device_id: device_id.to_owned(), ..DeviceConfig::plain(ip, ip, "rtsp") };
    device.parameters.insert("url".to_owned(), url.to_owned());
    device
}

fn wish(device_id: Option<&str>, source: Option<Source>, key: Option<&str>) -> DeviceWish {
    DeviceWish {
        device_id: device_id.map(str::to_owned),
        source,
        key: key.map(str::to_owned),
        ..DeviceWish::default()
    }
}

fn present() -> Vec<DeviceConfig> {
    vec![
        photo("10.0.0.5", "gate"),
        stream("10.0.0.7", "hall", "rtsp://u:s3cret@10.0.0.7:554/ch1"),
        stream("yard", "yard", "rtsp://10.0.0.8/ch1"),
    ]
}

fn changed(wish: &DeviceWish, verb: Verb) -> (String, Value) {
    match wish.change(verb, &present()).unwrap() {
        (ip, DeviceChange::Add(table)) => (ip, json!({ "add": table })),
        (ip, DeviceChange::Set(table)) => (ip, json!({ "set": table })),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_device_gets_its_block() {
    let new = wish(None, Some(Source::Photo), Some(" 10.0.0.6 "));
    assert_eq!(
        changed(&new, Verb::Add),
        ("10.0.0.6".into(), json!({ "add": { "pipeline": "post", "type": "turnstile" } }))
    );
    let snap = DeviceWish { kind: Some(DeviceKind::SnapshotCamera), ..new };
    assert_eq!(changed(&snap, Verb::Add).1["add"]["type"], "snapshot-camera");
    // A second stream of one host has a name of its own.
    let url = "rtsp://a:b@10.0.0.7:554/ch2";
    let second = wish(Some("new"), Some(Source::Stream), Some(url));
    let expected =
        json!({ "add": { "device_id": "new", "pipeline": "rtsp", "type": "network-camera", "url": url } });
    assert_eq!(changed(&second, Verb::Add), ("10.0.0.7#2".into(), expected));
    let bracketed = wish(None, Some(Source::Stream), Some("rtsp://[fe80::1]:554/x"));
    assert_eq!(changed(&bracketed, Verb::Add).0, "fe80::1");
}

#[test]
fn a_known_key_means_the_device_that_has_it() {
    let again = wish(None, Some(Source::Photo), Some("10.0.0.5"));
    assert_eq!(changed(&again, Verb::Add), ("10.0.0.5".into(), json!({ "set": {} })));
    // Also as the box shows it, without its password.
    for key in ["rtsp://u:s3cret@10.0.0.7:554/ch1", "rtsp://***:***@10.0.0.7:554/ch1"] {
        let same = wish(Some("hall"), Some(Source::Stream), Some(key));
        assert_eq!(changed(&same, Verb::Add), ("10.0.0.7".into(), json!({ "set": { "device_id": "hall" } })));
        assert_eq!(changed(&same, Verb::Update).1, json!({ "set": { "device_id": "hall" } }));
    }
    let moved = wish(Some("gate"), None, Some("10.0.0.9"));
    assert_eq!(changed(&moved, Verb::Add).1, json!({ "set": { "device_id": "gate", "ip": "10.0.0.9" } }));
}

#[test]
fn a_new_address_moves_what_was_named_by_the_old_one() {
    let set = |id: &str, key: &str| changed(&wish(Some(id), None, Some(key)), Verb::Update).1["set"].clone();
    let moved = set("hall", "rtsp://u:x@10.0.0.9/ch1");
    assert_eq!((&moved["ip"], &moved["url"]), (&json!("10.0.0.9"), &json!("rtsp://u:x@10.0.0.9/ch1")));
    assert!(moved["user"].is_null() && moved["password"].is_null() && moved.get("user").is_some(), "{moved}");
    assert!(set("yard", "rtsp://10.0.0.9/ch1").get("ip").is_none(), "a name of its own stays");
    assert!(set("hall", "rtsp://u:x@10.0.0.7/ch9").get("ip").is_none(), "the same host");
}

#[test]
fn another_kind_of_device_needs_its_key() {
    let to_stream = wish(Some("gate"), Some(Source::Stream), Some("rtsp://10.0.0.5/x"));
    let set = changed(&to_stream, Verb::Update).1["set"].clone();
    assert_eq!((&set["pipeline"], &set["url"]), (&json!("rtsp"), &json!("rtsp://10.0.0.5/x")));
    let to_photo = wish(Some("hall"), Some(Source::Photo), Some("10.0.0.7"));
    let set = changed(&to_photo, Verb::Update).1["set"].clone();
    assert!(set["pipeline"] == "post" && set["url"].is_null() && set.get("url").is_some(), "{set}");
    let without = wish(Some("gate"), Some(Source::Stream), None).change(Verb::Update, &present());
    assert_eq!(without, Err(WishFault::Missing("device_key")));
}

#[test]
fn what_cannot_be_done_is_named() {
    use Source::{Photo, Stream};
    for (wish, verb, expected) in [
        (wish(None, None, Some("10.0.0.6")), Verb::Add, WishFault::Missing("device_type")),
        (wish(None, Some(Photo), None), Verb::Add, WishFault::Missing("device_key")),
        (wish(None, Some(Photo), Some("10.0.0.5")), Verb::Update, WishFault::Missing("device_id")),
        (wish(Some("x"), None, None), Verb::Update, WishFault::UnknownDevice("x".into())),
        (wish(Some("x"), Some(Photo), Some("10.0.0.5")), Verb::Add, WishFault::KeyTaken("gate".into())),
        (
            wish(Some("gate"), Some(Stream), Some("rtsp://10.0.0.8/ch1")),
            Verb::Add,
            WishFault::KeyTaken("yard".into()),
        ),
        (wish(Some("hall"), None, Some("rtsp://***:***@10.0.0.9/ch1")), Verb::Update, WishFault::Masked),
        (wish(None, Some(Stream), Some("rtsp://***:***@10.0.0.9/ch1")), Verb::Add, WishFault::Masked),
        (wish(None, Some(Stream), Some("/dev/video0")), Verb::Add, WishFault::NoUrl),
        (wish(None, Some(Stream), Some("rtsp:///x")), Verb::Add, WishFault::NoUrl),
    ] {
        assert_eq!(wish.change(verb, &present()), Err(expected), "{wish:?}");
    }
    let shown = format!("{:?}", wish(None, Some(Stream), Some("rtsp://u:s3cret@h/x")));
    assert!(!shown.contains("s3cret"), "{shown}");
}
