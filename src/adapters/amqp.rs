//! RabbitMQ, with lapin.
//!
//! One connection per virtual host, a channel for commands and one for replies. Recovery is the link state
//! machine's work: a connection that breaks says so once and is then thrown away whole.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery as LapinDelivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ExchangeKind,
};
use serde_json::Value;

use crate::core::limits;
use crate::ports::broker::{
    BrokerConnection, BrokerConnector, BrokerError, BrokerNotice, Delivery, NoticeSink,
};
use crate::wire::login::{Exchange, RabbitMq};

/// Persistent delivery mode of AMQP 0-9-1.
const PERSISTENT: u8 = 2;

/// Connects to whatever broker the login document names.
#[derive(Debug, Clone, Copy, Default)]
pub struct AmqpConnector;

impl BrokerConnector for AmqpConnector {
    fn connect(
        &self,
        parameters: RabbitMq,
        notices: NoticeSink,
    ) -> BoxFuture<'_, Result<Arc<dyn BrokerConnection>, BrokerError>> {
        async move {
            let limit = Duration::from_millis(limits::BROKER_CONNECT_TIMEOUT_MS);
            match tokio::time::timeout(limit, establish(&parameters, notices)).await {
                Ok(Ok(link)) => Ok(Arc::new(link) as Arc<dyn BrokerConnection>),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(BrokerError::Unreachable(format!(
                    "{}:{} did not complete the handshake within {} s",
                    parameters.host,
                    parameters.port,
                    limit.as_secs()
                ))),
            }
        }
        .boxed()
    }
}

/// An established link; the connections live as long as it does.
struct AmqpLink {
    commands: Channel,
    replies: Option<(Channel, String)>,
    connections: Vec<Connection>,
}

async fn establish(parameters: &RabbitMq, notices: NoticeSink) -> Result<AmqpLink, BrokerError> {
    let connection = open(parameters, parameters.vhost()).await?;
    prepare_queue(&connection, parameters).await?;
    let commands = connection.create_channel().await.map_err(classify)?;
    commands.basic_qos(limits::COMMAND_PREFETCH, BasicQosOptions::default()).await.map_err(classify)?;
    let mut connections = vec![connection];
    let replies = match parameters.upload_queue() {
        None => None,
        Some(queue) => {
            if parameters.upload_vhost() != parameters.vhost() {
                connections.push(open(parameters, parameters.upload_vhost()).await?);
            }
            let connection =
                connections.last().ok_or_else(|| BrokerError::Lost("no connection".to_owned()))?;
            declare_queue(connection, queue).await?;
            let channel = connection.create_channel().await.map_err(classify)?;
            channel.confirm_select(ConfirmSelectOptions::default()).await.map_err(classify)?;
            Some((channel, queue.to_owned()))
        }
    };
    let consumer = commands
        .basic_consume(
            parameters.queue.as_str().into(),
            "menshen".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(classify)?;
    tokio::spawn(forward(consumer, notices));
    Ok(AmqpLink { commands, replies, connections })
}

/// Hands deliveries on until the connection breaks, and says so.
async fn forward(mut consumer: Consumer, notices: NoticeSink) {
    let reason = loop {
        match consumer.next().await {
            Some(Ok(LapinDelivery { delivery_tag, redelivered, data, .. })) => {
                let delivery = Delivery { tag: delivery_tag, body: data.into(), redelivered };
                notices(BrokerNotice::Delivery(delivery)).await;
            }
            Some(Err(error)) => break error.to_string(),
            None => break "the broker ended the consumer".to_owned(),
        }
    };
    notices(BrokerNotice::Lost(reason)).await;
}

async fn open(parameters: &RabbitMq, vhost: &str) -> Result<Connection, BrokerError> {
    let uri = AMQPUri {
        scheme: AMQPScheme::AMQP,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: parameters.login.clone(),
                password: parameters.password.clone(),
            },
            host: parameters.host.clone(),
            port: parameters.port,
        },
        vhost: vhost.to_owned(),
        query: AMQPQueryString { heartbeat: Some(limits::BROKER_HEARTBEAT_S), ..AMQPQueryString::default() },
    };
    let properties = ConnectionProperties::default().with_connection_name("menshen".into());
    Connection::connect_uri(uri, properties).await.map_err(classify)
}

