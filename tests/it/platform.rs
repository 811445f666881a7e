//! The platform's HTTP side as PHP, Java and gateways in the field answer it: wrong labels, byte order marks, redirects.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use menshen::adapters::platform_http::{PlatformHttp, PlatformParameters};
use menshen::ports::broker::BrokerConnector as _;
use menshen::ports::platform::{PlatformApi as _, PlatformError, PostPurpose};
use menshen_domain::link::LoginMethod;
use menshen_protocol::login::Session;
use menshen_testbed::platform::behaviour::{Dress, Fault};
use menshen_testbed::platform::{PlatformConfig, SimPlatform};
use serde_json::json;
use url::Url;

/// What PHP, Java, proxies and nobody write above JSON.
const LABELS: [&str; 6] = [
    "text/html; charset=UTF-8",
    "text/html",
    "text/plain",
    "",
    "application/octet-stream",
    "text/json;charset=GBK",
];

const PICTURE: &[u8] = b"\xFF\xD8\xFF\xE0\x00\x10JFIF\x00 a picture, near enough";

struct Bench {
    platform: SimPlatform,
    http: PlatformHttp,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        Self::with_method(LoginMethod::Get)
    }

    fn with_method(login_method: LoginMethod) -> Self {
        Self::with(login_method, false)
    }

    fn with(login_method: LoginMethod, require_tls: bool) -> Self {
        // As the program does at its start; a second one changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let told_broker_port = Some(5672);
        let config = PlatformConfig { broker_port: 0, told_broker_port, ..PlatformConfig::default() };
        let platform = SimPlatform::start(config).unwrap();
        platform.people().add("1001", "One", PICTURE.to_vec());
        let http = PlatformHttp::new(PlatformParameters {
            login_url: Some(Url::parse(&platform.login_url()).unwrap()),
            login_method,
            dev_sno: platform.dev_sno().to_owned(),
            hex_mac: "0x02fc00000001".to_owned(),
            ca_pem: None,
            require_tls,
            realtime_timeout: Duration::from_secs(5),
        })
        .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { platform, http, runtime }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&self.platform.url(path)).unwrap()
    }

    fn log_in(&self) -> Result<Session, PlatformError> {
        self.runtime.block_on(self.http.log_in())
    }

    fn users(&self, session: &Session) -> Result<usize, PlatformError> {
        let (url, ids) = (self.url("/box/users"), ["1001".to_owned()]);
        self.runtime.block_on(self.http.user_details(session, &url, &ids)).map(|users| users.len())
    }

    fn post(&self, session: Option<&Session>, path: &str, purpose: PostPurpose) -> Result<(), PlatformError> {
        let body = json!({ "portrait": "base64" }).to_string().into_bytes();
        self.runtime.block_on(self.http.post(session, &self.url(path), body.into(), purpose))
    }

    fn photo(&self, path: &str) -> Result<Vec<u8>, PlatformError> {
        self.runtime.block_on(self.http.photo(&self.url(path))).map(|bytes| bytes.to_vec())
    }

    fn received(&self, kind: &str) -> usize {
        self.platform.ledger().of_kind(kind).len()
    }
}

/// Kind in the ledger, path, purpose, and whether the call carries the session.
const POSTS: [(&str, &str, PostPurpose, bool); 5] = [
    ("history", "/box/record/0", PostPurpose::Report, true),
    ("realtime", "/events", PostPurpose::RealTime, false),
    ("status", "/box/status", PostPurpose::Report, true),
    ("notify", "/box/notify", PostPurpose::Report, true),
    ("device-list", "/box/devices", PostPurpose::DeviceList, true),
];

#[test]
fn data_under_any_label_is_data() {
    let bench = Bench::new();
    for byte_order_mark in [false, true] {
        for label in LABELS {
            bench.platform.behaviour().dress(Dress {
                label: Some(label),
                byte_order_mark,
                ..Dress::default()
            });
            let session = bench.log_in().unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_eq!(bench.users(&session).unwrap(), 1, "{label}");
            for (kind, path, purpose, is_signed) in POSTS {
                let session = Some(&session).filter(|_| is_signed);
                bench.post(session, path, purpose).unwrap_or_else(|error| panic!("{kind} {label}: {error}"));
            }
            assert_eq!(bench.photo("/img/1001.jpg").unwrap(), PICTURE, "{label}");
        }
    }
}

