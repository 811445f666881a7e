//! Where the broker listens: one address, or those of a cluster.
//!
//! The protocol knows one `host`. Platforms on a cluster write a list, or several addresses in one text, with ports of their
//! own or without.

use serde::{Deserialize as _, Deserializer, de};
use serde_json::Value;

use crate::lenient;

/// Where one node of the broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether TLS is spoken there.
    pub uses_tls: bool,
}

impl std::fmt::Display for BrokerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl BrokerAddress {
    /// One entry of `host`. `port` and `ssl` are the document's; what the entry says itself takes precedence over the port.
    pub(super) fn of(entry: &str, port: u16, ssl: Option<bool>) -> Self {
        let entry = entry.trim();
        let (scheme, rest) = entry.split_once("://").unwrap_or(("", entry));
        let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let rest = rest.split('/').next().unwrap_or_default();
        let (host, own_port) = host_and_port(rest);
        let port = own_port.unwrap_or(port);
        let by_itself = match scheme.to_ascii_lowercase().as_str() {
            "amqps" => true,
            "amqp" => false,
            _ => port == 5671,
        };
        Self { host: host.to_owned(), port, uses_tls: ssl.unwrap_or(by_itself) }
    }
}

/// `h`, `h:5672`, `[::1]`, `[::1]:5672` or `::1`.
fn host_and_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (text, None),
    }
}

/// Reads `host`: a text, several in one text, or a list of texts or of `{"host","port"}`.
pub(super) fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let entries = match Value::deserialize(deserializer)? {
        Value::Array(entries) => entries.into_iter().map(entry).collect::<Result<Vec<_>, _>>(),
        one => entry(one).map(|one| vec![one]),
    };
    let separators = |c: char| c.is_whitespace() || matches!(c, ',' | ';');
    let texts = entries.map_err(de::Error::custom)?;
    let hosts: Vec<String> = texts
        .iter()
        .flat_map(|text| text.split(separators))
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect();
    if hosts.is_empty() { Err(de::Error::custom("rabbitmq.host names no host")) } else { Ok(hosts) }
}

fn entry(value: Value) -> Result<String, String> {
    let Value::Object(fields) = &value else {
        return lenient::text_of(value).map_err(|error| error.to_string());
    };
    let host = fields.get("host").and_then(Value::as_str).ok_or("an entry of rabbitmq.host has no host")?;
    match fields.get("port").and_then(lenient::integer_of) {
        Some(port) => Ok(format!("{host}:{port}")),
        None => Ok(host.to_owned()),
    }
}