/// Declares the exchange and the queue and binds them, each step on a channel of its own, since a refused
/// declaration closes its channel.
async fn prepare_queue(connection: &Connection, parameters: &RabbitMq) -> Result<(), BrokerError> {
    let Some(exchange) = parameters.exchange.as_ref().filter(|_| parameters.binds_exchange()) else {
        return passive_queue(connection, &parameters.queue).await;
    };
    declare_exchange(connection, exchange).await?;
    declare_queue(connection, &parameters.queue).await?;
    let routing_key = exchange.routing_key.as_deref().unwrap_or(&parameters.queue);
    let channel = connection.create_channel().await.map_err(classify)?;
    channel
        .queue_bind(
            parameters.queue.as_str().into(),
            exchange.name.as_str().into(),
            routing_key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(classify)?;
    close_quietly(channel).await;
    Ok(())
}

async fn declare_exchange(connection: &Connection, exchange: &Exchange) -> Result<(), BrokerError> {
    let kind = match exchange.kind.to_ascii_lowercase().as_str() {
        "direct" => ExchangeKind::Direct,
        "topic" => ExchangeKind::Topic,
        "fanout" => ExchangeKind::Fanout,
        "headers" => ExchangeKind::Headers,
        other => ExchangeKind::Custom(other.to_owned()),
    };
    let declare = |passive| {
        let options = ExchangeDeclareOptions {
            passive,
            durable: exchange.durable.unwrap_or(false),
            auto_delete: exchange.auto_delete.unwrap_or(false),
            ..ExchangeDeclareOptions::default()
        };
        (kind.clone(), options, arguments(exchange))
    };
    for passive in [exchange.passive.unwrap_or(false), true] {
        let (kind, options, arguments) = declare(passive);
        let channel = connection.create_channel().await.map_err(classify)?;
        match channel.exchange_declare(exchange.name.as_str().into(), kind, options, arguments).await {
            Ok(()) => {
                close_quietly(channel).await;
                return Ok(());
            }
            // It exists with other arguments: it is used as it is.
            Err(error) if !passive && is_mismatch(&error) => {
                tracing::warn!(exchange = %exchange.name, %error, "exchange exists with other arguments, using it as it is");
            }
            Err(error) => return Err(classify(error)),
        }
    }
    Ok(())
}

/// Declares a durable queue, or takes the one that is there, whatever its arguments.
async fn declare_queue(connection: &Connection, queue: &str) -> Result<(), BrokerError> {
    let channel = connection.create_channel().await.map_err(classify)?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    match channel.queue_declare(queue.into(), options, FieldTable::default()).await {
        Ok(_) => {
            close_quietly(channel).await;
            Ok(())
        }
        Err(error) if is_mismatch(&error) => {
            tracing::warn!(queue, %error, "queue exists with other arguments, using it as it is");
            passive_queue(connection, queue).await
        }
        Err(error) => Err(classify(error)),
    }
}

async fn passive_queue(connection: &Connection, queue: &str) -> Result<(), BrokerError> {
    let channel = connection.create_channel().await.map_err(classify)?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.map_err(classify)?;
    close_quietly(channel).await;
    Ok(())
}

async fn close_quietly(channel: Channel) {
    // A channel that is no longer needed; if closing it fails the connection is gone, which the consumer tells.
    if let Err(error) = channel.close(200, "done".into()).await {
        tracing::debug!(%error, "closing a helper channel");
    }
}

fn arguments(exchange: &Exchange) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in exchange.arguments.iter().flatten() {
        let value = match value {
            Value::Bool(on) => AMQPValue::Boolean(*on),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => AMQPValue::LongLongInt(integer),
                None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                tracing::warn!(key, "exchange argument of a kind that is not passed on");
                continue;
            }
        };
        table.insert(key.as_str().into(), value);
    }
    table
}

/// 406 PRECONDITION_FAILED: declared before with other arguments.
fn is_mismatch(error: &lapin::Error) -> bool {
    amqp_code(error) == Some(406)
}

fn amqp_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// An AMQP reply code means that the broker was there and said no (403 access refused, 404 not found,
/// 530 not allowed); anything else that it could not be talked to. 320 is a broker shutting down.
fn classify(error: lapin::Error) -> BrokerError {
    match amqp_code(&error) {
        Some(320) | None => BrokerError::Unreachable(error.to_string()),
        Some(_) => BrokerError::Refused(error.to_string()),
    }
}

fn lost(error: lapin::Error) -> BrokerError {
    BrokerError::Lost(error.to_string())
}

impl BrokerConnection for AmqpLink {
    fn reply(&self, body: Vec<u8>) -> BoxFuture<'_, Result<(), BrokerError>> {
        async move {
            let Some((channel, queue)) = &self.replies else {
                return Err(BrokerError::Refused("the login named no uploadQueue".to_owned()));
            };
            let properties = BasicProperties::default()
                .with_delivery_mode(PERSISTENT)
                .with_content_type("application/json".into());
            let publish = async {
                channel
                    .basic_publish(
                        "".into(),
                        queue.as_str().into(),
                        // Mandatory: a queue that was deleted meanwhile must not swallow the reply.
                        BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
                        &body,
                        properties,
                    )
                    .await
                    .map_err(lost)?
                    .await
                    .map_err(lost)
            };
            let limit = Duration::from_millis(limits::BROKER_CONFIRM_TIMEOUT_MS);
            match tokio::time::timeout(limit, publish).await {
                Ok(Ok(Confirmation::Ack(None))) => Ok(()),
                Ok(Ok(Confirmation::Ack(Some(_)))) => {
                    Err(BrokerError::Refused(format!("queue {queue} is gone")))
                }
                Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
                    Err(BrokerError::Refused("the broker did not take the reply".to_owned()))
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Err(BrokerError::Lost("no publisher confirm in time".to_owned())),
            }
        }
        .boxed()
    }

    fn ack(&self, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>> {
        async move { self.commands.basic_ack(tag, BasicAckOptions::default()).await.map_err(lost) }.boxed()
    }

    fn requeue(&self, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>> {
        async move {
            let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            self.commands.basic_nack(tag, options).await.map_err(lost)
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            for connection in &self.connections {
                if let Err(error) = connection.close(200, "bye".into()).await {
                    tracing::debug!(%error, "closing the broker connection");
                }
            }
        }
        .boxed()
    }
}