#[test]
fn a_page_under_any_label_is_a_page() {
    let bench = Bench::new();
    let session = bench.log_in().unwrap();
    let pages = [
        "<html><body>Please log in</body></html>",
        "\u{feff}\r\n<!DOCTYPE html><html><head><title>SSO</title></head></html>",
        "<br />\n<b>Fatal error</b>: Uncaught PDOException in /www/index.php on line 7",
    ];
    for label in ["application/json", "text/html", "text/plain", ""] {
        bench.platform.behaviour().dress(Dress {
            label: Some(label),
            byte_order_mark: false,
            ..Dress::default()
        });
        for page in pages {
            let answer =
                |kind: &'static str| bench.platform.behaviour().fail(kind, Fault::Answer(200, page), 1);
            answer("login");
            assert!(matches!(bench.log_in(), Err(PlatformError::Page { .. })), "{label}: {page}");
            answer("users");
            assert!(matches!(bench.users(&session), Err(PlatformError::Page { .. })), "{label}: {page}");
            for (kind, path, purpose, is_signed) in POSTS {
                answer(kind);
                let error = bench.post(Some(&session).filter(|_| is_signed), path, purpose).unwrap_err();
                assert!(
                    error.is_session_rejected() && !error.is_permanent(),
                    "{kind} {label}: {page}: {error}"
                );
            }
            answer("photo");
            let error = bench.photo("/img/1001.jpg").unwrap_err().to_string();
            assert!(error.contains("a web page in place of a photo"), "{error}");
        }
    }
}

