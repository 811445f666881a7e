//! Messages that can never succeed, kept for an operator.

/// Keeps one; failing to is logged by the implementation and never stops the link.
pub trait DeadLetters: Send + Sync {
    /// `body` is the message as it came; implementations keep a bounded part of it.
    fn keep(&self, at_ms: u64, code: i64, reason: &str, body: &[u8]);
}
