use super::*;

const MINIMAL: &str = r#"{"token":"t","rabbitmq":{"host":"h","port":"5672","login":"l","password":"p",
    "queue":"q","exchange":{"name":"e","type":"direct","durable":true,"auto_delete":false}}}"#;

fn session(document: &str) -> Session {
    let url = Url::parse("http://h:9061/api/gateway/login?x=1").unwrap();
    Session::new(&LoginDocument::parse(document.as_bytes()).unwrap(), &url).unwrap()
}

#[test]
fn defaults_are_the_protocols() {
    let session = session(MINIMAL);
    assert_eq!(session.record_upload_period_s, 5);
    assert_eq!(session.device_monitor_period_s, 20);
    assert!(session.upload_reg && session.upload_spot_pic && session.upload_recognize_face);
    assert_eq!(session.image_base.as_str(), "http://h:9061/");
    assert_eq!((session.rabbitmq.port, session.rabbitmq.vhost()), (5672, "/"));
    assert!(session.record_urls.is_empty() && session.device_list_url.is_none());
}

#[test]
fn urls_compose_as_the_protocol_says() {
    let document = MINIMAL.replacen(
        '{',
        r#"{"recordAddr":" /box/record , https://o:1/x,record2","imgServerAddr":"http://img/base/","#,
        1,
    );
    let session = session(&document);
    let urls: Vec<_> = session.record_urls.iter().map(Url::as_str).collect();
    assert_eq!(urls, ["http://h:9061/box/record", "https://o:1/x", "http://h:9061/record2"]);
    assert_eq!(session.photo_url("/a/b.jpg").unwrap().as_str(), "http://img/base/a/b.jpg");
    assert_eq!(session.platform_url("notify").unwrap().as_str(), "http://h:9061/notify");
}

#[test]
fn the_login_says_whether_the_broker_speaks_tls() {
    let broker = |host: &str, port: u16, more: &str| {
        let text =
            format!(r#"{{"host":"{host}","port":{port},"login":"l","password":"p","queue":"q"{more}}}"#);
        serde_json::from_str::<RabbitMq>(&text).unwrap()
    };
    for (host, port, more, expect) in [
        ("h", 5672, "", false),
        ("h", 5671, "", true),
        ("amqps://h/", 5672, "", true),
        ("amqp://h", 5671, "", false),
        ("h", 5671, r#","ssl":false"#, false),
        ("h", 9000, r#","ssl":"true""#, true),
        ("h", 9000, r#","tls":1"#, true),
    ] {
        let broker = broker(host, port, more);
        assert_eq!((broker.uses_tls(), broker.host_name()), (expect, "h"), "{host} {port} {more}");
    }
}

#[test]
fn empty_values_of_php_and_java_are_absent() {
    let exchange = r#""exchange":{"name":"e","type":"direct","durable":true,"auto_delete":false}"#;
    let plain = session(MINIMAL);
    for nothing in ["[]", "\"\"", "null"] {
        let broker = ["vHost", "uploadVHost", "uploadQueue", "fiqaDownQueue", "unNeedBindExchange", "ssl"]
            .map(|key| format!(r#","{key}":{nothing}"#))
            .concat();
        let of_exchange =
            ["arguments", "passive", "routingKey"].map(|key| format!(r#","{key}":{nothing}"#)).concat();
        let of_document =
            ["recordUploadPeriod", "deviceMonitorPeriod", "recordUploadReg", "recordAddr", "message"]
                .map(|key| format!(r#""{key}":{nothing},"#))
                .concat();
        let document = MINIMAL
            .replace(r#""auto_delete":false"#, &format!(r#""auto_delete":{nothing}{of_exchange}"#))
            .replace(r#""queue":"q""#, &format!(r#""queue":"q"{broker}"#))
            .replacen('{', &format!("{{{of_document}"), 1);
        let session = session(&document);
        assert_eq!(session.record_upload_period_s, plain.record_upload_period_s, "{document}");
        assert_eq!(session.device_monitor_period_s, plain.device_monitor_period_s);
        assert!(session.upload_reg && session.record_urls.is_empty());
        let (read, expected) = (&session.rabbitmq, &plain.rabbitmq);
        assert_eq!((read.vhost(), read.upload_queue()), (expected.vhost(), None));
        assert_eq!((read.binds_exchange(), read.uses_tls()), (true, false));
        let exchange = read.exchange.as_ref().unwrap();
        assert_eq!((exchange.arguments.as_ref(), exchange.auto_delete), (None, None));

        let without = MINIMAL.replace(exchange_of(MINIMAL), &format!(r#""exchange":{nothing}"#));
        assert_eq!(LoginDocument::parse(without.as_bytes()).unwrap_err(), LoginError::NoExchange);
        let unneeded = without.replace(r#""queue":"q""#, r#""queue":"q","unNeedBindExchange":"1""#);
        assert!(LoginDocument::parse(unneeded.as_bytes()).is_ok(), "{unneeded}");
        let nowhere = format!(r#"{{"token":"t","rabbitmq":{nothing}}}"#);
        assert!(LoginDocument::parse(nowhere.as_bytes()).is_err());
    }
    assert_eq!(exchange_of(MINIMAL), exchange);
}

fn exchange_of(document: &str) -> &str {
    let start = document.find(r#""exchange""#).unwrap();
    &document[start..document.len() - 2]
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_document() {
    let marked = [b"\xEF\xBB\xBF".as_slice(), MINIMAL.as_bytes()].concat();
    assert_eq!(LoginDocument::parse(&marked).unwrap().token, "t");
    let error = ErrorDocument::parse(b"\xEF\xBB\xBF{\"error\":{\"code\":\"7\",\"message\":[]}}").unwrap();
    assert_eq!((error.error.code, error.error.message), (Some(7), None));
    for nothing in ["[]", "\"\"", "null"] {
        assert!(ErrorDocument::parse(format!(r#"{{"error":{nothing}}}"#).as_bytes()).is_none());
    }
}

#[test]
fn a_missing_must_field_is_named() {
    let error = LoginDocument::parse(br#"{"token":"t","rabbitmq":{"host":"h","port":1}}"#).unwrap_err();
    assert!(error.to_string().contains("login"), "{error}");
    let error = LoginDocument::parse(b"<html>login please</html>").unwrap_err();
    assert!(matches!(error, LoginError::Document(_)));
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let document = LoginDocument::parse(
        MINIMAL.replace("\"t\"", "\"tok-en\"").replace("\"p\"", "\"pass-word\"").as_bytes(),
    )
    .unwrap();
    let shown = format!("{document:?}");
    assert!(!shown.contains("tok-en") && !shown.contains("pass-word"), "{shown}");
}
