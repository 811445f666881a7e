//! The message broker.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::wire::login::RabbitMq;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The broker was there and said no: wrong password, no such vhost, no such queue.
    #[error("the broker refused: {0}")]
    Refused(String),
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
    /// The connection was up and broke.
    #[error("the connection to the broker is lost: {0}")]
    Lost(String),
}

/// One command message, still unacknowledged.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub tag: u64,
    pub body: Bytes,
    pub redelivered: bool,
}

/// What a connection tells.
#[derive(Debug, Clone)]
pub enum BrokerNotice {
    Delivery(Delivery),
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
    /// Sends a reply to `uploadQueue`; returns when the broker has confirmed it.
    fn reply(&self, body: Vec<u8>) -> BoxFuture<'_, Result<(), BrokerError>>;
    /// Acknowledges one delivery.
    fn ack(&self, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>>;
    /// Gives one delivery back to the queue.
    fn requeue(&self, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>>;
    /// Closes in good order.
    fn close(&self) -> BoxFuture<'_, ()>;
}
