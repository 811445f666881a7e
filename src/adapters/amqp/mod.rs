//! RabbitMQ, with lapin.
//!
//! Commands are consumed over one connection and replies published over others: a broker short of memory or disk
//! stops reading from those that publish, and acknowledgements must not wait behind them. Recovery is the link state
//! machine's work: a link that breaks says so and is then thrown away whole.

mod error;
mod stream;
mod topology;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery as LapinDelivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ConnectionStatus, Consumer,
    Event,
};
use tokio_rustls::TlsConnector;

use self::error::{amqp_code, classify, lost};
use self::topology::{prepare_other, prepare_queue};
use crate::ports::broker::{
    BrokerConnection, BrokerConnector, BrokerError, BrokerNotice, Delivery, NoticeSink, QueuePair,
};
use menshen_domain::limits;
use menshen_protocol::login::RabbitMq;

/// Persistent delivery mode of AMQP 0-9-1.
const PERSISTENT: u8 = 2;
/// What the broker answers an exclusive consumer of a queue that has one.
const ACCESS_REFUSED: u16 = 403;

/// Connects to whatever broker the login document names.
#[derive(Debug, Clone, Default)]
pub struct AmqpConnector {
    /// More certificate authorities for TLS, PEM; read at every connection, so that a new one needs no restart.
    ca_file: Option<PathBuf>,
}

impl AmqpConnector {
    pub fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file }
    }
}

impl BrokerConnector for AmqpConnector {
    fn connect(
        &self,
        parameters: RabbitMq,
        notices: NoticeSink,
    ) -> BoxFuture<'_, Result<Arc<dyn BrokerConnection>, BrokerError>> {
        async move {
            let limit = Duration::from_millis(limits::BROKER_CONNECT_TIMEOUT_MS);
            let late = |_| {
                BrokerError::Unreachable(format!(
                    "{}:{} did not complete the handshake within {} s",
                    parameters.host_name(),
                    parameters.port,
                    limit.as_secs()
                ))
            };
            let opened = tokio::time::timeout(limit, self.establish(&parameters, &notices));
            // Consuming waits for others on its own terms.
            let link = opened.await.map_err(late)??.consume(&parameters, &notices).await?;
            Ok(Arc::new(link) as Arc<dyn BrokerConnection>)
        }
        .boxed()
    }
}

/// An established link; the connections live as long as it does.
struct AmqpLink {
    commands: Channel,
    fiqa: Option<Channel>,
    replies: Option<Publisher>,
    fiqa_replies: Option<Publisher>,
    connections: Vec<Connection>,
}

/// A link that does not consume yet.
struct Opened {
    connection: Connection,
    replies: Option<Publisher>,
    fiqa_replies: Option<Publisher>,
    publishing: Vec<Connection>,
}

impl Opened {
    /// Last, so that a command that comes finds its way back open; and photo checks, which other boxes could do, after
    /// the commands, which may have to be waited for.
    async fn consume(self, parameters: &RabbitMq, notices: &NoticeSink) -> Result<AmqpLink, BrokerError> {
        let Self { connection, replies, fiqa_replies, publishing } = self;
        let commands = consume_alone(&connection, &parameters.queue, notices).await?;
        let fiqa = match parameters.fiqa_down_queue() {
            None => None,
            Some(queue) => {
                Some(consume(&connection, QueuePair::Fiqa, queue, false, notices).await.map_err(classify)?)
            }
        };
        let connections = std::iter::once(connection).chain(publishing).collect();
        Ok(AmqpLink { commands, fiqa, replies, fiqa_replies, connections })
    }
}

/// A channel that publishes into one queue and waits for confirms.
struct Publisher {
    channel: Channel,
    queue: String,
    status: ConnectionStatus,
}

