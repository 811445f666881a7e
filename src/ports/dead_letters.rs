//! Messages that can never succeed, kept for an operator, who may have them carried out again.

use bytes::Bytes;

use super::store::StoreError;

/// A kept message an operator wants carried out again.
#[derive(Debug, Clone)]
pub struct Replay {
    pub id: String,
    /// As it came.
    pub body: Bytes,
}

/// Every method blocks on the disk: call it on a thread.
pub trait DeadLetters: Send + Sync {
    /// Keeps one; failing to is logged by the implementation and never stops the link. `body` is the message as it
    /// came; implementations keep a bounded part of it.
    fn keep(&self, at_ms: u64, code: i64, reason: &str, body: &[u8]);
    /// What is to be carried out again, oldest request first; the same again until [`replayed`](Self::replayed).
    fn replays(&self) -> Result<Vec<Replay>, StoreError>;
    /// Shows every kept message.
    fn for_each_body(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError>;
    /// Deletes the messages `is_gone` names, with the requests to carry them out again; returns how many.
    fn erase(&self, is_gone: &dyn Fn(&[u8]) -> bool) -> Result<u64, StoreError>;
    /// It was carried out, with this code in its reply.
    fn replayed(&self, id: &str, at_ms: u64, code: i64) -> Result<(), StoreError>;
}
