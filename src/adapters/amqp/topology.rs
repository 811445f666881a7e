//! What is declared on the broker, and how foreign declarations are lived with.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString};
use lapin::{Channel, Connection, ExchangeKind};
use serde_json::{Map, Value};

use super::error::{amqp_code, classify};
use crate::ports::broker::BrokerError;
use menshen_protocol::login::{Exchange, RabbitMq};

/// What the broker answers for a queue that is not there.
const NOT_FOUND: u16 = 404;

/// Declares the exchange and the queue and binds them, each step on a channel of its own, since a refused
/// declaration closes its channel.
pub async fn prepare_queue(connection: &Connection, parameters: &RabbitMq) -> Result<(), BrokerError> {
    let Some(exchange) = parameters.exchange.as_ref().filter(|_| parameters.binds_exchange()) else {
        return passive_queue(connection, &parameters.queue).await;
    };
    declare_queue(connection, &parameters.queue, Use::Commands).await?;
    if exchange.name.is_empty() {
        // The default exchange: it is there, and every queue is bound to it by name.
        return Ok(());
    }
    declare_exchange(connection, exchange).await?;
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
    let kind = match exchange.kind.trim().to_ascii_lowercase().as_str() {
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
    let mut refused = None;
    for passive in [exchange.passive.unwrap_or(false), true] {
        let (kind, options, arguments) = declare(passive);
        let channel = connection.create_channel().await.map_err(classify)?;
        match channel.exchange_declare(exchange.name.as_str().into(), kind, options, arguments).await {
            Ok(()) => {
                close_quietly(channel).await;
                return Ok(());
            }
            Err(error) if !passive && may_be_there(&error) => {
                tracing::warn!(exchange = %exchange.name, %error, "the exchange cannot be declared, using the one that is there");
                refused = Some(error);
            }
            // It is not there either: why it could not be declared is the reason, a type nobody knows for one.
            Err(error) => return Err(classify(or_before(error, refused))),
        }
    }
    Ok(())
}

/// A queue besides the command queue. Where the platform asks for nothing to be declared, it must be there.
pub async fn prepare_other(
    connection: &Connection,
    parameters: &RabbitMq,
    queue: &str,
    used_for: Use,
) -> Result<(), BrokerError> {
    if parameters.binds_exchange() {
        declare_queue(connection, queue, used_for).await
    } else {
        passive_queue(connection, queue).await
    }
}

/// What a queue is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The box consumes it: its type decides what becomes of commands that are delivered again.
    Commands,
    /// The platform consumes it, and may declare it in its own way.
    Replies,
}

/// Takes the queue that is there, whatever its arguments, or declares a durable one.
async fn declare_queue(connection: &Connection, queue: &str, used_for: Use) -> Result<(), BrokerError> {
    match count_consumers(connection, queue).await {
        Ok(_) => return Ok(()),
        Err(error) if amqp_code(&error) == Some(NOT_FOUND) => {}
        // Not even to be asked for by this user, or held by another connection: what follows says it better.
        Err(error) if may_be_there(&error) => {
            tracing::warn!(queue, %error, "the queue cannot be asked for, declaring it");
        }
        Err(error) => return Err(classify(error)),
    }
    let mut refused = None;
    for arguments in queue_arguments(used_for) {
        let channel = connection.create_channel().await.map_err(classify)?;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), options, arguments).await {
            Ok(_) => {
                close_quietly(channel).await;
                return Ok(());
            }
            Err(error) if may_be_there(&error) => refused = Some(error),
            Err(error) => return Err(classify(error)),
        }
    }
    if let Some(error) = &refused {
        tracing::warn!(queue, %error, "the queue cannot be declared, using the one that is there");
    }
    count_consumers(connection, queue).await.map(drop).map_err(|error| classify(or_before(error, refused)))
}