impl AmqpConnector {
    async fn establish(&self, parameters: &RabbitMq, notices: &NoticeSink) -> Result<Opened, BrokerError> {
        let connection = self.open(parameters, parameters.vhost()).await?;
        prepare_queue(&connection, parameters).await?;
        let mut publishing: Vec<(String, Connection)> = Vec::new();
        let mut publishers = [None, None];
        let wanted = [
            (parameters.upload_queue(), parameters.upload_vhost()),
            (
                parameters.fiqa_upload_queue().filter(|_| parameters.fiqa_down_queue().is_some()),
                parameters.vhost(),
            ),
        ];
        for (publisher, (queue, vhost)) in publishers.iter_mut().zip(wanted) {
            let Some(queue) = queue else { continue };
            if publishing.iter().all(|(open, _)| open != vhost) {
                publishing.push((vhost.to_owned(), self.open(parameters, vhost).await?));
            }
            let Some((_, connection)) = publishing.iter().find(|(open, _)| open == vhost) else { continue };
            prepare_other(connection, parameters, queue).await?;
            *publisher = Some(Publisher::new(connection, queue).await?);
        }
        let [replies, fiqa_replies] = publishers;
        for (_, connection) in &publishing {
            tokio::spawn(watch(connection.events_listener().boxed(), Arc::clone(notices)));
        }
        if let Some(queue) = parameters.fiqa_down_queue() {
            prepare_other(&connection, parameters, queue).await?;
        }
        let publishing = publishing.into_iter().map(|(_, open)| open).collect();
        Ok(Opened { connection, replies, fiqa_replies, publishing })
    }

    async fn open(&self, parameters: &RabbitMq, vhost: &str) -> Result<Connection, BrokerError> {
        let scheme = if parameters.uses_tls() { AMQPScheme::AMQPS } else { AMQPScheme::AMQP };
        let uri = AMQPUri {
            scheme,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: parameters.login.clone(),
                    password: parameters.password.clone(),
                },
                host: parameters.host_name().to_owned(),
                port: parameters.port,
            },
            vhost: vhost.to_owned(),
            query: AMQPQueryString {
                heartbeat: Some(limits::BROKER_HEARTBEAT_S),
                ..AMQPQueryString::default()
            },
        };
        let properties = ConnectionProperties::default().with_connection_name("menshen".into());
        let tls = if parameters.uses_tls() { Some(self.tls().await?) } else { None };
        let connect = async move |uri: AMQPUri, _| Ok(stream::connect(&uri, tls.clone()).await?);
        Connection::connector(uri, stream::runtime(), connect, properties).await.map_err(classify)
    }

    async fn tls(&self) -> Result<TlsConnector, BrokerError> {
        let Some(path) = &self.ca_file else { return stream::tls(None) };
        let pem = tokio::fs::read(path).await.map_err(|error| {
            BrokerError::Unreachable(format!("cannot read platform.ca_file {}: {error}", path.display()))
        })?;
        stream::tls(Some(&pem))
    }
}

/// Consumes the command queue as its only consumer.
///
/// After a connection that broke without a word the broker still holds what it had delivered there, until it misses
/// the heartbeats. A second consumer would get later commands first; an exclusive one is refused (403) until the old
/// one is gone, and its commands are then back at the head of the queue. A queue that others consume for longer than
/// [`limits::EXCLUSIVE_WAIT_MS`] is shared on purpose, and is shared.
async fn consume_alone(
    connection: &Connection,
    queue: &str,
    notices: &NoticeSink,
) -> Result<Channel, BrokerError> {
    let began = tokio::time::Instant::now();
    let limit = Duration::from_millis(limits::EXCLUSIVE_WAIT_MS);
    let mut is_logged = false;
    while began.elapsed() < limit {
        match consume(connection, QueuePair::Commands, queue, true, notices).await {
            Ok(channel) => return Ok(channel),
            Err(error) if amqp_code(&error) == Some(ACCESS_REFUSED) => {
                if !std::mem::replace(&mut is_logged, true) {
                    tracing::warn!(queue, "the command queue has another consumer: waiting for its end");
                }
            }
            Err(error) => return Err(classify(error)),
        }
        tokio::time::sleep(Duration::from_millis(limits::EXCLUSIVE_RETRY_MS)).await;
    }
    tracing::warn!(
        queue,
        "the command queue keeps its other consumer: commands are shared with it, and their order is not kept"
    );
    consume(connection, QueuePair::Commands, queue, false, notices).await.map_err(|error| {
        match amqp_code(&error) {
            Some(ACCESS_REFUSED) => BrokerError::Refused(format!(
                "queue {queue} belongs to another box: does one log in with the same dev_sno? ({error})"
            )),
            _ => classify(error),
        }
    })
}

