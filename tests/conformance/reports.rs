//! Section 5: the face result. Section 6: capture devices. Section 7: status. Section 8: events.

use serde_json::json;

use crate::fields::{
    DEVICE, DEVICE_LIST, STATUS, STATUS_DEVICE, STATUS_FACTS, assert_between, assert_event, assert_keys,
    jpeg_size,
};
use crate::row::{Row, seen, tested};
use crate::testbed::DEV_SNO;

pub const ROWS: &[Row] = &[
    seen("6", "the body holds devSno and deviceList, the full list", |e| {
        assert_keys(e.device_list(), DEVICE_LIST);
        assert_eq!(e.device_list()["deviceList"].as_array().unwrap().len(), 1);
    }),
    seen("6", "a device has exactly the documented fields", |e| {
        assert_keys(e.device(), DEVICE);
    }),
    seen("6", "devSno", |e| assert_eq!(e.device()["devSno"], DEV_SNO)),
    seen("6", "direction is 0 for in, 1 for out", |e| assert_eq!(e.device()["direction"], 0)),
    seen("6", "memo, epName, epIp as configured", |e| {
        assert_eq!(e.device()["memo"], "by the lift");
        assert_eq!(e.device()["epName"], "lobby door");
        assert_eq!(e.device()["epIp"], "lobby");
    }),
    seen("6", "epStatus is online or offline, and told when it changes", |e| {
        let told: Vec<_> = e.entries.iter().filter(|entry| entry.kind == "device-list").collect();
        let statuses: Vec<_> = told.iter().map(|entry| &entry.body["deviceList"][0]["epStatus"]).collect();
        assert!(
            statuses.contains(&&json!("online")) && statuses.contains(&&json!("offline")),
            "{statuses:?}"
        );
    }),
    seen("6", "epVersion", |e| assert_eq!(e.device()["epVersion"], env!("CARGO_PKG_VERSION"))),
    seen("6", "epGroupName is a string", |e| assert!(e.device()["epGroupName"].is_string())),
    seen("6", "epStreamUrl shows no credentials", |e| {
        let shown = e.device()["epStreamUrl"].as_str().unwrap();
        assert!(e.stream_url.contains("keeper:opensesame@"), "the scenario configures a password");
        assert!(shown.contains("***") && !shown.contains("opensesame"), "{shown}");
    }),
    seen("6", "lastMonitorTime is in seconds", |e| {
        let online = e.entries.iter().filter(|entry| entry.kind == "device-list");
        let newest =
            online.map(|entry| entry.body["deviceList"][0]["lastMonitorTime"].as_u64().unwrap()).max();
        assert!((1_700_000_000..10_000_000_000).contains(&newest.unwrap()), "{newest:?}");
    }),
    seen("6", "isMonitor", |e| assert_eq!(e.device()["isMonitor"], true)),
    seen("6", "privilegeGroupKey", |e| assert_eq!(e.device()["privilegeGroupKey"], "0")),
    seen("6", "sent again after a restart", |e| {
        let logins = e.entries.iter().filter(|entry| entry.kind == "login");
        let last_login = logins.map(|entry| entry.number).max().unwrap();
        assert!(e.entries.iter().any(|entry| entry.kind == "device-list" && entry.number > last_login));
    }),
    seen("7", "the body has exactly the documented fields", |e| {
        assert_keys(e.status(), STATUS);
        assert_keys(&e.status()["gateway_ext_data"], STATUS_FACTS);
        assert_keys(&e.status()["sub_devices"][0], STATUS_DEVICE);
    }),
    seen("7", "gateway_status is online", |e| assert_eq!(e.status()["gateway_status"], "online")),
    seen("7", "gateway_ip is an address of this machine", |e| {
        let ip: std::net::IpAddr = e.status()["gateway_ip"].as_str().unwrap().parse().unwrap();
        assert!(!ip.is_unspecified());
    }),
    seen("7", "gateway_mac is the login's", |e| {
        assert_eq!(e.status()["gateway_ext_data"]["gateway_mac"], e.login()["hex_mac"]);
    }),
    seen("7", "figures of the machine, in their units", |e| {
        let facts = &e.status()["gateway_ext_data"];
        assert_between(&facts["cpu_usage"], 0.0, 100.0);
        assert_between(&facts["memory_usage"], 0.001, 1.0);
        assert_between(&facts["memory_size"], 0.5, 10_000.0);
        let (size, free) = (facts["disk_size"].as_f64().unwrap(), facts["disk_free_size"].as_f64().unwrap());
        assert!(size > 1.0 && free > 0.0 && free <= size, "{facts}");
        assert!(facts["temperature"].is_i64(), "{facts}");
    }),
    seen("7", "every deviceMonitorPeriod", |e| {
        let times: Vec<_> =
            e.entries.iter().filter(|entry| entry.kind == "status").map(|entry| entry.at_ms).collect();
        let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(
            times.len() >= 3 && gaps.iter().filter(|gap| **gap < 1500).count() <= 1,
            "2 s apart: {gaps:?}"
        );
    }),
    seen("7", "sub_devices name their place and state", |e| {
        let device = &e.status()["sub_devices"][0];
        assert_eq!(
            (&device["ep_location"], &device["ep_name"]),
            (&json!("ground floor"), &json!("lobby door"))
        );
        assert!(["online", "offline"].contains(&device["ep_status"].as_str().unwrap()));
        assert!(!device["ep_url"].as_str().unwrap().contains("opensesame"));
    }),
    seen("8", "a real-time event has exactly the documented fields", |e| assert_event(e.live(), false)),
    seen("8", "a history event has them and want_action, ep_id, dev_sno", |e| {
        assert_event(e.history(), true);
    }),
    seen("8", "a stranger's event likewise, without reg_pic", |e| assert_event(e.stranger(), true)),
    seen("8", "identity_id and identity_name", |e| {
        assert_eq!(
            (&e.live()["identity_id"], &e.live()["identity_name"]),
            (&json!("1001"), &json!("Barack Obama"))
        );
    }),
    seen("8", "group_name is default_group", |e| assert_eq!(e.live()["group_name"], "default_group")),
    seen("8", "score is the mapped score over 100, above the threshold for a match", |e| {
        assert_between(&e.live()["score"], 0.82, 1.0);
        assert_between(&e.stranger()["score"], 0.0, 0.82);
    }),
    seen("8", "want_action is 0 where nothing is wanted, and in history only", |e| {
        assert_eq!(e.history()["want_action"], "0");
        assert!(e.live().get("want_action").is_none());
    }),
    seen("8", "device_ip", |e| assert_eq!(e.live()["ext_data"]["device_ip"], "lobby")),
    seen("8", "spot_pic is the scene, recognize_face the face in it", |e| {
        let data = &e.live()["ext_data"];
        assert_eq!(jpeg_size(&data["spot_pic"]), (1280, 720));
        assert!(jpeg_size(&data["recognize_face"]).0 < 640);
    }),
    seen("8", "person_type: the person's, 4 for a stranger", |e| {
        assert_eq!(e.live()["ext_data"]["person_type"], 1);
        assert_eq!(e.stranger()["ext_data"]["person_type"], 4);
    }),
    seen("8", "a stranger is named stranger", |e| assert_eq!(e.stranger()["identity_name"], "stranger")),
    seen("8", "grab_fiqa_info is an object", |e| assert!(e.live()["ext_data"]["grab_fiqa_info"].is_object())),
    seen("8", "box_fiqa_info is as section 5", |e| {
        let fiqa = &e.live()["ext_data"]["box_fiqa_info"];
        assert_eq!(fiqa["fiqa_result"], true);
        assert_between(&fiqa["info"]["face_size"], 60.0, 720.0);
        assert_between(&fiqa["info"]["brightness"], 0.05, 1.0);
        assert_between(&fiqa["info"]["clarity"], 0.0, 1.0);
    }),
    tested(
        "8",
        "box_fiqa_info: age and sex where a device asks for them, in real time and in history",
        "attributes::a_device_that_asks_has_guesses_in_its_events_and_no_other_has",
    ),
    seen("8", "dev_sno in history", |e| assert_eq!(e.history()["ext_data"]["dev_sno"], DEV_SNO)),
    seen("8", "event_id is a UUID v7, the same in real time and in history", |e| {
        let id: uuid::Uuid = e.live()["ext_data"]["event_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(e.history()["ext_data"]["event_id"], e.live()["ext_data"]["event_id"]);
    }),
    seen("8", "in_timestamp and out_timestamp enclose the passage", |e| {
        let data = &e.history()["ext_data"];
        let (from, to) = (data["in_timestamp"].as_u64().unwrap(), data["out_timestamp"].as_u64().unwrap());
        assert!(from >= e.walk_began_ms && from <= to && to < e.walk_began_ms + 60_000, "{from} {to}");
    }),
    seen("8", "real time: only matches above the threshold", |e| {
        let live = e.entries.iter().filter(|entry| entry.kind == "realtime");
        assert!(
            live.clone().count() > 0 && live.clone().all(|entry| entry.body["ext_data"]["person_type"] != 4)
        );
    }),
    seen("8", "real time: at once, before the passage's history", |e| {
        let number = |kind: &str| {
            let id = &e.live()["ext_data"]["event_id"];
            let found = e.entries.iter().find(|x| x.kind == kind && x.body["ext_data"]["event_id"] == *id);
            found.unwrap().number
        };
        assert!(number("realtime") < number("history"));
    }),
    seen("8", "history: every event to every receiver, once, in order", |e| {
        let (first, second) = (e.accepted_by("/box/record/0"), e.accepted_by("/box/record/1"));
        let shared = first.len().min(second.len());
        assert!(shared >= 2);
        assert_eq!(first[..shared], second[..shared]);
        let mut once = first.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), first.len(), "no event came twice");
    }),
    seen("8", "one event a passage", |e| {
        let of_obama = |entry: &&menshen_testbed::platform::ledger::Entry| {
            entry.path == "/box/record/0" && entry.body["identity_id"] == "1001"
        };
        let mut times: Vec<_> = e
            .entries
            .iter()
            .filter(of_obama)
            .map(|entry| entry.body["ext_data"]["in_timestamp"].as_u64().unwrap())
            .collect();
        times.sort_unstable();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] > 3000), "walks are 6.5 s apart: {times:?}");
    }),
];
