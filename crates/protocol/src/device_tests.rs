use menshen_domain::device::DeviceConfig;

use super::*;

fn read(entry: Value) -> Result<DeviceWish, DeviceFault> {
    read_wish(entry, Form::Api)
}

#[test]
fn an_entry_of_the_published_flow_is_read() {
    let wish = read(json!({
        "device_type": "photo", "netRelay": {}, "is_start_rtmp": false, "device_name": "闸机", "device_key": "192.168.1.9",
        "group_id": "g", "permission_id": "p", "device_attr": { "actions": { "do_match": 0, "fast_mode": null, "x": [null] } },
    }))
    .unwrap();
    assert_eq!((wish.source, wish.key.as_deref()), (Some(Source::Photo), Some("192.168.1.9")));
    assert_eq!(
        (wish.registry_group.as_deref(), wish.permission_groups),
        (Some("g"), Some(vec!["p".to_owned()]))
    );
    assert_eq!((wish.net_relay, wish.enabled, wish.attributes), (RelayWish::Remove, Some(false), None));
    assert_eq!(wish.device_attr, json!({ "actions": { "do_match": 0, "x": [] } }).as_object().cloned());
    assert!(wish.missing_if_new.is_empty());
    let short =
        read(json!({ "device_id": 7, "device_type": 3, "permission_id": [1, "a"], "rtmp_address": "" }))
            .unwrap();
    assert_eq!((short.device_id.as_deref(), short.source), (Some("7"), Some(Source::Stream)));
    assert_eq!(short.permission_groups, Some(vec!["1".to_owned(), "a".to_owned()]));
    assert_eq!(short.missing_if_new, ["device_name", "group_id"]);
    assert_eq!((short.net_relay, short.rtmp_address), (RelayWish::Leave, None));
}

#[test]
fn relays_are_read_as_forms_write_them() {
    let relay = |relay: Value| read(json!({ "netRelay": relay })).map(|wish| wish.net_relay);
    let full = NetRelay { ip: "10.0.0.9".into(), net_port: Some(502), door_port: None, delay_time: Some(5) };
    let said = json!({ "ip": "10.0.0.9", "net_port": "502", "door_port": 0, "delay_time": 5.0 });
    assert_eq!(relay(said), Ok(RelayWish::Set(full)));
    for none in [json!({}), json!([]), json!(""), json!({ "ip": "", "net_port": 0, "delay_time": 5 })] {
        assert_eq!(relay(none.clone()), Ok(RelayWish::Remove), "{none}");
    }
    assert_eq!(relay(Value::Null), Ok(RelayWish::Leave));
    for (wrong, field) in [
        (json!({ "net_port": 502 }), "netRelay.ip"),
        (json!({ "ip": "h", "net_port": 65536 }), "netRelay.net_port"),
        (json!({ "ip": "h", "delay_time": -1 }), "netRelay.delay_time"),
        (json!("h"), "netRelay"),
    ] {
        assert!(relay(wrong.clone()).unwrap_err().to_string().contains(field), "{wrong}");
    }
}

#[test]
fn what_is_wrong_or_not_served_is_named() {
    let not_served = ["file", "gb28181", "GB28181"].map(|kind| json!({ "device_type": kind }));
    for entry in not_served.into_iter().chain([json!({ "is_start_rtmp": "true" })]) {
        let refusal = ProtocolError::from(read(entry.clone()).unwrap_err());
        assert_eq!(refusal.code, StatusCode::NotImplemented, "{entry}");
    }
    for (entry, expected) in [
        (json!([]), "a list"),
        (json!({ "device_type": "kettle" }), "`device_type` must be photo or rtsp"),
        (json!({ "device_type": "rtsp", "menshen_type": "turnstile" }), "menshen_type"),
        (json!({ "menshen_type": "kettle" }), "menshen_type"),
        (json!({ "device_key": ["x"] }), "device_key"),
        (json!({ "device_name": "x".repeat(limits::DEVICE_TEXT_BYTES_MAX + 1) }), "shorter"),
        (json!({ "device_attr": { "a": "x".repeat(limits::DEVICE_ATTR_BYTES_MAX) } }), "device_attr"),
        (json!({ "device_attr": [1] }), "device_attr"),
        (json!({ "device_attr": { "actions": { "do_match": "perhaps" } } }), "do_match"),
        (json!({ "is_start_rtmp": "perhaps" }), "is_start_rtmp"),
        (json!({ "permission_id": { "a": 1 } }), "permission_id"),
    ] {
        let refusal = ProtocolError::from(read(entry.clone()).unwrap_err());
        assert!(
            refusal.code == StatusCode::ParamError && refusal.detail.contains(expected),
            "{entry}: {refusal}"
        );
    }
}