async fn consume(
    connection: &Connection,
    from: QueuePair,
    queue: &str,
    exclusive: bool,
    notices: &NoticeSink,
) -> Result<Channel, lapin::Error> {
    let (prefetch, tag) = match from {
        QueuePair::Commands => (limits::COMMAND_PREFETCH, "menshen"),
        QueuePair::Fiqa => (limits::FIQA_PREFETCH, "menshen-fiqa"),
    };
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions { exclusive, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(queue.into(), tag.into(), options, FieldTable::default()).await?;
    tokio::spawn(forward(from, consumer, Arc::clone(notices)));
    Ok(channel)
}

/// Hands deliveries on until the connection breaks, and says so.
async fn forward(from: QueuePair, mut consumer: Consumer, notices: NoticeSink) {
    let reason = loop {
        match consumer.next().await {
            Some(Ok(LapinDelivery { delivery_tag, redelivered, data, .. })) => {
                let delivery = Delivery { from, tag: delivery_tag, body: data.into(), redelivered };
                notices(BrokerNotice::Delivery(delivery)).await;
            }
            Some(Err(error)) => break error.to_string(),
            None => break "the broker ended the consumer".to_owned(),
        }
    };
    notices(BrokerNotice::Lost(reason)).await;
}

/// Reports what happens to a connection that only publishes, until it breaks.
async fn watch(mut events: futures_util::stream::BoxStream<'static, Event>, notices: NoticeSink) {
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => notices(BrokerNotice::Blocked(Some(reason))).await,
            Event::ConnectionUnblocked => notices(BrokerNotice::Blocked(None)).await,
            Event::Error(error) => return notices(BrokerNotice::Lost(error.to_string())).await,
            _ => {}
        }
    }
}

impl Publisher {
    async fn new(connection: &Connection, queue: &str) -> Result<Self, BrokerError> {
        let channel = connection.create_channel().await.map_err(classify)?;
        channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(classify)?;
        Ok(Self { channel, queue: queue.to_owned(), status: connection.status().clone() })
    }

    async fn publish(&self, body: &[u8]) -> Result<(), BrokerError> {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into());
        let publish = async {
            self.channel
                .basic_publish(
                    "".into(),
                    self.queue.as_str().into(),
                    // Mandatory: a queue that was deleted meanwhile must not swallow the reply.
                    BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
                    body,
                    properties,
                )
                .await
                .map_err(lost)?
                .await
                .map_err(lost)
        };
        tokio::pin!(publish);
        let limit = Duration::from_millis(limits::BROKER_CONFIRM_TIMEOUT_MS);
        let confirmation = loop {
            match tokio::time::timeout(limit, &mut publish).await {
                Ok(confirmation) => break confirmation?,
                // A blocked broker confirms later; one that is gone is found by the heartbeat.
                Err(_) if self.status.blocked() => {}
                Err(_) => return Err(BrokerError::Lost("no publisher confirm in time".to_owned())),
            }
        };
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(BrokerError::Refused(format!("queue {} is gone", self.queue))),
            Confirmation::Nack(_) | Confirmation::NotRequested => {
                Err(BrokerError::Refused("the broker did not take the reply".to_owned()))
            }
        }
    }
}

impl AmqpLink {
    fn publisher(&self, to: QueuePair) -> Option<&Publisher> {
        match to {
            QueuePair::Commands => self.replies.as_ref(),
            QueuePair::Fiqa => self.fiqa_replies.as_ref(),
        }
    }
}

impl BrokerConnection for AmqpLink {
    fn takes_replies(&self, to: QueuePair) -> bool {
        self.publisher(to).is_some()
    }

    fn reply(&self, to: QueuePair, body: Bytes) -> BoxFuture<'_, Result<(), BrokerError>> {
        async move {
            match self.publisher(to) {
                Some(publisher) => publisher.publish(&body).await,
                None => Err(BrokerError::Refused("the login named no queue for replies".to_owned())),
            }
        }
        .boxed()
    }

    fn ack(&self, from: QueuePair, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>> {
        async move {
            let channel = match (from, &self.fiqa) {
                (QueuePair::Fiqa, Some(fiqa)) => fiqa,
                _ => &self.commands,
            };
            channel.basic_ack(tag, BasicAckOptions::default()).await.map_err(lost)
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            for connection in &self.connections {
                if let Err(error) = connection.close(200, "bye".into()).await {
                    tracing::debug!(%error, "the broker connection could not be closed in good order");
                }
            }
        }
        .boxed()
    }
}
