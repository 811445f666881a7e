//! A command on its way: where it came from, and what is known of its reply.

use bytes::Bytes;
use serde_json::Value;

use crate::ports::broker::QueuePair;

/// A message to be processed.
pub struct Job {
    pub body: Bytes,
    pub source: Source,
}

/// Where a message came from, and what acknowledges it.
pub enum Source {
    Broker {
        from: QueuePair,
        tag: u64,
        redelivered: bool,
    },
    /// A dead letter an operator wants processed again.
    Replay {
        id: String,
    },
}

impl Job {
    /// The lane it is processed in, and the queues its reply goes to.
    pub fn pair(&self) -> QueuePair {
        match self.source {
            Source::Broker { from, .. } => from,
            Source::Replay { .. } => QueuePair::Commands,
        }
    }

    pub fn replay_id(&self) -> Option<String> {
        match &self.source {
            Source::Replay { id } => Some(id.clone()),
            Source::Broker { .. } => None,
        }
    }

    /// Whether it may have been processed before.
    pub fn is_again(&self) -> bool {
        matches!(self.source, Source::Replay { .. } | Source::Broker { redelivered: true, .. })
    }
}

/// What a successful command puts into its reply.
pub struct CommandOutput {
    pub result: Value,
    /// In place of the plain text of success.
    pub message: Option<String>,
}

impl From<Value> for CommandOutput {
    fn from(result: Value) -> Self {
        Self { result, message: None }
    }
}

/// The encoded reply to a command that was processed.
pub struct CommandReply {
    pub reply: Bytes,
    /// Method and message id, for the log.
    pub label: String,
    pub code: i64,
    pub notify_path: Option<String>,
}

/// The reply to a command that was processed, and that the broker did not take.
pub struct PendingReply {
    /// SHA-256 of the command, to recognise it when it is delivered again.
    pub digest: [u8; 32],
    pub reply: CommandReply,
}
