//! Who may change the box: tokens, origins, and what is written down of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http;
use crate::testbed::{DEV_SNO, SOON, TestBed, eventually, photo};

const USERS: &str = "/SophonFogSys/api/users";
const MODE: &str = "/SophonFogSys/api/GateControllerMode";
const ACTION: &str = "/SophonFogSys/api/EventAction";
const RECOGNIZE: &str = "/SophonFogSys/api/Recognize";
/// Hard to guess.
const TOKEN: &str = "Zq8-fW2k_vN5tR7xLm3B";

pub fn with(port: u16, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    http::call(port, method, path, &headers, body.as_bytes())
}

fn post_photo(port: u16, token: &str, query: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "image/jpeg")];
    http::call(port, "POST", &format!("{RECOGNIZE}{query}"), &headers, &photo("obama-1.jpg")).0
}

/// The text of a new token.
pub fn new_token(bed: &TestBed, arguments: &[&str]) -> String {
    let output = bed.run(&[&["token", "new"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn lines_of(bed: &TestBed, arguments: &[&str]) -> Vec<String> {
    let output = bed.run(arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn box_with_terminals() -> TestBed {
    let mut bed = TestBed::standalone();
    for ip in ["gate-1", "gate-2"] {
        bed.add_config(&format!("\n[[devices]]\nip = \"{ip}\"\ntype = \"turnstile\"\npipeline = \"post\"\n"));
    }
    bed
}

#[test]
fn tokens_of_devices_and_people_work_and_end_at_once() {
    let mut bed = box_with_terminals();
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    assert_eq!(http::get(port, USERS).0, 200, "without tokens this machine may call");

    let admin = new_token(&bed, &["ops"]);
    let gate = new_token(&bed, &["gate-1-terminal", "--device", "gate-1"]);
    assert_eq!(http::get(port, USERS).0, 401, "at once");
    assert_eq!(with(port, &admin, "GET", USERS, &Value::Null).0, 200);
    assert_eq!(with(port, &admin, "POST", MODE, &json!({ "controller_mode": "avoid" })).0, 200);

    // A terminal: its own photos and door, and nothing else.
    let ep_id = format!("?ep_id={DEV_SNO}__gate-1");
    for query in ["?ip=gate-1", "/gate-1", ep_id.as_str()] {
        assert_eq!(post_photo(port, &gate, query), 200, "{query}");
    }
    for query in
        ["", "?ip=gate-2", "/gate-2", "?device_ip=gate-2", "?permission_ids=0", "?ip=gate-1&permission_ids=7"]
    {
        assert_eq!(post_photo(port, &gate, query), 403, "{query}");
    }
    let action = |ip: &str| json!({ "action": [{ "action_ip": ip, "action_mode": "opendoor" }] });
    assert_eq!(with(port, &gate, "PUT", ACTION, &action("gate-2")).0, 403);
    assert_ne!(with(port, &gate, "PUT", ACTION, &action("gate-1")).0, 403, "no door there, and its own");
    for (method, path) in [
        ("GET", USERS),
        ("DELETE", USERS),
        ("GET", MODE),
        ("POST", "/SophonFogSys/api/WipeData"),
        ("POST", "/menshen/api/devices"),
        ("GET", ACTION),
        ("PUT", "/SophonFogSys/api/RecognizeX"),
        ("GET", "/SophonMQ/api/DevSno"),
    ] {
        assert_eq!(with(port, &gate, method, path, &json!({ "users": true })).0, 403, "{method} {path}");
    }
    let listed = lines_of(&bed, &["token", "list"]).join("\n");
    assert!(listed.contains("gate-1-terminal\tdevice\tgate-1") && listed.contains("ops\tadmin"), "{listed}");

    assert!(bed.run(&["token", "revoke", "gate-1-terminal"]).status.success());
    assert_eq!(post_photo(port, &gate, "?ip=gate-1"), 401, "at once");
    assert_eq!(with(port, &admin, "GET", USERS, &Value::Null).0, 200);
    // The command line works whatever tokens there are.
    assert!(bed.run(&["devices", "reload"]).status.success());
    let log = bed.log();
    bed.stop();
    for secret in [&admin, &gate] {
        for entry in std::fs::read_dir(bed.data_dir()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                assert!(
                    !String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(secret.as_str()),
                    "{path:?}"
                );
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{path:?}");
            }
        }
        assert!(!log.contains(secret.as_str()));
    }
}

#[test]
fn every_change_is_written_down_without_names_or_secrets() {
    let mut bed = box_with_terminals();
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    let admin = new_token(&bed, &["ops"]);
    let person = json!({ "identity_id": "110101199003077215", "reg_photo": "no photo", "info": { "name": "欧巴马先生" } });
    assert_ne!(with(port, &admin, "POST", USERS, &person).0, 200);
    let urls = json!({ "urls": ["http://ops:s3cretpw@10.0.0.9/x?token=t0psecret"] });
    assert_eq!(with(port, &admin, "PUT", "/SophonFogSys/api/MonitorServerUrl", &urls).0, 200);
    assert_eq!(with(port, &admin, "DELETE", "/menshen/api/devices?ip=gate-2", &Value::Null).0, 200);
    assert_eq!(with(port, &admin, "GET", USERS, &Value::Null).0, 200, "looking is no change");
    assert_eq!(with(port, &admin, "POST", "/nowhere/s3cretpath", &json!({})).0, 404);
    let audit = lines_of(&bed, &["audit", "--json"]);
    let entries: Vec<Value> = audit.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        entries.iter().map(|e| (e["who"].as_str().unwrap(), e["what"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("command line", "token new"),
            ("ops", "POST /SophonFogSys/api/users"),
            ("ops", "PUT /SophonFogSys/api/MonitorServerUrl"),
            ("ops", "DELETE /menshen/api/devices"),
        ]
    );
    assert!(entries[1..].iter().all(|entry| entry["from"] == "127.0.0.1"), "{audit:?}");
    assert_eq!((&entries[3]["on"], &entries[3]["result"]), (&json!("gate-2"), &json!("ok")));
    assert!(entries[1]["result"].as_str().unwrap().parse::<i64>().is_ok(), "the code it was refused with");
    let name = lines_of(&bed, &["users", "log-name", "110101199003077215"]).remove(0);
    assert_eq!(entries[1]["on"], json!(name));
    let shown = audit.join("\n") + &lines_of(&bed, &["audit"]).join("\n") + &bed.log();
    for secret in ["110101199003077215", "欧巴马", "s3cret", "t0psecret"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    bed.kill9();
    assert_eq!(lines_of(&bed, &["audit", "--json"]), audit, "it was on the disk");
}

#[test]
fn wrong_tokens_are_slow_told_and_lock_nobody_out() {
    let mut bed = TestBed::standalone();
    bed.set("local_api.token", &format!("{TOKEN:?}"));
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for n in 0..30 {
            scope.spawn(move || {
                assert_eq!(with(port, &format!("wrong-{n}"), "GET", USERS, &Value::Null).0, 401);
            });
        }
        // In the middle of it, from the same address.
        std::thread::sleep(Duration::from_millis(300));
        let before = Instant::now();
        assert_eq!(with(port, TOKEN, "GET", USERS, &Value::Null).0, 200);
        assert!(before.elapsed() < Duration::from_millis(900), "{:?}", before.elapsed());
    });
    assert!(began.elapsed() >= Duration::from_secs(1), "each was answered late");
    assert_eq!(bed.metric("menshen_local_wrong_tokens_total"), 30.0);
    let told = bed.log().lines().filter(|line| line.contains("wrong token")).count();
    assert_eq!(told, 1, "once for an address");
    assert!(bed.log().contains("peer=127.0.0.1") && !bed.log().contains("wrong-7"));
    bed.stop();
}

#[test]
fn the_last_token_that_goes_is_told_of() {
    let mut bed = TestBed::standalone();
    let run = |bed: &TestBed, arguments: &[&str]| {
        let output = bed.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let en = "asks for no token";
    assert!(run(&bed, &["token", "list"]).contains(en));
    new_token(&bed, &["one"]);
    new_token(&bed, &["two"]);
    assert!(!run(&bed, &["token", "list"]).contains(en));
    assert!(!run(&bed, &["token", "revoke", "one"]).contains(en), "another one is left");
    let told = run(&bed, &["token", "revoke", "two"]);
    assert!(told.contains("last token") && told.contains(en) && told.contains("token new"), "{told}");
    new_token(&bed, &["three"]);
    let told = run(&bed, &["token", "revoke", "three", "--lang", "zh"]);
    assert!(told.contains("最后一个令牌") && told.contains("不需要令牌"), "{told}");
    assert!(run(&bed, &["token", "list", "--lang", "zh"]).contains("不需要令牌"));
    bed.set("local_api.listen", "\"0.0.0.0:0\"");
    assert!(run(&bed, &["token", "list"]).contains("although local_api.listen is open to them"));
    bed.set("local_api.token", &format!("{TOKEN:?}"));
    new_token(&bed, &["four"]);
    assert!(!run(&bed, &["token", "revoke", "four"]).contains(en), "that of the configuration is left");
}

#[test]
fn requests_that_are_no_http_are_counted_and_told_once() {
    let mut bed = TestBed::standalone();
    bed.start();
    let (web, local) = (bed.port, bed.local_port);
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", local)).ok());
    for n in 0..60 {
        for port in [web, local] {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let sent: &[u8] = match n % 3 {
                0 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n",
                1 => b"GET / HTTP/9.9\r\n\r\n",
                _ => b"G E T nothing\r\n\r\n",
            };
            stream.write_all(sent).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
    eventually("each is counted", SOON, || {
        (bed.metric("menshen_broken_requests_total") >= 120.0).then_some(())
    });
    let log = bed.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("could not be read")).collect();
    assert_eq!(told.len(), 2, "once for each server: {told:?}");
    assert!(told.iter().all(|line| line.contains("peer=127.0.0.1") && line.contains("WARN")), "{told:?}");
    assert!(!log.contains("actix_http") && !log.contains("ERROR"), "{log}");
    bed.stop();
}

#[test]
fn a_body_that_trickles_is_given_up() {
    let mut bed = TestBed::standalone();
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    let slow = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = "POST /SophonFogSys/api/users HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(" ".repeat(70_000).as_bytes()).unwrap();
        stream
    };
    let mut slow: Vec<TcpStream> = (0..2).map(|_| slow()).collect();
    let began = Instant::now();
    // In the meantime the command line, which is somebody else, is served.
    let large = json!({ "userid_list": vec!["x".repeat(200); 900] });
    let own = std::fs::read_to_string(bed.data_dir().join("cli-token")).unwrap();
    assert_eq!(with(port, &own, "DELETE", USERS, &large).0, 200);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let mut answers = vec![String::new(); slow.len()];
    while answers.iter().any(String::is_empty) && began.elapsed() < SOON {
        for (stream, answer) in slow.iter_mut().zip(&mut answers) {
            let _ = stream.write_all(b"  ");
            stream.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
            let mut bytes = [0; 2000];
            if let Ok(count) = stream.read(&mut bytes) {
                answer.push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        }
    }
    // 70 KB at once are what 8 KB a second make in nine seconds, after five of grace.
    assert!(
        (Duration::from_secs(8)..Duration::from_secs(20)).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
    for answer in answers {
        assert!(answer.contains(" 400 ") && answer.contains("at least 8 KB a second"), "{answer}");
    }
    bed.stop();
}

#[test]
fn web_pages_of_others_may_not_call() {
    let mut bed = TestBed::standalone();
    bed.start();
    let port = bed.local_port;
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
    let own = format!("http://127.0.0.1:{port}");
    for (header, value, status) in [
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", "http://127.0.0.1:1", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Origin", own.as_str(), 200),
        ("Sec-Fetch-Site", "same-origin", 200),
    ] {
        assert_eq!(http::call(port, "GET", USERS, &[(header, value)], b"").0, status, "{header}: {value}");
    }
    bed.stop();
}

#[test]
fn strangers_who_only_hold_connections_keep_nobody_out() {
    let mut bed = TestBed::standalone();
    bed.start();
    let (web, local) = (bed.port, bed.local_port);
    eventually("the local API answers", SOON, || TcpStream::connect(("127.0.0.1", local)).ok());
    let mut held = Vec::new();
    for n in 0..400 {
        for port in [web, local] {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            // Some say nothing, some never end their first line, some never send the body they promise.
            let begun: &[u8] = match n % 3 {
                0 => b"",
                1 => b"GET /healthz HTTP/1.1\r\nX-Slow: ",
                _ => b"POST /SophonFogSys/api/users HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n{",
            };
            let _ = stream.write_all(begun);
            held.push(stream);
        }
        if n % 50 == 0 {
            assert!(bed.device.is_ready(), "after {n}");
            assert_eq!(http::get(local, USERS).0, 200, "after {n}");
        }
    }
    let metrics = menshen_testbed::scrape::get(web, "/metrics");
    let open = |server: &str| {
        menshen_testbed::scrape::value(&metrics, &format!("menshen_connections{{server=\"{server}\"}}"))
            .unwrap()
    };
    assert!(open("web") <= 64.0 && open("local_api") <= 256.0, "{metrics}");
    assert!(bed.metric("menshen_connections_refused_total") > 100.0);
    // A head that never ends is ended; so is a body.
    let mut slow = TcpStream::connect(("127.0.0.1", web)).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").unwrap();
    let mut answer = Vec::new();
    let _ = slow.read_to_end(&mut answer);
    assert!(answer.is_empty() || String::from_utf8_lossy(&answer).contains("408"));
    drop(held);
    assert!(bed.device.is_running() && bed.device.is_ready());
    bed.stop();
}

#[test]
fn memory_and_files_are_for_the_box_only() {
    let mut bed = TestBed::standalone();
    let data = bed.data_dir();
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("changes.json"), r#"{"monitor_urls":["http://u:s3cretpw@127.0.0.1:9/x"]}"#)
        .unwrap();
    std::fs::set_permissions(data.join("changes.json"), std::fs::Permissions::from_mode(0o644)).unwrap();
    bed.start();
    let pid = bed.process().pid();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = |name: &str| {
        limits.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("Max core file size")[4..6], ["0", "0"]);
    let files = line("Max open files");
    let (soft, hard): (u64, u64) = (files[3].parse().unwrap(), files[4].parse().unwrap());
    assert!(soft >= hard.min(65_536), "{files:?}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("Umask:\t0077"), "{status}");
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} {mode:o}", entry.path());
    }
    assert!(bed.log().contains("closed to them"), "{}", bed.log());
    assert!(!std::fs::read_to_string(data.join("changes.json")).unwrap().contains("s3cretpw"), "sealed");
    let shown = http::get(bed.local_port, "/SophonFogSys/api/MonitorServerUrl").1;
    assert_eq!(shown["data"]["urls"][0], "http://127.0.0.1:9/x", "and still in use");
    bed.stop();
}