/// `before` where `error` only says that there is nothing.
fn or_before(error: lapin::Error, before: Option<lapin::Error>) -> lapin::Error {
    match before {
        Some(before) if amqp_code(&error) == Some(NOT_FOUND) => before,
        _ => error,
    }
}

/// A command is never given up for having been delivered too often. From RabbitMQ 4 on a quorum queue that is not told so
/// gives it up after twenty times, and `-1` means "never" there; 3.10 takes `-1` as well, and then gives a command up at its
/// second delivery (`findings/rabbitmq-quorum-delivery-limit.sh`). A number nobody reaches means the same everywhere.
const DELIVERY_LIMIT: i32 = i32::MAX;

/// Arguments to declare a queue with, the best first; where a broker has no quorum queues, a classic one.
fn queue_arguments(used_for: Use) -> Vec<FieldTable> {
    let typed = |kind: &str| {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from(kind)));
        arguments
    };
    match used_for {
        Use::Replies => vec![FieldTable::default()],
        Use::Commands => {
            let mut unlimited = typed("quorum");
            unlimited.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
            vec![unlimited, typed("classic"), FieldTable::default()]
        }
    }
}

async fn passive_queue(connection: &Connection, queue: &str) -> Result<(), BrokerError> {
    count_consumers(connection, queue).await.map(drop).map_err(classify)
}

/// Consumers of a queue that must be there.
pub async fn consumers_of(connection: &Connection, queue: &str) -> Result<u32, BrokerError> {
    count_consumers(connection, queue).await.map_err(classify)
}

async fn count_consumers(connection: &Connection, queue: &str) -> Result<u32, lapin::Error> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    close_quietly(channel).await;
    Ok(found.consumer_count())
}

async fn close_quietly(channel: Channel) {
    // A channel that is no longer needed; if closing it fails the connection is gone, which the consumer reports.
    if let Err(error) = channel.close(200, "done".into()).await {
        tracing::debug!(%error, "a helper channel could not be closed");
    }
}

fn arguments(exchange: &Exchange) -> FieldTable {
    exchange.arguments.as_ref().map(table).unwrap_or_default()
}

fn table(fields: &Map<String, Value>) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in fields {
        table.insert(key.as_str().into(), amqp_value(value));
    }
    table
}

fn amqp_value(value: &Value) -> AMQPValue {
    match value {
        Value::Null => AMQPValue::Void,
        Value::Bool(on) => AMQPValue::Boolean(*on),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => AMQPValue::LongLongInt(integer),
            None => AMQPValue::Double(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Value::Array(values) => {
            AMQPValue::FieldArray(FieldArray::from(values.iter().map(amqp_value).collect::<Vec<_>>()))
        }
        Value::Object(fields) => AMQPValue::FieldTable(table(fields)),
    }
}

/// It was declared before with other arguments (406), or this user may only use what is there (403), or it is
/// another connection's own (405): then it is used as it is, if it is there.
fn may_be_there(error: &lapin::Error) -> bool {
    matches!(amqp_code(error), Some(403 | 405 | 406))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_keep_their_types() {
        let Value::Object(fields) =
            json!({ "n": 60_000, "s": "x", "b": true, "f": 0.5, "l": [1, "a"], "t": { "k": null } })
        else {
            panic!("an object")
        };
        let table = table(&fields);
        let value = |key: &str| table.inner().get(key).cloned().unwrap();
        assert_eq!(value("n"), AMQPValue::LongLongInt(60_000));
        assert_eq!(value("b"), AMQPValue::Boolean(true));
        assert_eq!(value("f"), AMQPValue::Double(0.5));
        assert_eq!(value("s"), AMQPValue::LongString(LongString::from("x")));
        assert!(matches!(value("l"), AMQPValue::FieldArray(list) if list.as_slice().len() == 2));
        assert!(matches!(value("t"), AMQPValue::FieldTable(inner) if inner.inner()["k"] == AMQPValue::Void));
    }
}
