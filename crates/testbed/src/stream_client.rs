//! A client of the live stream: a WebSocket written from RFC 6455 alone, so that it shares nothing with the box.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// The example of the RFC, with its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What the system of a slow client holds.
const SLOW_BUFFER_BYTES: u32 = 4096;

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// An event.
    Event(Value),
    /// The box closes, with code and reason.
    Closed(u16, String),
    /// The connection is gone without a word.
    Gone,
    /// Nothing, for as long as was asked.
    Nothing,
}

/// A connection to the stream.
pub struct StreamClient {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Events that came while something else was waited for.
    early: VecDeque<Value>,
    /// Pings of the box so far, which were answered.
    pub pings: u64,
}

/// The box did not take the connection.
#[derive(Debug, thiserror::Error)]
#[error("the stream was refused: {status}: {body}")]
pub struct Refused {
    /// Of HTTP.
    pub status: u16,
    /// What it said.
    pub body: String,
}

impl StreamClient {
    /// Connects to `port` of this machine.
    ///
    /// # Errors
    /// When nobody listens, or the box refuses ([`Refused`]).
    pub fn connect(port: u16) -> Result<Self> {
        Self::connect_with(port, "/", &[])
    }

    /// As [`connect`](Self::connect), with a path and more headers; `Host` replaces the plain one.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with(port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("the live stream")?;
        Self::over(stream, port, path, headers)
    }

    /// As [`connect`](Self::connect), with so little room in its system that a client who does not read is noticed soon.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_slow(port: u16) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
            socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        Self::over(stream, port, "/", &[])
    }

    fn over(stream: TcpStream, port: u16, path: &str, headers: &[(&str, &str)]) -> Result<Self> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut head = format!("GET {path} HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        write!(head, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n")?;
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            write!(head, "Host: 127.0.0.1:{port}\r\n")?;
        }
        for (name, value) in headers {
            write!(head, "{name}: {value}\r\n")?;
        }
        head += "\r\n";
        let mut client = Self { stream, unread: Vec::new(), early: VecDeque::new(), pings: 0 };
        client.stream.write_all(head.as_bytes())?;
        let answer = client.read_head()?;
        let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        if status != 101 {
            let mut body = std::mem::take(&mut client.unread);
            client.stream.set_read_timeout(Some(Duration::from_millis(500)))?;
            let _ = client.stream.read_to_end(&mut body);
            return Err(Refused { status, body: String::from_utf8_lossy(&body).into_owned() }.into());
        }
        let accepted = answer.lines().any(|line| {
            let Some((name, value)) = line.split_once(':') else { return false };
            name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == ACCEPT
        });
        ensure!(accepted, "not the key's answer: {answer}");
        Ok(client)
    }

    fn read_head(&mut self) -> Result<String> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Ok(String::from_utf8(head)?);
            }
            match self.stream.read(&mut buffer)? {
                0 => bail!("the box ended the connection before its answer"),
                count => self.unread.extend_from_slice(&buffer[..count]),
            }
        }
    }

    /// Says which devices it wants events of, and with which pictures; returns when the box has read it.
    ///
    /// # Errors
    /// When the box does not take it, or breaks the rules of the protocol.
    pub fn configure(&mut self, devices: &[&str], need_face: bool, need_register: bool) -> Result<()> {
        let config = serde_json::json!({ "need_face": need_face, "need_register": need_register, "event_list": devices });
        self.say(&config.to_string())?;
        self.settle()
    }

    /// Waits until the box has read everything that was sent: it answers a ping in its turn.
    ///
    /// # Errors
    /// When it does not, or breaks the rules of the protocol.
    pub fn settle(&mut self) -> Result<()> {
        self.send(true, PING, b"settle")?;
        loop {
            match self.listen(Duration::from_secs(20), true)? {
                Some(Heard::Event(event)) => self.early.push_back(event),
                Some(other) => bail!("no answer to a ping: {other:?}"),
                None => return Ok(()),
            }
        }
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn say(&mut self, text: &str) -> Result<()> {
        Ok(self.send(true, TEXT, text.as_bytes())?)
    }

    /// Sends one frame of any kind, masked as the RFC wants it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, is_last: bool, kind: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![(u8::from(is_last) << 7) | kind];
        match payload.len() {
            length @ ..126 => frame.push(0x80 | length as u8),
            length @ ..65_536 => {
                frame.push(0x80 + 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 + 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        let mask: [u8; 4] = rand::random();
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame)
    }

    /// The next event, or whatever ends the conversation. Answers pings.
    ///
    /// # Errors
    /// When the box breaks the rules of the protocol.
    pub fn hear(&mut self, within: Duration) -> Result<Heard> {
        if let Some(event) = self.early.pop_front() {
            return Ok(Heard::Event(event));
        }
        loop {
            if let Some(heard) = self.listen(within, false)? {
                return Ok(heard);
            }
        }
    }

    /// `None`: a pong came, which was waited for.
    fn listen(&mut self, within: Duration, for_pong: bool) -> Result<Option<Heard>> {
        let until = Instant::now() + within;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            while let Some((kind, payload)) = self.frame()? {
                match kind {
                    TEXT => return Ok(Some(Heard::Event(serde_json::from_slice(&payload)?))),
                    PING => {
                        self.pings += 1;
                        self.send(true, PONG, &payload)?;
                    }
                    PONG if for_pong => return Ok(None),
                    PONG => {}
                    CLOSE => {
                        let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                        let reason = payload.get(2..).unwrap_or_default();
                        return Ok(Some(Heard::Closed(code, String::from_utf8(reason.to_vec())?)));
                    }
                    other => bail!("a frame of kind {other}"),
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Some(Heard::Nothing));
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Some(Heard::Gone)),
                Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(Some(Heard::Gone)),
            }
        }
    }

    /// Takes at most that many bytes off the connection and looks at none: what a slow client does.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn sip(&mut self, most: usize) -> Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut buffer = vec![0; most];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the box ended the connection"),
            Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Takes a frame off what was read.
    fn frame(&mut self) -> Result<Option<(u8, Vec<u8>)>> {
        let Some([first, second]) = self.unread.first_chunk().copied() else { return Ok(None) };
        ensure!(first & 0xF0 == 0x80, "a frame in pieces, or with reserved bits: {first:#x}");
        ensure!(second & 0x80 == 0, "a frame of a server is not masked");
        let (length, from) = match second {
            126 => match self.unread.get(2..4) {
                Some(bytes) => (u64::from(u16::from_be_bytes(bytes.try_into()?)), 4),
                None => return Ok(None),
            },
            127 => match self.unread.get(2..10) {
                Some(bytes) => (u64::from_be_bytes(bytes.try_into()?), 10),
                None => return Ok(None),
            },
            length => (u64::from(length), 2),
        };
        let end = from + usize::try_from(length)?;
        if self.unread.len() < end {
            return Ok(None);
        }
        let payload = self.unread[from..end].to_vec();
        self.unread.drain(..end);
        Ok(Some((first & 0x0F, payload)))
    }
}
