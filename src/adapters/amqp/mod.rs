//! RabbitMQ, with lapin.
//!
//! Commands are consumed over one connection and replies published over others: a broker short of memory or disk
//! stops reading from those that publish, and acknowledgements must not wait behind them. Recovery is the link state
//! machine's work: a link that breaks says so and is then thrown away whole.

mod consumer;
mod error;
mod publisher;
mod stream;
mod topology;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::BasicAckOptions;
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio_rustls::TlsConnector;

use self::consumer::{consume, consume_alone};
use self::error::{classify, is_of_channel, lost};
use self::publisher::Publisher;
use self::topology::{Use, prepare_other, prepare_queue};
use crate::ports::broker::{
    BrokerConnection, BrokerConnector, BrokerError, BrokerNotice, NoticeSink, QueuePair,
};
use crate::regular_file;
use menshen_domain::limits;
use menshen_protocol::login::{BrokerAddress, RabbitMq};

/// Connects to whatever broker the login document names.
#[derive(Debug, Default)]
pub struct AmqpConnector {
    /// More certificate authorities for TLS, PEM; read at every connection, so that a new one needs no restart.
    ca_file: Option<PathBuf>,
    /// Brokers without TLS are refused.
    require_tls: bool,
    /// The node of a cluster that the next connection begins with: another one than the last, which may be why there has to
    /// be a next.
    first: AtomicUsize,
}

impl AmqpConnector {
    pub fn new(ca_file: Option<PathBuf>, require_tls: bool) -> Self {
        Self { ca_file, require_tls, first: AtomicUsize::new(0) }
    }
}

impl BrokerConnector for AmqpConnector {
    fn connect(
        &self,
        parameters: RabbitMq,
        notices: NoticeSink,
    ) -> BoxFuture<'_, Result<Arc<dyn BrokerConnection>, BrokerError>> {
        async move {
            parameters.addresses().iter().try_for_each(|address| self.check_secure(address))?;
            let opened = self.open_any(&parameters, &notices).await?;
            // Consuming waits for others on its own terms.
            let link = opened.consume(&parameters, &notices).await?;
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
    connections: Vec<Arc<Connection>>,
}

/// A link that does not consume yet.
struct Opened {
    connection: Arc<Connection>,
    replies: Option<Publisher>,
    fiqa_replies: Option<Publisher>,
    publishing: Vec<Arc<Connection>>,
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

impl AmqpConnector {
    /// Connects to every virtual host of the login document at one node, and leaves again: nothing is declared and nothing
    /// consumed.
    ///
    /// # Errors
    /// As connecting.
    pub async fn try_out(&self, address: &BrokerAddress, parameters: &RabbitMq) -> Result<(), BrokerError> {
        self.check_secure(address)?;
        let mut hosts = vec![parameters.vhost()];
        if parameters.upload_queue().is_some() && parameters.upload_vhost() != parameters.vhost() {
            hosts.push(parameters.upload_vhost());
        }
        for vhost in hosts {
            let connection = self.open(address, parameters, vhost).await?;
            connection.create_channel().await.map_err(classify)?;
            // Nothing is lost with it.
            let _ = connection.close(200, "bye".into()).await;
        }
        Ok(())
    }

    /// Refuses an address without TLS where TLS is required.
    fn check_secure(&self, address: &BrokerAddress) -> Result<(), BrokerError> {
        if self.require_tls && !address.uses_tls {
            return Err(BrokerError::Refused(format!(
                "the login names the broker {address} without TLS, and platform.require_tls is on: switch TLS on at the \
                 broker (rabbitmq.ssl, port 5671), or set platform.require_tls = false"
            )));
        }
        Ok(())
    }