fn command(method: &str, body: Value) -> Result<DeviceCommand, ProtocolError> {
    DeviceCommand::parse(method, &mut body.as_object().unwrap().clone())
}

#[test]
fn commands_name_devices_as_an_object_or_a_list() {
    let one = json!({ "device_id": "a", "group_name": "vip", "device_key": "rtsp://u:s3cret@h/x" });
    for (info, count) in [(one.clone(), 1), (json!([one, { "device_id": "b" }]), 2)] {
        for (key, method, expected) in
            [("device_info", "add_device", Verb::Add), ("devices_list", "update_device", Verb::Update)]
        {
            let read = command(method, json!({ key: info })).unwrap();
            let DeviceCommand::Put { verb, wishes, echo } = read else { panic!("{method}") };
            assert_eq!((verb, wishes.len(), echo.to_string().contains("s3cret")), (expected, count, false));
            assert_eq!(wishes[0].registry_group.as_deref(), Some("vip"));
            assert!(wishes[0].missing_if_new.is_empty() && echo.to_string().contains("***"), "{echo}");
        }
    }
    for (body, expected) in [
        (json!({ "device_info": { "device_id": "a" } }), json!("a")),
        (json!({ "device_id": 7 }), json!("7")),
        (json!({ "device_info": [{ "device_id": "a" }, { "device_id": "b" }] }), json!(["a", "b"])),
        (json!({ "device_id": ["a"] }), json!(["a"])),
    ] {
        let DeviceCommand::Delete { echo, .. } = command("delete_device", body.clone()).unwrap() else {
            panic!("{body}")
        };
        assert_eq!(echo, expected, "{body}");
    }
    let many = vec![json!({ "device_id": "a" }); limits::DEVICES_MAX + 1];
    for (method, body, expected) in [
        ("add_device", json!({}), "`device_info` is missing"),
        ("add_device", json!({ "device_info": { "device_key": "h" } }), "`device_id` is missing"),
        ("add_device", json!({ "device_info": many }), "at most"),
        ("delete_device", json!({ "device_info": {} }), "`device_id` is missing"),
        ("delete_device", json!({ "device_info": [{ "device_id": "" }] }), "`device_id` is missing"),
        ("delete_device", json!({}), "`device_id` is missing"),
    ] {
        let refusal = command(method, body.clone()).err().unwrap();
        assert!(refusal.detail.contains(expected), "{method} {body}: {refusal}");
    }
}

#[test]
fn a_device_is_shown_in_published_keys_and_without_its_password() {
    let mut config = DeviceConfig::plain("SNO__10.0.0.7", "10.0.0.7", "rtsp");
    config.parameters.insert("url".into(), "rtsp://u:s3cret@10.0.0.7/x".into());
    config.published.device_attr = json!({ "actions": { "fast_mode": true } }).as_object().unwrap().clone();
    let shown = device_of(&DeviceStatus::unopened(&config), "g");
    assert_eq!(shown["device_key"], "rtsp://***:***@10.0.0.7/x");
    assert_eq!((&shown["device_type"], &shown["device_ip"]), (&json!("rtsp"), &json!("10.0.0.7")));
    assert_eq!(
        shown["device_attr"]["actions"],
        json!({ "fast_mode": true, "do_match": true, "do_attribute": false })
    );
    let again = read(shown.clone()).unwrap();
    assert_eq!((again.source, again.kind), (Some(Source::Stream), None), "what is shown can be sent back");
    assert_eq!(
        (&shown["permission_id"], &shown["group_id"], &shown["netRelay"]),
        (&json!("0"), &json!("g"), &json!({}))
    );
    let photo = DeviceConfig {
        permission_groups: vec!["0".into(), "7".into()],
        ..DeviceConfig::plain("SNO__gate", "gate", "post")
    };
    let shown = device_of(&DeviceStatus::unopened(&photo), "g");
    assert_eq!((&shown["device_key"], &shown["device_type"]), (&json!("gate"), &json!("photo")));
    assert_eq!(shown["permission_id"], json!(["0", "7"]));
}
