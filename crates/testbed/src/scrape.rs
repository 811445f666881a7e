//! Reading a box's health and metrics, as a monitoring system would.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// Body of `GET path` on a port of this machine; empty when nothing answers.
pub fn get(port: u16, path: &str) -> String {
    ask(port, Duration::from_secs(2), &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// The same for `POST` with a JSON body.
pub fn post(port: u16, path: &str, body: &serde_json::Value) -> String {
    send(port, "POST", path, body)
}

/// The same for `PUT` with a JSON body.
pub fn put(port: u16, path: &str, body: &serde_json::Value) -> String {
    send(port, "PUT", path, body)
}

fn send(port: u16, method: &str, path: &str, body: &serde_json::Value) -> String {
    let body = body.to_string();
    let head = "HTTP/1.0\r\nContent-Type: application/json";
    // Photos may be in it that a busy box takes its time with.
    let within = Duration::from_secs(30);
    ask(port, within, &format!("{method} {path} {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

fn ask(port: u16, within: Duration, request: &str) -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        // A box that is going down breaks off: what came counts.
        let _ = stream.set_read_timeout(Some(within));
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_string(&mut text);
    }
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// The value of a series in Prometheus text, `name` with its labels as written there.
pub fn value(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The sum over all label sets of `name`.
pub fn sum(metrics: &str, name: &str) -> f64 {
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    metrics.lines().filter(is_it).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
