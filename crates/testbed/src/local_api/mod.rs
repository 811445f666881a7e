//! A client of the box's local API, as an integrator's tool is one: written from the published facts alone, with an HTTP client of
//! its own that knows nothing of the box.

pub mod calls;
pub mod registration;

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Answers are read into memory up to this; a page of people with their photos has 32 MiB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// No such host.
    #[error("cannot find {server}: {error} 无法解析地址")]
    Unknown {
        /// `HOST:PORT`.
        server: String,
        /// What the system says.
        error: io::Error,
    },
    /// Nobody listens there.
    #[error(
        "cannot connect to {server}: {error}. Is the box running, and is `local_api.listen` an address of it that this machine \
         reaches (the default is 127.0.0.1:5555)? 无法连接：请检查盒子是否运行，以及 local_api.listen"
    )]
    NotConnected {
        /// `HOST:PORT`.
        server: String,
        /// What the system says.
        error: io::Error,
    },
    /// The connection was there, and the answer was not.
    #[error("no whole answer from {server} within {within:?}: {error} 未收到完整应答")]
    Broken {
        /// `HOST:PORT`.
        server: String,
        /// Time it had.
        within: Duration,
        /// What the system says.
        error: io::Error,
    },
    /// What answered does not speak HTTP without TLS.
    #[error(
        "{server} does not answer in HTTP; with `local_api.tls` it speaks HTTPS only, which this client does not 非 HTTP 应答"
    )]
    NotHttp {
        /// `HOST:PORT`.
        server: String,
    },
}

/// What was answered, as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status; 200 is success, whatever the body says.
    pub status: u16,
    /// `Content-Type`, in small letters; empty without one.
    pub content_type: String,
    /// The body.
    pub bytes: Vec<u8>,
    /// From the connection to the last byte.
    pub took: Duration,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// Whether the call succeeded.
    pub fn is_success(&self) -> bool {
        self.status == 200
    }
}

/// Calls one box.
#[derive(Debug, Clone)]
pub struct LocalClient {
    /// `HOST:PORT`.
    pub server: String,
    /// For boxes that want one.
    pub token: Option<String>,
}

impl LocalClient {
    /// Of a box that wants no token.
    pub fn new(server: impl Into<String>) -> Self {
        Self { server: server.into(), token: None }
    }

    /// One call, on a connection of its own.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        within: Duration,
    ) -> Result<Answer, NoAnswer> {
        let began = Instant::now();
        let server = || self.server.clone();
        let mut found =
            self.server.to_socket_addrs().map_err(|error| NoAnswer::Unknown { server: server(), error })?;
        let address = found.next().ok_or_else(|| NoAnswer::Unknown {
            server: server(),
            error: io::Error::other("it has no address"),
        })?;
        let stream = TcpStream::connect_timeout(&address, within)
            .map_err(|error| NoAnswer::NotConnected { server: server(), error })?;
        let whole = exchange(stream, &self.request(method, path, body), within)
            .map_err(|error| NoAnswer::Broken { server: server(), within, error })?;
        let answer = parse(&whole).ok_or_else(|| NoAnswer::NotHttp { server: server() })?;
        Ok(Answer { took: began.elapsed(), ..answer })
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<u8> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.server);
        if let Some(token) = &self.token {
            let _ = write!(request, "Authorization: Bearer {token}\r\n");
        }
        if !body.is_empty() {
            let length = body.len();
            let _ = write!(request, "Content-Type: application/json\r\nContent-Length: {length}\r\n");
        }
        format!("{request}\r\n{body}").into_bytes()
    }
}

fn exchange(mut stream: TcpStream, request: &[u8], within: Duration) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    // A box that refuses a call may answer before it has read all of it: what it said counts.
    let sent = stream.write_all(request);
    let mut whole = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut whole);
    if whole.is_empty() {
        sent?;
        read?;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(whole)
}

fn parse(whole: &[u8]) -> Option<Answer> {
    let end = whole.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&whole[..end]).ok()?;
    let body = &whole[end + 4..];
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_ascii_lowercase())
        })
    };
    let is_chunked = header("transfer-encoding").is_some_and(|kind| kind.contains("chunked"));
    let bytes = if is_chunked { dechunked(body)? } else { body.to_vec() };
    let content_type = header("content-type").unwrap_or_default();
    Some(Answer { status, content_type, bytes, took: Duration::ZERO })
}

fn dechunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|part| part == b"\r\n")?;
        let size = std::str::from_utf8(&body[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let rest = &body[end + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        body = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// A text as it stands in a query or a path.
pub fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_with_a_length_or_in_chunks() {
        let plain =
            parse(b"HTTP/1.1 404 Not Found\r\nContent-Type: Application/JSON\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!((plain.status, plain.content_type.as_str()), (404, "application/json"));
        assert_eq!(plain.json(), serde_json::json!({ "a": 1 }));
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x\r\n\":1}\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).unwrap().json(), serde_json::json!({ "a": 1 }));
        for wrong in [&b"\x15\x03\x03\x00\x02"[..], b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\n"] {
            assert!(parse(wrong).is_none());
        }
    }

    #[test]
    fn nobody_there_is_said_in_words() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = LocalClient::new(free.to_string());
        let error = client.send("GET", "/", None, Duration::from_secs(1)).unwrap_err();
        assert!(error.to_string().contains("local_api.listen"), "{error}");
        assert_eq!(percent("验收 a-1"), "%E9%AA%8C%E6%94%B6%20a-1");
    }
}
