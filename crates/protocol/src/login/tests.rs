use serde_json::json;

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

fn broker(host: &serde_json::Value, port: u16, more: &str) -> Result<RabbitMq, serde_json::Error> {
    let text = format!(r#"{{"host":{host},"port":{port},"login":"l","password":"p","queue":"q"{more}}}"#);
    serde_json::from_str(&text)
}

fn addresses(host: &serde_json::Value, port: u16, more: &str) -> Vec<(String, u16, bool)> {
    let broker = broker(host, port, more).unwrap_or_else(|error| panic!("{host}: {error}"));
    broker.addresses().into_iter().map(|at| (at.host, at.port, at.uses_tls)).collect()
}

#[test]
fn the_login_says_whether_the_broker_speaks_tls() {
    for (host, port, more, expect) in [
        ("h", 5672, "", false),
        ("h", 5671, "", true),
        ("amqps://h/", 5672, "", true),
        ("AMQPS://h", 5672, "", true),
        ("amqp://h", 5671, "", false),
        ("h", 5671, r#","ssl":false"#, false),
        ("h", 9000, r#","ssl":"true""#, true),
        ("h", 9000, r#","tls":1"#, true),
    ] {
        let found = addresses(&host.into(), port, more);
        assert_eq!(found, [("h".to_owned(), port, expect)], "{host} {port} {more}");
    }
}

#[test]
fn a_broker_may_be_a_cluster() {
    let at = |host: &str, port, tls| (host.to_owned(), port, tls);
    let three = [at("a", 5672, false), at("b", 5672, false), at("c", 5672, false)];
    for host in [
        json!(["a", "b", "c"]),
        json!("a,b,c"),
        json!("a; b ;c"),
        json!(" a b\nc "),
        json!(["a,b", "c"]),
        json!([{ "host": "a" }, { "host": "b", "port": 5672 }, { "host": "c", "port": "5672" }]),
    ] {
        assert_eq!(addresses(&host, 5672, ""), three, "{host}");
    }
    assert_eq!(
        addresses(&json!(["a:5673", "amqps://b:5671/", "[::1]:5674", "fe80::1", "10.0.0.1"]), 5672, ""),
        [
            at("a", 5673, false),
            at("b", 5671, true),
            at("::1", 5674, false),
            at("fe80::1", 5672, false),
            at("10.0.0.1", 5672, false)
        ]
    );
    assert_eq!(addresses(&json!("amqp://l:p@a:5673/v"), 5672, ""), [at("a", 5673, false)]);
    assert_eq!(broker(&json!("::1"), 5672, "").unwrap().addresses()[0].to_string(), "[::1]:5672");
    for nothing in [json!([]), json!(""), json!(" , "), json!([{ "port": 1 }]), json!([["a"]])] {
        assert!(broker(&nothing, 5672, "").is_err(), "{nothing}");
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
        assert_eq!((read.binds_exchange(), read.addresses()[0].uses_tls), (true, false));
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
    assert!(matches!(error, LoginError::NotJson(_)));
}

#[test]
fn names_that_amqp_cannot_carry_are_refused() {
    let long = "q".repeat(256);
    for (from, to, field) in [
        (r#""queue":"q""#, format!(r#""queue":"{long}""#), "queue"),
        (r#""queue":"q""#, format!(r#""queue":"q","uploadQueue":"{long}""#), "uploadQueue"),
        (r#""queue":"q""#, format!(r#""queue":"q","vHost":"{long}""#), "vHost"),
        (r#""auto_delete":false"#, format!(r#""routingKey":"{long}""#), "exchange.routingKey"),
        (r#""auto_delete":false"#, format!(r#""arguments":{{"a":[{{"{long}":1}}]}}"#), "exchange.arguments"),
    ] {
        let document = MINIMAL.replace(from, &to);
        assert_eq!(LoginDocument::parse(document.as_bytes()).unwrap_err(), LoginError::TooLong(field));
        let shorter = document.replace(&long, &long[1..]);
        assert!(LoginDocument::parse(shorter.as_bytes()).is_ok(), "{shorter}");
    }
}

#[test]
fn an_address_whose_scheme_was_left_out_is_one() {
    for (given, photo) in [
        ("10.0.0.9:8080/img", "http://10.0.0.9:8080/img/a.jpg"),
        ("photos.local:81", "http://photos.local:81/a.jpg"),
        ("img/", "http://h:9061/img/a.jpg"),
        ("/img:x/", "http://h:9061/img:x/a.jpg"),
    ] {
        let document = MINIMAL.replacen('{', &format!(r#"{{"imgServerAddr":"{given}","#), 1);
        let origin = Url::parse("http://h:9061/login").unwrap();
        let session = Session::new(&LoginDocument::parse(document.as_bytes()).unwrap(), &origin).unwrap();
        assert_eq!(session.photo_url("/a.jpg").unwrap().as_str(), photo, "{given}");
    }
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

#[test]
fn an_answer_in_a_wrapper_is_read() {
    let plain = session(MINIMAL);
    for wrapper in [
        r#"{"code":0,"msg":"success","data":DOCUMENT}"#,
        r#"{"code":"200","data":DOCUMENT,"success":true}"#,
        r#"{"error":null,"result":DOCUMENT}"#,
    ] {
        let read = session(&wrapper.replace("DOCUMENT", MINIMAL));
        assert_eq!((&read.token, &read.rabbitmq), (&plain.token, &plain.rabbitmq), "{wrapper}");
    }
    // What stands outside counts where there is a document outside.
    let both = MINIMAL.replacen('{', &format!(r#"{{"data":{},"#, MINIMAL.replace("\"t\"", "\"other\"")), 1);
    assert_eq!(session(&both).token, "t");
}

#[test]
fn an_answer_without_a_document_says_why() {
    for (answer, words) in [
        (
            r#"{"code":401,"msg":"设备未注册","data":null}"#,
            "the platform refuses the login: code 401: 设备未注册",
        ),
        (
            r#"{"error":{"code":40003,"message":"未授权","status":"PARAM_ERROR"}}"#,
            "the platform refuses the login: code 40003: 未授权",
        ),
        (r#"{"error":"unknown device"}"#, "the platform refuses the login: unknown device"),
        (r#"{"errcode":7}"#, "the platform refuses the login: code 7"),
        (r#"{"data":[]}"#, "the login answer is not a login document: missing field `token`"),
        (r#"{"token":"t","code":3}"#, "the login answer is not a login document: missing field `rabbitmq`"),
        (
            r#"{"token":"t","rabbitmq":{},}"#,
            "the login answer is not JSON: there is a comma too many (line 1 column 28); tell those who run the platform",
        ),
        (
            "ok",
            "the login answer is not JSON: a character that JSON does not have there (line 1 column 1); tell those who run the platform",
        ),
    ] {
        assert_eq!(LoginDocument::parse(answer.as_bytes()).unwrap_err().to_string(), words, "{answer}");
    }
}

#[test]
fn what_later_and_earlier_generations_call_differently_is_read() {
    let session = |more: &str| {
        let text = format!(
            r#"{{{more}"token":"t","rabbitmq":{{"host":"h","port":"5672","login":"u","password":"p","queue":"q",
            "exchange":{{"name":"e","type":"direct"}}}}}}"#
        );
        let document = LoginDocument::parse(text.as_bytes()).unwrap();
        Session::new(&document, &Url::parse("http://h:9061/login").unwrap()).unwrap()
    };
    for (field, expected) in [
        ("", None),
        (r#""recordUploadInfo":0,"#, Some(false)),
        (r#""recordUploadInfo":1,"#, Some(true)),
        (r#""recordUploadInfo":"1","#, Some(true)),
        (r#""recordUploadInfo":"","#, None),
    ] {
        assert_eq!(session(field).upload_info, expected, "{field}");
    }
    for (fields, expected) in [
        (r#""deviceInfoAddr":"/old","#, Some("http://h:9061/old")),
        (r#""deviceInfoAddr":"/old","deviceListInfoAddr":"/new","#, Some("http://h:9061/new")),
        (r#""deviceInfoAddr":"/old","deviceListInfoAddr":"","#, Some("http://h:9061/old")),
        ("", None),
    ] {
        assert_eq!(session(fields).device_list_url.as_ref().map(Url::as_str), expected, "{fields}");
    }
}
