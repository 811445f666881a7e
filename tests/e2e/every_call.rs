//! Every call of the local API, taken from the list the box makes of its own routes: who may call, how much it takes,
//! and what it does with bodies, queries and forms that are wrong in some place. A call without a sample here fails.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::TcpStream;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::access::new_token;
use crate::call_samples::{Body, Sample, samples};
use crate::http;
use crate::testbed::{SOON, TestBed, eventually, photo};

/// Changed bodies of each call; more of them with `CALL_MUTANTS=2000 cargo test --test e2e every_call`.
const MUTANTS: usize = 40;
const SEED: u64 = 17;
/// Answers without `data`, as published.
const BARE: [&str; 3] =
    ["/SophonMatch/api/PictureMatch", "/SophonMatch/api/compare", "/SophonMatch/api/picturesearch"];
const DEVICE_CALLS: [&str; 4] = [
    "/SophonFogSys/api/Recognize",
    "/SophonFogSys/api/Recognize/{device}",
    "/SophonFogSys/api/EventAction",
    "/SophonMatch/api/PictureMatch",
];

fn start() -> TestBed {
    let mut bed = TestBed::standalone();
    bed.add_config("\n[[devices]]\nip = \"gate-1\"\ntype = \"turnstile\"\npipeline = \"post\"\n");
    bed.start();
    answers(&bed);
    bed
}

fn answers(bed: &TestBed) {
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
}

/// Path and method of every call the box has, without HEAD.
fn calls_of(bed: &TestBed, headers: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    let (status, index) = http::call(bed.local_port, "GET", "/menshen/api/calls", headers, b"");
    assert_eq!(status, 200, "{index}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let calls = index["data"]["calls"].as_array().unwrap();
    let of_path = |call: &Value| -> Vec<(String, String)> {
        let methods = call["methods"].as_array().unwrap();
        methods.iter().map(|method| (text(&call["path"]), text(method))).collect()
    };
    calls.iter().flat_map(of_path).filter(|(_, method)| method != "HEAD").collect()
}

/// Samples of exactly the calls there are.
fn complete_samples(bed: &TestBed, headers: &[(&str, &str)]) -> Vec<Sample> {
    let samples = samples();
    let known = samples.iter().map(|sample| (sample.path.to_owned(), sample.method.to_owned())).collect();
    let calls = calls_of(bed, headers);
    let missing: Vec<_> = calls.difference(&known).collect();
    assert!(missing.is_empty(), "tests/e2e/call_samples.rs has no sample of {missing:?}");
    let gone: Vec<_> = known.difference(&calls).collect();
    assert!(gone.is_empty(), "the box has no call {gone:?}");
    samples
}

fn json_headers<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("Content-Type", http::JSON)], more].concat()
}