    /// A link to the first node that can be reached. What a node refuses (a password, a queue) its neighbours refuse too.
    async fn open_any(&self, parameters: &RabbitMq, notices: &NoticeSink) -> Result<Opened, BrokerError> {
        let addresses = parameters.addresses();
        let first = self.first.fetch_add(1, Ordering::Relaxed);
        let limit = Duration::from_millis(limits::BROKER_CONNECT_TIMEOUT_MS);
        let mut failed = Vec::new();
        for turn in 0..addresses.len() {
            let number = first.wrapping_add(turn) % addresses.len();
            let address = &addresses[number];
            let opened = tokio::time::timeout(limit, self.establish(address, parameters, notices));
            let late =
                |_| BrokerError::Unreachable(format!("no complete handshake within {} s", limit.as_secs()));
            match opened.await.map_err(late).flatten() {
                Ok(opened) => {
                    self.first.store(number + 1, Ordering::Relaxed);
                    tracing::debug!(broker = %address, "the broker is connected");
                    return Ok(opened);
                }
                Err(BrokerError::Refused(reason)) => return Err(BrokerError::Refused(reason)),
                Err(BrokerError::Unreachable(reason) | BrokerError::Lost(reason)) => {
                    failed.push(format!("{address}: {reason}"));
                }
                Err(other) => return Err(other),
            }
        }
        Err(BrokerError::Unreachable(failed.join("; ")))
    }

    async fn establish(
        &self,
        address: &BrokerAddress,
        parameters: &RabbitMq,
        notices: &NoticeSink,
    ) -> Result<Opened, BrokerError> {
        let connection = self.open(address, parameters, parameters.vhost()).await?;
        prepare_queue(&connection, parameters).await?;
        let mut publishing: Vec<(String, Arc<Connection>)> = Vec::new();
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
                publishing.push((vhost.to_owned(), self.open(address, parameters, vhost).await?));
            }
            let Some((_, connection)) = publishing.iter().find(|(open, _)| open == vhost) else { continue };
            prepare_other(connection, parameters, queue, Use::Replies).await?;
            *publisher = Some(Publisher::new(connection, queue).await?);
        }
        let [replies, fiqa_replies] = publishers;
        for (_, connection) in &publishing {
            tokio::spawn(watch(connection.events_listener().boxed(), Arc::clone(notices)));
        }
        if let Some(queue) = parameters.fiqa_down_queue() {
            prepare_other(&connection, parameters, queue, Use::Commands).await?;
        }
        let publishing = publishing.into_iter().map(|(_, open)| open).collect();
        Ok(Opened { connection, replies, fiqa_replies, publishing })
    }

    async fn open(
        &self,
        address: &BrokerAddress,
        parameters: &RabbitMq,
        vhost: &str,
    ) -> Result<Arc<Connection>, BrokerError> {
        let scheme = if address.uses_tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP };
        let uri = AMQPUri {
            scheme,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: parameters.login.clone(),
                    password: parameters.password.clone(),
                },
                host: address.host.clone(),
                port: address.port,
            },
            vhost: vhost.to_owned(),
            query: AMQPQueryString {
                heartbeat: Some(limits::BROKER_HEARTBEAT_S),
                ..AMQPQueryString::default()
            },
        };
        let properties = ConnectionProperties::default().with_connection_name("menshen".into());
        let tls = if address.uses_tls { Some(self.tls()?) } else { None };
        let connect = async move |uri: AMQPUri, _| Ok(stream::connect(&uri, tls.clone()).await?);
        let opened = Connection::connector(uri, stream::runtime(), connect, properties).await;
        opened.map(Arc::new).map_err(classify)
    }

    fn tls(&self) -> Result<TlsConnector, BrokerError> {
        let Some(path) = &self.ca_file else { return stream::tls(None) };
        let pem = regular_file::read(path).map_err(|no_file| {
            let why = std::io::Error::from(no_file);
            BrokerError::Unreachable(format!("cannot read platform.ca_file {}: {why}", path.display()))
        })?;
        stream::tls(Some(&pem))
    }
}

/// Reports what happens to a connection that only publishes, until it breaks.
async fn watch(mut events: futures_util::stream::BoxStream<'static, Event>, notices: NoticeSink) {
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => notices(BrokerNotice::Blocked(Some(reason))).await,
            Event::ConnectionUnblocked => notices(BrokerNotice::Blocked(None)).await,
            // A channel that publishes is opened again with the next reply.
            Event::Error(error) if is_of_channel(&error) => {}
            Event::Error(error) => return notices(BrokerNotice::Lost(error.to_string())).await,
            _ => {}
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
