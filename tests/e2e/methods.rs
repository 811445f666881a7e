//! Which methods a path of the box's servers has: HEAD wherever GET is, and 405 with the others.

use serde_json::Value;

use crate::testbed::{SOON, TestBed, eventually};

const USERS: &str = "/SophonFogSys/api/users";
const PERMISSIONS: &str = "/SophonFogSys/api/permissions";
const WIPE: &str = "/SophonFogSys/api/WipeData";
const ACTION: &str = "/SophonFogSys/api/EventAction";

/// Status, headers in small letters, and body.
fn whole(port: u16, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), body.to_owned())
}

#[test]
fn every_path_says_which_methods_it_has() {
    let mut bed = TestBed::standalone();
    bed.start();
    let (web, local) = (bed.port, bed.local_port);
    eventually("the local API answers", SOON, || std::net::TcpStream::connect(("127.0.0.1", local)).ok());
    let length =
        |head: &str| head.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
    for (port, path, allow) in [
        (web, "/healthz", "get, head"),
        (web, "/readyz", "get, head"),
        (web, "/metrics", "get, head"),
        (local, "/SophonMQ/api/DevSno", "get, head, put"),
        (local, USERS, "get, head, post, put, delete"),
        (local, PERMISSIONS, "get, head, post, put, delete"),
        (local, "/SophonFogSys/api/HistoryEventUrl", "get, head, post, put"),
        (local, "/SophonFace/api/permissions", "get, head"),
        (local, "/menshen/api/devices", "get, head, post, put, delete"),
        (local, "/menshen/api/clock", "get, head"),
    ] {
        let (status, _, body) = whole(port, "GET", path);
        assert!(status == 200 && !body.is_empty(), "{path}");
        let (status, head, body) = whole(port, "HEAD", path);
        assert_eq!((status, body.as_str()), (200, ""), "{path}: {head}");
        assert!(length(&head).unwrap().parse::<u32>().unwrap() > 0, "{path}: {head}");
        for method in ["OPTIONS", "PATCH", "TRACE", "BREW"] {
            let (status, head, _) = whole(port, method, path);
            assert_eq!(status, 405, "{method} {path}");
            assert!(head.contains(&format!("allow: {allow}")), "{method} {path}: {head}");
        }
    }
    for (path, allow) in [(WIPE, "post"), (ACTION, "put"), ("/SophonFogSys/api/Recognize/gate", "post")] {
        let (status, head, body) = whole(local, "GET", path);
        assert!(status == 405 && head.contains(&format!("allow: {allow}")), "{path}: {head}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["error"]["code"], 40491);
    }
    assert_eq!(whole(local, "HEAD", "/SophonFogSys/api/nothing").0, 404);
    let audit = bed.run(&["audit", "--json"]);
    assert!(audit.stdout.is_empty(), "what is not there is no change: {audit:?}");
    bed.stop();
}
