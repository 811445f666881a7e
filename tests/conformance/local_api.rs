//! Section 9: the local API the field already calls.

use serde_json::json;

use crate::fields::assert_keys;
use crate::row::{Row, seen, tested};
use crate::testbed::DEV_SNO;

pub const ROWS: &[Row] = &[
    seen("9", "success is {data}", |e| {
        let done = ["DevSno", "LoginUrl", "users 1002", "permissions", "HistoryEventUrl", "EventServerUrl"];
        for name in done.iter().chain(&["MonitorServerUrl", "GateControllerMode", "recognize"]) {
            assert_keys(&e.local[name], &["data"]);
        }
    }),
    seen("9", "failure is {error: code, message, status}", |e| {
        assert_keys(&e.local["wrong mode"], &["error"]);
        assert_keys(&e.local["wrong mode"]["error"], &["code", "message", "status"]);
        assert_eq!(e.local["wrong mode"]["error"]["code"], 40091);
    }),
    seen("9", "GET DevSno", |e| assert_eq!(e.local["DevSno"]["data"]["dev_sno"], DEV_SNO)),
    seen("9", "GET LoginUrl", |e| {
        let url = e.local["LoginUrl"]["data"]["login_url"].as_str().unwrap();
        assert!(url.ends_with("/api/gateway/login"), "{url}");
    }),
    tested(
        "9",
        "PUT DevSno and LoginUrl: the box logs in as told, from then on",
        "local_api::addresses_change_at_once_and_for_good",
    ),
    seen("9", "POST WipeData", |e| {
        assert_keys(&e.local["WipeData"], &["data"]);
        assert_eq!(e.local["users after wipe"]["data"]["total"], 0);
    }),
    seen("9", "GET users: identity_id", |e| {
        assert_eq!(e.local["users 1002"]["data"]["users"][0]["identity_id"], "1002");
    }),
    seen("9", "GET users: limit and skip_num page through", |e| {
        let page = &e.local["users page"]["data"];
        assert_eq!(page["users"].as_array().unwrap().len(), 1, "{page}");
        assert!(page["total"].as_u64().unwrap() >= 3, "{page}");
    }),
    tested("9", "POST, PUT, DELETE users and permissions", "local_api::people_permissions_and_photos"),
    seen("9", "GET permissions", |e| assert!(e.local["permissions"]["data"].is_object())),
    seen("9", "GET HistoryEventUrl, EventServerUrl, MonitorServerUrl", |e| {
        let servers = &e.local["EventServerUrl"]["data"]["urls"];
        assert!(servers[0].as_str().unwrap().ends_with("/events"), "{servers}");
        assert_eq!(e.local["HistoryEventUrl"]["data"]["urls"], json!([]));
        assert_eq!(e.local["MonitorServerUrl"]["data"]["urls"], json!([]));
    }),
    tested(
        "9",
        "POST HistoryEventUrl, EventServerUrl, MonitorServerUrl: in force at once, kept",
        "local_api::addresses_change_at_once_and_for_good",
    ),
    seen("9", "GateControllerMode: opendoor, alarm, avoid", |e| {
        assert_eq!(e.local["GateControllerMode"]["data"]["controller_mode"], "avoid");
    }),
    tested(
        "9",
        "PUT EventAction: action_ip, action_mode, action_duration (5), logic_port (0)",
        "local_api::doors_are_opened_by_command_and_by_a_match",
    ),
    seen("9", "photo terminals: a JPEG gets result, score, identity_id, identity_info, times", |e| {
        let answer = &e.local["recognize"]["data"];
        assert_eq!((&answer["result"], &answer["identity_id"]), (&json!(true), &json!("1001")), "{answer}");
        assert!(answer["score"].as_f64().unwrap() > 0.8 && answer["identity_info"].is_object(), "{answer}");
        assert!(answer["timestamp"].is_u64(), "{answer}");
    }),
    tested("9", "bad requests have their code", "local_api::every_bad_request_is_answered_with_its_code"),
    tested(
        "9",
        "batch import names photos name-id-department",
        "standalone::people_of_a_folder_are_recognised_without_a_platform",
    ),
];
