//! What goes over an RTSP connection (RFC 2326): messages, and packets between them (section 10.12). Bytes that are neither,
//! which some cameras let slip between two packets, are left out.

use bytes::{Buf as _, Bytes, BytesMut};

/// A head or a body that is longer is none.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Longest first line.
const LINE_BYTES_MAX: usize = 4096;
/// `$`, channel and length of a packet.
const PACKET_HEAD: usize = 4;

/// One thing that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// With its head.
    Packet(Bytes),
    Message(Message),
}

/// A request or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// First line.
    pub first: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let is_named = move |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_named).map(|(_, value)| value.as_str())
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Of an answer.
    pub fn status(&self) -> Option<u16> {
        self.first.strip_prefix("RTSP/")?.split_whitespace().nth(1)?.parse().ok()
    }

    /// Method and address of a request.
    pub fn request(&self) -> Option<(&str, &str)> {
        let (method, rest) = self.first.split_once(' ')?;
        let (url, version) = rest.rsplit_once(' ')?;
        version.starts_with("RTSP/").then_some((method, url))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.first.as_bytes());
        out.extend_from_slice(b"\r\n");
        let is_length = |name: &str| name.eq_ignore_ascii_case("content-length");
        for (name, value) in self.headers.iter().filter(|(name, _)| !is_length(name)) {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !self.body.is_empty() {
            out.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Reader {
    pub buffer: BytesMut,
    /// Bytes that were nothing.
    pub stray: usize,
}

/// Cameras number their channels from 0; `$` itself is above.
const CHANNELS: u8 = 32;

/// What the bytes at the beginning are.
enum Start {
    Unknown,
    Nothing,
    Packet(usize),
    /// Length of the head with the empty line.
    Message(usize),
}

impl Reader {
    /// The next item, once it is whole.
    pub fn next_item(&mut self) -> Option<Item> {
        loop {
            match start(&self.buffer) {
                Start::Unknown => return None,
                Start::Nothing => {
                    if !self.buffer.first().is_some_and(u8::is_ascii_whitespace) {
                        self.stray += 1;
                    }
                    self.buffer.advance(1);
                }
                Start::Packet(length) if self.buffer.len() < length => return None,
                Start::Packet(length) => return Some(Item::Packet(self.buffer.split_to(length).freeze())),
                Start::Message(head) => {
                    let mut message = parse(&self.buffer[..head]);
                    let length = message.header("content-length").and_then(|text| text.trim().parse().ok());
                    let length: usize = length.filter(|length| *length <= MESSAGE_BYTES_MAX).unwrap_or(0);
                    if self.buffer.len() < head + length {
                        return None;
                    }
                    message.body = self.buffer[head..head + length].to_vec();
                    self.buffer.advance(head + length);
                    return Some(Item::Message(message));
                }
            }
        }
    }
}

fn start(bytes: &[u8]) -> Start {
    match bytes {
        [] => Start::Unknown,
        [b'$', rest @ ..] => match rest {
            // Version 2 of RTP and RTCP, in the upper two bits. A packet of no length is nothing.
            [channel, high, low, first, ..] if first >> 6 == 2 && *channel < CHANNELS => {
                Start::Packet(PACKET_HEAD + usize::from(u16::from_be_bytes([*high, *low])))
            }
            [_, _, _, _, ..] => Start::Nothing,
            _ => Start::Unknown,
        },
        [first, ..] if first.is_ascii_uppercase() => start_of_message(bytes),
        _ => Start::Nothing,
    }
}

fn start_of_message(bytes: &[u8]) -> Start {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        let may_be = bytes.len() < LINE_BYTES_MAX && is_text(bytes);
        return if may_be { Start::Unknown } else { Start::Nothing };
    };
    let line = &bytes[..end];
    let is_answer = line.starts_with(b"RTSP/");
    let is_request = line.windows(6).any(|part| part == b" RTSP/");
    if !(is_answer || is_request) || !is_text(line) {
        return Start::Nothing;
    }
    match head_length(bytes) {
        Some(length) => Start::Message(length),
        None if bytes.len() > MESSAGE_BYTES_MAX => Start::Nothing,
        None => Start::Unknown,
    }
}

fn is_text(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte >= b' ' && *byte != 0x7f || *byte == b'\r' || *byte == b'\t')
}

/// To the first empty line, whichever way lines end.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut line_begins = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            if bytes[line_begins..at].iter().all(|byte| *byte == b'\r') {
                return Some(at + 1);
            }
            line_begins = at + 1;
        }
    }
    None
}

/// Lines without a name are left out.
fn parse(head: &[u8]) -> Message {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let first = lines.next().unwrap_or_default().to_owned();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        if line.starts_with([' ', '\t']) {
            // Goes on from the line before.
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':').filter(|(name, _)| !name.trim().is_empty()) {
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Message { first, headers, body: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(channel: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![b'$', channel, 0, payload.len() as u8 + 2, 0x80, 96];
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Everything in some bytes, fed in pieces of this length.
    fn read(bytes: &[u8], piece: usize) -> (Vec<Item>, usize) {
        let mut reader = Reader::default();
        let mut items = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.buffer.extend_from_slice(piece);
            items.extend(std::iter::from_fn(|| reader.next_item()));
        }
        (items, reader.stray)
    }

    #[test]
    fn stray_bytes_between_packets_are_left_out() {
        let answer = b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nContent-Length: 3\r\n\r\nabc";
        let request = b"OPTIONS * RTSP/1.0\nCSeq: 1\nno header\n: none\n\n";
        for stray in [
            &b""[..],
            b"\0\0\0",
            b"\r\n",
            b"JUNK\r\n",
            b"$",
            b"$$",
            b"$\x01\x00\x10\x00\x00\x00",
            b"\xff\xd8\xff",
            b"RTSP\n",
            b"ABCDEFG",
            b"$\0\0\0",
        ] {
            let mut bytes = Vec::new();
            for part in [&packet(0, b"one")[..], answer, &packet(1, b"two"), request, &packet(0, b"three")] {
                bytes.extend_from_slice(part);
                bytes.extend_from_slice(stray);
            }
            bytes.extend_from_slice(&packet(0, b"last"));
            for piece in [1, 7, 1000] {
                let (items, _) = read(&bytes, piece);
                let packets: Vec<_> = items
                    .iter()
                    .filter_map(|item| match item {
                        Item::Packet(packet) if packet.len() > PACKET_HEAD => Some(packet.to_vec()),
                        _ => None,
                    })
                    .collect();
                let expected =
                    [packet(0, b"one"), packet(1, b"two"), packet(0, b"three"), packet(0, b"last")];
                assert_eq!(packets, expected, "{stray:?} {piece}");
                let messages: Vec<_> = items
                    .iter()
                    .filter_map(|item| match item {
                        Item::Message(message) => Some(message.clone()),
                        Item::Packet(_) => None,
                    })
                    .collect();
                assert_eq!(
                    (messages.len(), messages[0].status(), &messages[0].body[..]),
                    (2, Some(200), &b"abc"[..])
                );
                assert!(messages[1].first.ends_with("OPTIONS * RTSP/1.0"));
                assert_eq!(messages[1].headers, [("CSeq".to_owned(), "1".to_owned())]);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_upsets_the_reader(bytes in proptest::collection::vec(0u8..=255, 0..300), piece in 1usize..50) {
            let (items, stray) = read(&bytes, piece);
            assert!(stray + items.len() <= bytes.len());
        }
    }
}
