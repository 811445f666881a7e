//! What a broker hands over, read from the bytes on their way to a consumer: the only witness of the order it chose.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::platform::ledger::now_ms;

const FRAME_METHOD: u8 = 1;
const FRAME_HEADER: u8 = 2;
const FRAME_BODY: u8 = 3;
/// Type, channel, size.
const FRAME_HEAD: usize = 7;
const FRAME_END: usize = 1;
/// `basic.deliver`: class and method.
const DELIVER: [u8; 4] = [0, 60, 0, 60];
/// Larger frames than a broker agrees to: then this is no AMQP.
const FRAME_MAX: usize = 1 << 20;

/// A message that was handed to a consumer.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// When, wall clock.
    pub at_ms: u64,
    /// Its `messageId`.
    pub id: String,
    /// Whether the broker said that it had been handed over before.
    pub redelivered: bool,
    /// The connection it went over, counted from 0 over all proxies.
    pub connection: usize,
}

/// A connection of a consumer.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Number of the broker node at its other end.
    pub node: usize,
    /// When it ended at the broker's side; `None` while it is open there.
    pub ended_ms: Option<u64>,
}

#[derive(Default)]
struct Seen {
    deliveries: Vec<Delivery>,
    connections: Vec<Connection>,
}

/// Everything handed over, shared by the proxies before all nodes of a broker.
#[derive(Clone, Default)]
pub struct Deliveries(Arc<Mutex<Seen>>);

impl Deliveries {
    fn with<T>(&self, work: impl FnOnce(&mut Seen) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was handed over so far, in order.
    pub fn all(&self) -> Vec<Delivery> {
        self.with(|seen| seen.deliveries.clone())
    }

    /// The connections so far, by their number.
    pub fn connections(&self) -> Vec<Connection> {
        self.with(|seen| seen.connections.clone())
    }

    /// A new connection to a node.
    pub(crate) fn reader(&self, node: usize) -> Reader {
        let connection = self.with(|seen| {
            seen.connections.push(Connection { node, ended_ms: None });
            seen.connections.len() - 1
        });
        Reader { seen: self.clone(), connection, bytes: Vec::new(), open: Vec::new(), is_amqp: true }
    }
}

/// A message whose body is not complete yet.
struct Open {
    channel: [u8; 2],
    redelivered: bool,
    /// Bytes to come; `None` before its header.
    left: Option<u64>,
    body: Vec<u8>,
}

/// Reads what goes to one consumer.
pub(crate) struct Reader {
    seen: Deliveries,
    connection: usize,
    bytes: Vec<u8>,
    open: Vec<Open>,
    is_amqp: bool,
}

impl Reader {
    /// Takes what was passed on.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if !self.is_amqp {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(head) = self.bytes.get(at..at + FRAME_HEAD) {
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
            if size > FRAME_MAX || !(1..=8).contains(&head[0]) {
                self.is_amqp = false;
                break;
            }
            let (kind, channel) = (head[0], [head[1], head[2]]);
            let begin = at + FRAME_HEAD;
            let Some(payload) = self.bytes.get(begin..begin + size) else { break };
            if self.bytes.len() < begin + size + FRAME_END {
                break;
            }
            let payload = payload.to_vec();
            self.frame(kind, channel, &payload);
            at = begin + size + FRAME_END;
        }
        self.bytes.drain(..at);
    }

    fn frame(&mut self, kind: u8, channel: [u8; 2], payload: &[u8]) {
        let position = self.open.iter().position(|open| open.channel == channel);
        match (kind, position) {
            (FRAME_METHOD, _) if payload.starts_with(&DELIVER) => {
                // The consumer's tag, a short text, and the delivery's, eight bytes, go before it.
                let tag = payload.get(4).copied().unwrap_or(0) as usize;
                let redelivered = payload.get(4 + 1 + tag + 8).is_some_and(|flag| *flag != 0);
                self.open.push(Open { channel, redelivered, left: None, body: Vec::new() });
            }
            (FRAME_HEADER, Some(position)) => {
                // Class and weight go before the size of the body.
                let size = payload.get(4..12).and_then(|size| size.try_into().ok()).map(u64::from_be_bytes);
                self.open[position].left = size;
                self.end_if_complete(position);
            }
            (FRAME_BODY, Some(position)) => {
                let open = &mut self.open[position];
                open.left = open.left.map(|left| left.saturating_sub(payload.len() as u64));
                open.body.extend_from_slice(payload);
                self.end_if_complete(position);
            }
            _ => {}
        }
    }

    fn end_if_complete(&mut self, position: usize) {
        if self.open[position].left != Some(0) {
            return;
        }
        let Open { redelivered, body, .. } = self.open.remove(position);
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if let Some(id) = body["messageId"].as_str() {
            let delivery =
                Delivery { at_ms: now_ms(), id: id.to_owned(), redelivered, connection: self.connection };
            self.seen.with(|seen| seen.deliveries.push(delivery));
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.seen.with(|seen| seen.connections[self.connection].ended_ms = Some(now_ms()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind, 0, channel];
        frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        frame.extend_from_slice(payload);
        frame.push(0xCE);
        frame
    }

    fn delivery(channel: u8, body: &[u8], redelivered: bool, cut: usize) -> Vec<u8> {
        let mut deliver = DELIVER.to_vec();
        deliver.extend_from_slice(b"\x03tag\0\0\0\0\0\0\0\x01");
        deliver.extend_from_slice(&[u8::from(redelivered), 0, 1, b'q']);
        let mut header = vec![0, 60, 0, 0];
        header.extend_from_slice(&(body.len() as u64).to_be_bytes());
        header.extend_from_slice(&[0, 0]);
        [
            frame(FRAME_METHOD, channel, &deliver),
            frame(FRAME_HEADER, channel, &header),
            frame(FRAME_BODY, channel, &body[..cut]),
            frame(FRAME_BODY, channel, &body[cut..]),
        ]
        .concat()
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let seen = Deliveries::default();
        let bytes = [
            frame(8, 0, b""),
            frame(FRAME_METHOD, 1, &[0, 10, 0, 10, 0, 9]),
            delivery(1, br#"{"messageId":"a","x":[1]}"#, false, 8),
            delivery(2, br#"{"messageId":"b"}"#, true, 1),
            delivery(1, b"not JSON", true, 1),
        ]
        .concat();
        for size in [1, 5, bytes.len()] {
            let mut reader = seen.reader(2);
            bytes.chunks(size).for_each(|chunk| reader.take(chunk));
        }
        let all: Vec<_> = seen.all().into_iter().map(|d| (d.id, d.redelivered, d.connection)).collect();
        let expected = |connection| [("a".to_owned(), false, connection), ("b".to_owned(), true, connection)];
        assert_eq!(all, (0..3).flat_map(expected).collect::<Vec<_>>());
        assert!(seen.connections().iter().all(|c| c.node == 2 && c.ended_ms.is_some()));
    }

    #[test]
    fn what_is_no_amqp_is_left_alone() {
        let seen = Deliveries::default();
        let mut reader = seen.reader(0);
        reader.take(b"HTTP/1.1 200 OK\r\n\r\n");
        reader.take(&delivery(1, br#"{"messageId":"a"}"#, false, 2));
        assert!(seen.all().is_empty() && seen.connections()[0].ended_ms.is_none());
    }
}