#[test]
fn a_receiver_need_not_speak_json() {
    let bench = Bench::new();
    let session = bench.log_in().unwrap();
    bench.platform.behaviour().dress(Dress {
        label: Some("text/html"),
        byte_order_mark: false,
        ..Dress::default()
    });
    for word in ["", "ok", "success", "1", "<?xml version=\"1.0\"?><r><code>0</code></r>"] {
        bench.platform.behaviour().fail("history", Fault::Answer(200, word), 1);
        bench
            .post(Some(&session), "/box/record/0", PostPurpose::Report)
            .unwrap_or_else(|error| panic!("{word}: {error}"));
    }
    for (answer, accepted) in [
        (r#"{"status":"0"}"#, true),
        (r#"{"status":""}"#, true),
        (r#"{"status":"1"}"#, false),
        (r#"{"status":2}"#, false),
    ] {
        bench.platform.behaviour().fail("device-list", Fault::Answer(200, answer), 1);
        let sent = bench.post(Some(&session), "/box/devices", PostPurpose::DeviceList);
        assert_eq!(sent.is_ok(), accepted, "{answer}");
    }
    bench.platform.behaviour().fail("users", Fault::Answer(200, r#"{"data":[]}"#), 1);
    assert_eq!(bench.users(&session).unwrap(), 0, "PHP's word for nobody");
}

#[test]
fn no_post_follows_a_redirect_and_the_installer_is_told() {
    let (bench, elsewhere) = (Bench::new(), Bench::new());
    let session = bench.log_in().unwrap();
    for status in [301, 302, 303, 307, 308] {
        for (kind, path, purpose, is_signed) in POSTS {
            let session = Some(&session).filter(|_| is_signed);
            // Servers repeat the query.
            let other = format!("{}?token=sim-token-0&dev_sno=D", elsewhere.platform.url(path));
            bench.platform.behaviour().fail(kind, Fault::Redirect(status, other), 1);
            let error = bench.post(session, path, purpose).expect_err("it is not delivered");
            assert!(!error.is_permanent() && !error.is_session_rejected(), "{kind}: {error}");
            let told = error.to_string();
            let advice = format!("set platform.login_url to {}", elsewhere.platform.login_url());
            assert!(told.contains(&advice) && told.contains(&status.to_string()), "{kind}: {told}");
            assert!(!told.contains("sim-token"), "{told}");

            let (before, slash) = (bench.received(kind), format!("{path}/"));
            bench.platform.behaviour().fail(kind, Fault::Redirect(status, slash.clone()), 1);
            let told = bench.post(session, path, purpose).unwrap_err().to_string();
            assert!(told.contains(&slash), "{kind}: {told}");
            assert_eq!(bench.received(kind), before + 1, "asked once");
        }
        let other = elsewhere.platform.url("/box/users");
        bench.platform.behaviour().fail("users", Fault::Redirect(status, other), 1);
        assert!(matches!(bench.users(&session), Err(PlatformError::Redirect { .. })));
    }
    assert_eq!(elsewhere.platform.ledger().len(), 0, "nothing came there");
    assert_eq!(bench.received("referer") + elsewhere.received("referer"), 0);
}

#[test]
fn the_way_to_a_login_page_asks_for_a_login() {
    let bench = Bench::new();
    let session = bench.log_in().unwrap();
    for to in ["/login?next=%2Fbox", "/portal/signin.php", "http://127.0.0.1:9/sso/x"] {
        bench.platform.behaviour().fail("history", Fault::Redirect(302, to.to_owned()), 1);
        let error = bench.post(Some(&session), "/box/record/0", PostPurpose::Report).unwrap_err();
        assert!(error.is_session_rejected(), "{to}: {error}");
    }
    // A redirect to nowhere is only a status.
    bench.platform.behaviour().fail("history", Fault::Status(304), 1);
    let error = bench.post(Some(&session), "/box/record/0", PostPurpose::Report).unwrap_err();
    assert!(matches!(error, PlatformError::Status { status: 304, .. }), "{error}");
}

#[test]
fn a_login_stays_on_its_server() {
    let (bench, elsewhere) = (Bench::new(), Bench::new());
    let moved = format!("/api/gateway/login?dev_sno={}&hex_mac=0x0&r=1", bench.platform.dev_sno());
    bench.platform.behaviour().fail("login", Fault::Redirect(302, moved.clone()), 1);
    bench.log_in().expect("a path that moved");
    let other = elsewhere.platform.url("/api/gateway/login?dev_sno=secret-licence");
    for status in [301, 302, 307, 308] {
        bench.platform.behaviour().fail("login", Fault::Redirect(status, other.clone()), 1);
        let told = bench.log_in().unwrap_err().to_string();
        let advice = format!("set platform.login_url to {}", elsewhere.platform.login_url());
        assert!(told.contains(&advice) && !told.contains("secret-licence"), "{told}");
    }
    assert_eq!(elsewhere.platform.ledger().len(), 0, "no licence code goes elsewhere");
    // In a circle.
    bench.platform.behaviour().fail("login", Fault::Redirect(302, moved), u32::MAX);
    assert!(matches!(bench.log_in(), Err(PlatformError::Redirect { .. })));
    let posting = Bench::with_method(LoginMethod::Post);
    posting.platform.behaviour().fail("login", Fault::Redirect(302, "/api/gateway/login".to_owned()), 1);
    assert!(matches!(posting.log_in(), Err(PlatformError::Redirect { .. })));
    assert_eq!(bench.received("referer"), 0);
}

#[test]
fn a_photo_is_fetched_within_its_server() {
    let (bench, elsewhere) = (Bench::new(), Bench::new());
    for status in [301, 302, 303, 307, 308] {
        bench.platform.behaviour().fail("photo", Fault::Redirect(status, "/img/1001.jpg".to_owned()), 1);
        assert_eq!(bench.photo("/img/old.jpg?token=sim-token-0").unwrap(), PICTURE);
        for other in [
            elsewhere.platform.url("/img/1001.jpg"),
            format!("https://127.0.0.1:{}/img/1001.jpg", bench.platform.port()),
            format!("http://localhost:{}/img/1001.jpg", bench.platform.port()),
        ] {
            bench.platform.behaviour().fail("photo", Fault::Redirect(status, other.clone()), 1);
            let error = bench.photo("/img/1001.jpg?token=sim-token-0").unwrap_err();
            assert!(matches!(error, PlatformError::Redirect { .. }), "{other}: {error}");
            assert!(error.to_string().contains(&other), "{error}");
        }
    }
    assert_eq!(elsewhere.platform.ledger().len(), 0);
    assert_eq!(bench.received("referer"), 0, "the token of the first address stays there");
}

#[test]
fn nothing_is_asked_without_tls_where_that_is_required() {
    let (open, strict) = (Bench::new(), Bench::with(LoginMethod::Get, true));
    let session = open.runtime.block_on(open.http.log_in()).unwrap();
    let http = &strict.http;
    let ids = ["1001".to_owned()];
    let url = strict.url("/box/record/0");
    let refusals = strict.runtime.block_on(async {
        vec![
            http.log_in().await.map(drop),
            http.user_details(&session, &url, &ids).await.map(drop),
            http.photo(&url).await.map(drop),
            http.post(Some(&session), &url, Vec::<u8>::new().into(), PostPurpose::RealTime).await,
            http.post(None, &url, Vec::<u8>::new().into(), PostPurpose::Report).await,
            http.post(Some(&session), &url, Vec::<u8>::new().into(), PostPurpose::DeviceList).await,
        ]
    });
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error, PlatformError::NotSecure { .. }), "{error}");
        assert!(error.to_string().contains("platform.require_tls") && !error.is_permanent());
    }
    assert_eq!(strict.platform.ledger().len(), 0, "nothing was asked");
    let broker = menshen::adapters::amqp::AmqpConnector::new(None, true);
    let refused = strict
        .runtime
        .block_on(broker.connect(session.rabbitmq.clone(), std::sync::Arc::new(|_| Box::pin(async {}))));
    let told = refused.err().expect("refused").to_string();
    assert!(told.contains("without TLS") && told.contains("platform.require_tls"), "{told}");
}
