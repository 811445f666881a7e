//! Section 2: connection management, the login document, URL composition.

use menshen_protocol::login::{LoginDocument, Session};
use url::Url;

use crate::row::{Row, seen, tested};

/// The session that a login document with these extra fields makes.
fn session(extra: &str) -> Session {
    let text = format!(
        r#"{{{extra}"token":"t","rabbitmq":{{"host":"h","port":5672,"login":"u","password":"p","queue":"q",
        "exchange":{{"name":"e","type":"direct","durable":true,"auto_delete":false,"arguments":null}}}}}}"#
    );
    let login = Url::parse("http://h:9061/api/gateway/login").unwrap();
    Session::new(&LoginDocument::parse(text.as_bytes()).unwrap(), &login).unwrap()
}

pub const ROWS: &[Row] = &[
    seen("2", "login is GET login_url with dev_sno and hex_mac", |e| {
        let keys: Vec<_> = e.login().as_object().unwrap().keys().collect();
        assert_eq!(keys, ["dev_sno", "hex_mac"]);
    }),
    tested(
        "2",
        "https follows the URL, amqps the parameters, each with a CA of its own",
        "tls::platform_and_broker_are_spoken_to_over_tls",
    ),
    tested("2", "a failed login is tried again for ever", "login::every_kind_of_failed_login_is_tried_again"),
    tested("2", "the broker is tried again for ever", "kills::a_killed_broker_costs_no_reply_and_no_event"),
    tested(
        "2",
        "repeated refusals of the broker lead to a new login",
        "link::a_rotated_password_is_asked_for",
    ),
    tested(
        "2",
        "token and dev_sno go with every later call; a rejected token is renewed",
        "link::a_new_token_costs_no_connection_and_no_user",
    ),
    seen("2", "token and dev_sno go with details, history, device list and status", |e| {
        for kind in ["users", "history", "device-list", "status"] {
            // The platform answers 401 to a call without either.
            assert!(e.entries.iter().any(|entry| entry.kind == kind && entry.status == 200), "{kind}");
            assert!(e.entries.iter().all(|entry| entry.kind != kind || entry.status != 401), "{kind}");
        }
    }),
    seen("2", "imgServerAddr: base of photo paths; empty or absent means the platform's origin", |_| {
        assert_eq!(session("").photo_url("/a.jpg").unwrap().as_str(), "http://h:9061/a.jpg");
        assert_eq!(
            session(r#""imgServerAddr":"","#).photo_url("a.jpg").unwrap().as_str(),
            "http://h:9061/a.jpg"
        );
        let elsewhere = session(r#""imgServerAddr":"http://img/base","#);
        assert_eq!(elsewhere.photo_url("/a.jpg").unwrap().as_str(), "http://img/base/a.jpg");
    }),
    seen("2", "recordAddr: a list of URLs, absolute or relative, spaces allowed", |_| {
        let session = session(r#""recordAddr":" /box/record , https://o:1/x ,record2","#);
        let urls: Vec<_> = session.record_urls.iter().map(Url::as_str).collect();
        assert_eq!(urls, ["http://h:9061/box/record", "https://o:1/x", "http://h:9061/record2"]);
    }),
    seen("2", "recordAddr: every URL gets history", |e| {
        assert!(!e.accepted_by("/box/record/0").is_empty() && !e.accepted_by("/box/record/1").is_empty());
    }),
    seen("2", "recordUploadPeriod: 5 by default and where it is less than 1", |_| {
        assert_eq!(session("").record_upload_period_s, 5);
        assert_eq!(session(r#""recordUploadPeriod":0,"#).record_upload_period_s, 5);
        assert_eq!(session(r#""recordUploadPeriod":"30","#).record_upload_period_s, 30);
    }),
    seen("2", "recordUploadReg, SpotPic, RecognizeFace: 1 by default", |_| {
        let session = session("");
        assert!(session.upload_reg && session.upload_spot_pic && session.upload_recognize_face);
    }),
    tested(
        "2",
        "recordUploadReg, SpotPic, RecognizeFace: obeyed",
        "history::a_rejected_token_leads_to_a_login_and_the_same_event_again",
    ),
    seen("2", "deviceListInfoAddr and deviceMonitorAddr: absent means no report", |_| {
        let session = session("");
        assert!(session.device_list_url.is_none() && session.device_monitor_url.is_none());
    }),
    seen("2", "deviceMonitorPeriod: 20 by default", |_| assert_eq!(session("").device_monitor_period_s, 20)),
    seen("2", "message is read and needs no answer", |_| drop(session(r#""message":"hello","#))),
    seen("2", "rabbitmq: host, port, login, password, queue must be there", |_| {
        for field in ["host", "port", "login", "password", "queue"] {
            let text = r#"{"token":"t","rabbitmq":{"host":"h","port":5672,"login":"u","password":"p","queue":"q",
                "exchange":{"name":"e","type":"direct"}}}"#;
            let renamed = text.replacen(&format!("\"{field}\":"), "\"nothing\":", 1);
            let error = LoginDocument::parse(renamed.as_bytes()).expect_err(field).to_string();
            assert!(error.contains(field), "{field}: {error}");
        }
    }),
    seen("2", "vHost and uploadVHost: / by default", |_| {
        assert_eq!((session("").rabbitmq.vhost(), session("").rabbitmq.upload_vhost()), ("/", "/"));
    }),
    tested(
        "2",
        "vHost for commands, uploadVHost for replies",
        "link::commands_and_replies_may_have_virtual_hosts_of_their_own",
    ),
    tested(
        "2",
        "uploadQueue absent: no replies over MQ",
        "journey::replies_go_to_notify_path_without_an_upload_queue",
    ),
    tested(
        "2",
        "fiqaDownQueue and fiqaUploadQueue: a lane of their own",
        "fiqa::a_long_enrolment_does_not_delay_fiqa",
    ),
    tested("2", "several boxes may consume one fiqaDownQueue", "fiqa::boxes_share_the_work"),
    tested(
        "2",
        "exchange types, passive, durable, arguments, routingKey; unNeedBindExchange; queues that exist with other arguments",
        "link::every_kind_of_exchange_and_queue_is_taken_without_a_restart",
    ),
    seen("2", "replies are persistent, over the default exchange, with confirms", |e| {
        assert!(e.entries.iter().any(|entry| entry.kind == "reply"), "they arrive in the queue by its name");
    }),
    seen("2", "URLs: http is absolute, anything else is joined to the login URL's origin", |_| {
        let session = session("");
        for (text, expected) in [
            ("/box/record", "http://h:9061/box/record"),
            ("box/record", "http://h:9061/box/record"),
            ("https://other/x", "https://other/x"),
        ] {
            assert_eq!(session.platform_url(text).unwrap().as_str(), expected);
        }
    }),
];