/// What a call may not change while nobody is let in.
fn state(bed: &TestBed, bearer: &str) -> Value {
    let of = |path: &str| {
        let (status, answer) = http::call(bed.local_port, "GET", path, &[("Authorization", bearer)], b"");
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let mut devices = of("/SophonDevice/api/Devices");
    // A posting device is online for as long as it is heard of.
    devices["data"]["devices_list"][0].as_object_mut().unwrap().remove("online");
    json!([
        devices,
        of("/SophonFogSys/api/users"),
        of("/SophonFogSys/api/permissions"),
        of("/SophonFogSys/api/groups"),
        of("/SophonFogSys/api/EventServerUrl"),
        of("/SophonFogSys/api/GateControllerMode"),
        of("/SophonFogSys/api/PrettyScore"),
        of("/menshen/api/dialect"),
    ])
}

#[test]
fn every_call_asks_who_calls_and_takes_only_so_much() {
    let mut bed = start();
    let bearer = format!("Bearer {}", new_token(&bed, &["ops"]));
    let gate = format!("Bearer {}", new_token(&bed, &["gate", "--device", "gate-1"]));
    let admin = ("Authorization", bearer.as_str());
    let person =
        json!({ "identity_id": "resident", "need_bring_pic": false, "info": { "name": "Resident" } });
    let (status, added) = http::call(
        bed.local_port,
        "POST",
        "/SophonFogSys/api/users",
        &json_headers(&[admin]),
        person.to_string().as_bytes(),
    );
    assert_eq!(status, 200, "{added}");
    let before = state(&bed, &bearer);
    let samples = complete_samples(&bed, &[admin]);
    let port = bed.local_port;
    for sample in &samples {
        let path = sample.called();
        let what = format!("{} {path}", sample.method);
        let call = |headers: &[(&str, &str)]| {
            http::call(port, sample.method, &path, &[&sample.headers(), headers].concat(), &sample.bytes()).0
        };
        assert_eq!(call(&[]), 401, "{what} without a token");
        assert_eq!(call(&[admin, ("Origin", "http://192.168.1.99")]), 403, "{what} from a foreign page");
        if !DEVICE_CALLS.contains(&sample.path) {
            assert_eq!(call(&[("Authorization", &gate)]), 403, "{what} with the token of a device");
        }
    }
    // Wrong tokens are answered late, so several at once.
    for some in samples.chunks(12) {
        std::thread::scope(|scope| {
            for sample in some {
                scope.spawn(move || {
                    let wrong = ("Authorization", "Bearer Zq8-fW2k_vN5tR7xLm3C");
                    let headers = [&sample.headers()[..], &[wrong]].concat();
                    let (status, _) =
                        http::call(port, sample.method, &sample.called(), &headers, &sample.bytes());
                    assert_eq!(status, 401, "{} {} with a wrong token", sample.method, sample.path);
                });
            }
        });
    }
    let too_large = vec![b' '; 17 * 1024 * 1024 + 1];
    let deep = [b"{\"x\":".to_vec(), vec![b'['; 100_000]].concat();
    for sample in samples.iter().filter(|sample| matches!(sample.body, Body::Json(_))) {
        let (path, what) = (sample.called(), format!("{} {}", sample.method, sample.path));
        let call = |kind: &str, body: &[u8]| {
            let headers = [("Content-Type", kind), admin];
            http::call(port, sample.method, &path, &headers, body)
        };
        assert_eq!(call(http::JSON, &too_large).0, 413, "{what}: too large");
        assert_eq!(call(http::JSON, &deep).0, 400, "{what}: too deep");
        assert_eq!(call(http::JSON, b"{\"x\":").0, 400, "{what}: cut off");
        assert_eq!(call("text/plain", &sample.bytes()).0, 415, "{what}: as text");
    }
    assert_eq!(state(&bed, &bearer), before, "nothing of that changed anything");
    bed.stop();
}

#[test]
fn every_call_answers_bodies_queries_and_forms_that_are_wrong_somewhere() {
    let mut bed = start();
    let samples = complete_samples(&bed, &[]);
    let mutants = std::env::var("CALL_MUTANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(MUTANTS);
    let mut random = StdRng::seed_from_u64(SEED);
    for sample in &samples {
        // Each of these that is taken starts the box again.
        let count = if sample.restarts { mutants / 4 } else { mutants };
        for number in 0..count {
            let wrong = Wrong::of(sample, number, &mut random);
            let before = if sample.restarts { Some(identity(&bed, sample)) } else { None };
            let starts = starts_of(&bed);
            let answer =
                http::bytes(bed.local_port, sample.method, &wrong.path, &wrong.headers(), &wrong.body);
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let shown: String = String::from_utf8_lossy(&wrong.body).chars().take(2_000).collect();
            let said = format!("{} {} {shown}\n{} {body}", sample.method, wrong.path, answer.status);
            assert!(matches!(answer.status, 200 | 400 | 403 | 404 | 409 | 413 | 415 | 501 | 502), "{said}");
            if answer.status == 200 {
                let is_picture = answer.header("content-type").starts_with("image/");
                assert!(is_picture || BARE.contains(&sample.path) || body.get("data").is_some(), "{said}");
            } else {
                let error = &body["error"];
                assert!(error["code"].as_i64().is_some_and(|code| code >= 40_000), "{said}");
                assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{said}");
                assert!(error["message"].as_str().unwrap().len() < 4_096, "{said}");
            }
            if before.is_some_and(|before| answer.status == 200 && body["data"]["response"] != before) {
                eventually("it has started again", SOON, || (starts_of(&bed) > starts).then_some(()));
                answers(&bed);
            }
        }
    }
    assert!(!bed.log().contains("panicked"), "{}", bed.log());
    bed.stop();
}

/// What a call that starts the box again changes.
fn identity(bed: &TestBed, sample: &Sample) -> Value {
    http::get(bed.local_port, sample.path).1["data"]["response"].clone()
}

/// How often the local API was opened.
fn starts_of(bed: &TestBed) -> usize {
    bed.log().matches("the local API is listening").count()
}

/// A sample with something wrong in it, now and then nothing.
struct Wrong {
    path: String,
    content_type: Option<&'static str>,
    body: Vec<u8>,
}

impl Wrong {
    fn of(sample: &Sample, number: usize, random: &mut StdRng) -> Self {
        let mut path = sample.called();
        match &sample.body {
            Body::None => {
                if let Some((before, query)) = path.split_once('?') {
                    path = format!("{before}?{}", wrong_query(query, random));
                }
                Self { path, content_type: None, body: Vec::new() }
            }
            Body::Photo => {
                let body = wrong_bytes(photo("obama-1.jpg"), random);
                Self { path, content_type: Some("image/jpeg"), body }
            }
            Body::Json(value) => {
                let mut value = value.clone();
                for _ in 0..random.random_range(1..3) {
                    mutate(&mut value, random);
                }
                if sample.takes_forms && number.is_multiple_of(3) {
                    let (content_type, body) = as_form(&value, random);
                    return Self { path, content_type: Some(content_type), body };
                }
                let mut body = value.to_string().into_bytes();
                if random.random_ratio(1, 8) {
                    body = wrong_bytes(body, random);
                }
                Self { path, content_type: Some(http::JSON), body }
            }
        }
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        self.content_type.map(|kind| ("Content-Type", kind)).into_iter().collect()
    }
}

/// A value that is hardly meant. No text is an address of anything.
fn nasty(random: &mut StdRng) -> Value {
    let texts = [
        "",
        " ",
        "\u{0}",
        "a,b,,c",
        "../../x",
        "门 神",
        "<b>",
        "'\"`;--",
        "-1",
        "1e400",
        "null",
        "\u{feff}x\u{a0}",
    ];
    match random.random_range(0..12) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1e300),
        5 => json!(0.5),
        6 => json!([]),
        7 => json!({}),
        8 => json!([[{ "x": [null] }], 1, "y"]),
        9 => json!("长".repeat(random.random_range(100..30_000))),
        10 => Value::Array(vec![json!("1001"); random.random_range(2..3_000)]),
        _ => json!(texts.choose(random).unwrap()),
    }
}

