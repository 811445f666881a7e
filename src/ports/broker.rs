//! The message broker.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use menshen_protocol::login::RabbitMq;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The broker was there and said no: wrong password, no such vhost, no such queue.
    #[error("the broker refused: {0}")]
    Refused(String),
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// The broker did not take this reply now: its queue is full or gone, or publishing is not permitted. Nothing else
    /// is the worse for it, and the same may be tried again.
    #[error("the broker did not take the reply: {0}")]
    NotTaken(String),
    /// The broker takes no reply of this length; how long one may be, where it said so.
    #[error("the reply is longer than the broker takes{}", max_bytes.map_or_else(String::new, |max| format!(" ({max} bytes)")))]
    TooLong { max_bytes: Option<usize> },
    /// The connection was up and broke.
    #[error("the connection to the broker is lost: {0}")]
    Lost(String),
}

/// The two pairs of queues (protocol section 2), each with a consumer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueuePair {
    /// `queue` and `uploadQueue`.
    Commands,
    /// `fiqaDownQueue` and `fiqaUploadQueue`; several boxes may share them.
    Fiqa,
}

/// One command message, still unacknowledged.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub from: QueuePair,
    pub tag: u64,
    pub body: Bytes,
    pub redelivered: bool,
    /// Earlier deliveries that failed, where the queue counts them (quorum queues do).
    pub failed_before: u64,
}

/// What a connection reports.
#[derive(Debug, Clone)]
pub enum BrokerNotice {
    Delivery(Delivery),
    /// The broker is short of memory or disk and takes no replies for now (`Some` says why), or takes them again.
    Blocked(Option<String>),
    /// The last thing a connection says.
    Lost(String),
}

/// Takes notices, in order. It waits while the receiver is full, which stops the consumer, which the broker's
/// prefetch window bounds.
pub type NoticeSink = Arc<dyn Fn(BrokerNotice) -> BoxFuture<'static, ()> + Send + Sync>;

pub trait BrokerConnector: Send + Sync {
    /// Connects, declares and binds as the login document says, and starts consuming.
    fn connect(
        &self,
        parameters: RabbitMq,
        notices: NoticeSink,
    ) -> BoxFuture<'_, Result<Arc<dyn BrokerConnection>, BrokerError>>;
}

/// An established connection. Dropping the last handle closes it.
pub trait BrokerConnection: Send + Sync {
    /// Whether this pair has a queue for replies.
    fn takes_replies(&self, to: QueuePair) -> bool;
    /// Tries once to send a reply; returns when the broker has confirmed it. Waits for as long as the broker is blocked.
    fn reply(&self, to: QueuePair, body: Bytes) -> BoxFuture<'_, Result<(), BrokerError>>;
    /// Acknowledges one delivery.
    fn ack(&self, from: QueuePair, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>>;
    /// Closes in good order.
    fn close(&self) -> BoxFuture<'_, ()>;
}
