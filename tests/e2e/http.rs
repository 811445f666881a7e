//! A plain HTTP client that can say anything, right or wrong.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub const JSON: &str = "application/json";

/// What was answered, as it came.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, empty without it.
    pub fn header(&self, name: &str) -> String {
        let is_it = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(is_it).unwrap_or_default();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    }
}

/// Status and JSON body; the body is `null` when there is none.
pub fn call(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Value) {
    let answer = bytes(port, method, path, headers, body);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// As [`call`], from another address of this machine.
#[allow(dead_code, reason = "shared with the conformance rows")]
pub fn call_from(
    from: &str,
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> (u16, Value) {
    let connect = async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from.parse::<Ipv4Addr>().unwrap(), 0).into()).unwrap();
        socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.unwrap().into_std().unwrap()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(connect);
    stream.set_nonblocking(false).unwrap();
    let answer = bytes_over(stream, port, method, path, headers, body);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// The answer with its head, and a body of any kind.
pub fn bytes(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the port answers");
    bytes_over(stream, port, method, path, headers, body)
}

fn bytes_over(
    mut stream: TcpStream,
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        write!(head, "Host: 127.0.0.1:{port}\r\n").unwrap();
    }
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // A server that has seen enough answers before it has read everything.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head, body: answer.get(end + 4..).unwrap_or_default().to_vec() }
}

pub fn json(port: u16, method: &str, path: &str, body: &Value) -> (u16, Value) {
    call(port, method, path, &[("Content-Type", JSON)], body.to_string().as_bytes())
}

pub fn get(port: u16, path: &str) -> (u16, Value) {
    call(port, "GET", path, &[], b"")
}
