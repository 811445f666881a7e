//! A whole box with a platform as PHP and Java write them, and one that has moved.

use std::io::Write as _;
use std::time::Duration;

use menshen_testbed::platform::behaviour::{Dress, Fault};
use serde_json::json;

use crate::backlog::{fill, ids};
use crate::receiver::Receiver;
use crate::testbed::{SOON, TestBed, eventually, photo};

/// Everything the platform answers is labelled as a page, marked, and holds empty values of PHP: the box works as ever.
#[test]
fn a_platform_in_php_is_a_platform() {
    let mut bed = TestBed::with_platform(|config| config.record_pictures = [false, true, false]);
    bed.platform.behaviour().dress(Dress {
        label: Some("text/html; charset=UTF-8"),
        byte_order_mark: true,
        ..Dress::default()
    });
    bed.platform.patch_login(json!({
        "deviceMonitorPeriod": "", "recordUploadReg": "", "message": [],
        "rabbitmq": {
            "uploadVHost": [], "fiqaDownQueue": "", "unNeedBindExchange": "",
            "exchange": { "arguments": [], "passive": "", "auto_delete": "0", "durable": "1" },
        },
    }));
    fill(&bed, &ids(0..20));
    bed.start();
    bed.platform.people().add("12345678901234567890", "Barack Obama", photo("obama-1.jpg"));
    let reply = bed.command(json!({
        "method": "add_users_plus", "userid_list": [12_345_678_901_234_567_890_u64], "user_info_list": [],
        "extend_params": { "path": "/box/users", "notify_path": [] },
    }));
    assert_eq!(reply["result"]["success_users"][0]["userid"], "12345678901234567890", "{reply}");
    let kept = bed.command(json!({
        "method": "wipe_data", "wipe_options": { "users": "false", "events": null }, "extend_params": [],
    }));
    assert_eq!(kept["result"]["wipe_options"], json!({ "users": false, "events": false }), "{kept}");
    assert_eq!(bed.metric("menshen_registry_people"), 1.0);
    for kind in ["device-list", "status"] {
        bed.wait(kind, |entry| entry.kind == kind && entry.is_accepted());
    }
    let accepted = || bed.platform.ledger().since(0, |entry| entry.kind == "history" && entry.is_accepted());
    eventually("all of the history", SOON, || (accepted().len() >= 20).then_some(()));
    let got: Vec<_> = accepted().iter().map(|entry| entry.body["ext_data"]["event_id"].clone()).collect();
    assert_eq!(got, ids(0..20), "in order, none twice");
    assert_eq!(bed.platform.ledger().of_kind("login").len(), 1, "nothing was taken for a login page");
    let wiped = bed.command(json!({ "method": "wipe_data", "wipe_options": { "users": 1, "events": 0 } }));
    assert_eq!(wiped["result"]["wipe_options"], json!({ "users": true, "events": false }), "{wiped}");
    assert_eq!(bed.metric("menshen_registry_people"), 0.0);
    bed.stop();
}

/// What frameworks, gateways and senders written in C make of an answer before it arrives.
#[test]
fn answers_are_read_as_gateways_and_frameworks_send_them() {
    fn wrapped(json: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(json);
        let text = if text.contains("rabbitmq") {
            format!("{{\"code\":0,\"msg\":\"登录成功\",\"data\":{text}}}\r\n\0")
        } else {
            text.into_owned()
        };
        encoding_rs::GBK.encode(&text).0.into_owned()
    }
    fn zlib(json: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(json).unwrap();
        writer.finish().unwrap()
    }
    fn gzip(json: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(json).unwrap();
        writer.finish().unwrap()
    }
    let dresses = [
        Dress { remake: Some(wrapped), ..Dress::default() },
        Dress { remake: Some(gzip), encoding: Some("gzip"), ..Dress::default() },
        Dress { remake: Some(zlib), encoding: Some("deflate"), ..Dress::default() },
    ];
    for dress in dresses {
        let mut bed = TestBed::with_platform(|_| ());
        bed.platform.behaviour().dress(dress.clone());
        bed.start();
        bed.platform.people().add("1", "巴拉克·奥巴马", photo("obama-1.jpg"));
        let reply = bed.command(json!({
            "method": "add_users_plus", "userid_list": ["1"], "user_info_list": [],
            "extend_params": { "path": "/box/users" },
        }));
        assert_eq!(reply["result"]["success_users"][0]["userid"], "1", "{dress:?}: {reply}");
        bed.wait("the device list is taken", |entry| entry.kind == "device-list" && entry.is_accepted());
        let people = crate::http::get(bed.local_port, "/SophonFogSys/api/users").1;
        assert!(people.to_string().contains("巴拉克·奥巴马"), "{dress:?}: {people}");
        bed.stop();
    }
}

/// A platform behind a new address: nothing is sent after it, nothing is lost, and the log says what to set.
#[test]
fn a_platform_that_has_moved_loses_no_event_and_gives_none_away() {
    let stranger = Receiver::new(|_| 200);
    let mut bed = TestBed::with_platform(|config| {
        config.monitor_period_s = 1;
        config.upload_queue = false;
    });
    fill(&bed, &ids(0..3));
    for (kind, status) in [("history", 307), ("status", 308), ("notify", 302), ("device-list", 301)] {
        bed.platform.behaviour().fail(kind, Fault::Redirect(status, stranger.url()), u32::MAX);
    }
    bed.start();
    let notify = json!({ "notify_path": "/box/notify" });
    for id in ["first", "second"] {
        let command = json!({
            "method": "delete_users", "messageId": id, "userid_list": ["nobody"], "extend_params": notify,
        });
        bed.platform.publish(&command).unwrap();
    }
    let calls = |kind: &str| bed.platform.ledger().of_kind(kind).len();
    eventually("each is tried again", SOON, || {
        ["history", "status", "notify"].iter().all(|kind| calls(kind) >= 3).then_some(())
    });
    let before = calls("status");
    std::thread::sleep(Duration::from_secs(8));
    let (more, tried) = (calls("status") - before, calls("history"));
    assert!(more <= 4, "status is asked ever more rarely, not {more} times in 8 s");
    assert!(tried < 12, "{tried} tries of history");
    assert!(bed.log().contains("set platform.login_url to http://127.0.0.1:"), "{}", bed.log());
    assert!(!bed.log().contains("sim-token"), "no token in the log");
    bed.platform.behaviour().heal();
    let accepted = |kind: &'static str, key: fn(&serde_json::Value) -> serde_json::Value| {
        let entries = bed.platform.ledger().since(0, |entry| entry.kind == kind && entry.is_accepted());
        entries.iter().map(|entry| key(&entry.body)).collect::<Vec<_>>()
    };
    // By now each is asked once a minute at the least.
    eventually("the history, in order", SOON * 2, || {
        (accepted("history", |body| body["ext_data"]["event_id"].clone()) == ids(0..3)).then_some(())
    });
    eventually("the replies, in order", SOON * 2, || {
        (accepted("notify", |body| body["messageId"].clone()) == ["first", "second"]).then_some(())
    });
    assert!(stranger.got().is_empty(), "{:?}", stranger.got());
    assert!(bed.platform.ledger().of_kind("referer").is_empty());
    bed.stop();
}