/// Changes one place of a body.
fn mutate(value: &mut Value, random: &mut StdRng) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = keys.choose(random).unwrap();
            match random.random_range(0..6) {
                0 => drop(map.remove(key)),
                1 => drop(map.insert(key.clone(), nasty(random))),
                2 => drop(map.insert(format!("{key} "), nasty(random))),
                _ => mutate(map.get_mut(key).unwrap(), random),
            }
        }
        Value::Array(list) if !list.is_empty() => match random.random_range(0..5) {
            0 => list.clear(),
            1 => list.push(nasty(random)),
            2 => {
                let entry = list[0].clone();
                list.push(entry);
            }
            _ => {
                let index = random.random_range(0..list.len());
                mutate(&mut list[index], random);
            }
        },
        other => *other = nasty(random),
    }
}

fn wrong_bytes(mut bytes: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    match random.random_range(0..3) {
        0 => bytes.truncate(random.random_range(0..=bytes.len())),
        1 if !bytes.is_empty() => {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        _ => {
            let at = random.random_range(0..=bytes.len());
            bytes.splice(at..at, [0xff, 0x00, b'{', b'"']);
        }
    }
    bytes
}

fn wrong_query(query: &str, random: &mut StdRng) -> String {
    let mut pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let index = random.random_range(0..pairs.len());
    match random.random_range(0..4) {
        0 => drop(pairs.remove(index)),
        1 => pairs.push(pairs[index].clone()),
        _ => {
            let mut text = text_of(&nasty(random));
            // A longer line is no request.
            text.truncate(text.char_indices().nth(300).map_or(text.len(), |(at, _)| at));
            pairs[index].1 = text;
        }
    }
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn as_form(value: &Value, random: &mut StdRng) -> (&'static str, Vec<u8>) {
    let fields: Vec<(String, String)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), text_of(value))).collect(),
        other => vec![("x".to_owned(), text_of(other))],
    };
    let (content_type, body) = if random.random_bool(0.5) {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        ("application/x-www-form-urlencoded", form)
    } else {
        let mut form = String::new();
        for (name, text) in fields {
            write!(form, "--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").unwrap();
        }
        ("multipart/form-data; boundary=b", form + "--b--\r\n")
    };
    let body = body.into_bytes();
    (content_type, if random.random_ratio(1, 4) { wrong_bytes(body, random) } else { body })
}
