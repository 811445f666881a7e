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
    seen("4.4-1", "GateControllerMode: the answer is the mode", |e| {
        assert_keys(&e.local["GateControllerMode"]["data"], &["controller_mode"]);
    }),
    tested(
        "4.4-1",
        "forms: multipart and url-encoded, lists, switches; not of web pages without a token",
        "local_receivers::forms_are_taken_of_programs_and_not_of_web_pages",
    ),
    tested(
        "4.4-3",
        "EventAction answers message and action_mode",
        "local_api::doors_are_opened_by_command_and_by_a_match",
    ),
    seen("4.4-5", "EventServerUrl: the published names, strangers only where they are asked for", |e| {
        let answer = &e.local["EventServerUrl"]["data"];
        assert_eq!((&answer["event_server_url"], &answer["content-type"]), (&answer["urls"], &json!("json")));
        for switch in ["real_need_reg_pic", "real_need_spot_pic", "real_need_recognize_face"] {
            assert_eq!(answer[switch], true, "{switch}");
        }
        assert_eq!(answer["real_need_send_all_person_type"], false);
    }),
    tested(
        "4.4-4",
        "EventServerUrl: switches and content type are obeyed",
        "local_receivers::event_servers_get_strangers_and_forms_where_they_ask_for_them",
    ),
    seen("4.4-8", "HistoryEventUrl: the published names and defaults", |e| {
        let expected = json!({
            "history_upload_event_url": [], "history_need_reg_pic": true, "history_need_spot_pic": true,
            "history_need_recognize_face": true, "content-type": "json", "reported_peroid": 5,
            "urls": [], "platform_urls": e.local["HistoryEventUrl"]["data"]["platform_urls"],
        });
        assert_eq!(e.local["HistoryEventUrl"]["data"], expected);
    }),
    tested(
        "4.4-7",
        "HistoryEventUrl: switches, content type and period are obeyed, the cursor stays",
        "local_receivers::history_is_sent_as_the_published_call_says_and_keeps_its_cursor",
    ),
    seen("4.5-2", "MonitorServerUrl: one address and its period", |e| {
        let answer = &e.local["MonitorServerUrl"]["data"];
        assert_eq!((&answer["monitor_server_url"], &answer["reported_peroid"]), (&json!(""), &json!(20)));
    }),
    tested(
        "4.5-1",
        "MonitorServerUrl: the period is obeyed; JSON only",
        "local_receivers::own_status_receivers_have_a_period_of_their_own",
    ),
    tested(
        "4.5-4",
        "WipeData: both false does nothing, `all` is refused",
        "local_api::the_score_scale_is_read_and_set_as_published",
    ),
    tested(
        "5.5-10",
        "PrettyScore: GET and PUT threshold_range, checked as control_config's",
        "local_api::the_score_scale_is_read_and_set_as_published",
    ),
    tested(
        "5.7",
        "U+00A0 and a byte order mark outside strings are white space",
        "local_api::the_score_scale_is_read_and_set_as_published",
    ),
    tested(
        "4",
        "callers of local_api.allow need no token, and are named in the audit log",
        "local_receivers::networks_that_are_allowed_need_no_token_and_are_named_in_the_audit_log",
    ),
    tested("9", "bad requests have their code", "local_api::every_bad_request_is_answered_with_its_code"),
    tested(
        "9",
        "batch import names photos name-id-department",
        "standalone::people_of_a_folder_are_recognised_without_a_platform",
    ),
];
