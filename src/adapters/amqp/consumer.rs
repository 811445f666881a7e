//! Consuming: alone where it is the box's own queue, and after whoever held it before.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery as LapinDelivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, Consumer};

use super::error::{amqp_code, classify};
use super::topology::consumers_of;
use crate::ports::broker::{BrokerError, BrokerNotice, Delivery, NoticeSink, QueuePair};
use menshen_domain::limits;

/// What the broker answers an exclusive consumer of a queue that has one.
const ACCESS_REFUSED: u16 = 403;

/// Consumes the command queue as its only consumer.
///
/// After a connection that broke without a word the broker still holds what it had delivered there, until it misses
/// the heartbeats. A second consumer would get later commands first. Quorum queues do not refuse one that asks to be
/// exclusive, so the queue is asked for its consumers before; classic ones do (403), which also decides between two boxes
/// that come in the same moment. Once the old consumer is gone, its commands are back at the head of the queue. A queue
/// that others consume for longer than [`limits::EXCLUSIVE_WAIT_MS`] is shared on purpose, and is shared.
pub async fn consume_alone(
    connection: &Connection,
    queue: &str,
    notices: &NoticeSink,
) -> Result<Channel, BrokerError> {
    let began = tokio::time::Instant::now();
    let limit = Duration::from_millis(limits::EXCLUSIVE_WAIT_MS);
    let mut is_logged = false;
    while began.elapsed() < limit {
        if consumers_of(connection, queue).await? == 0 {
            match consume(connection, QueuePair::Commands, queue, true, notices).await {
                Ok(channel) => return Ok(channel),
                Err(error) if amqp_code(&error) != Some(ACCESS_REFUSED) => return Err(classify(error)),
                // Nobody is there, and still it may not be exclusive: a queue with a single active consumer.
                Err(_) if consumers_of(connection, queue).await? == 0 => {
                    return consume(connection, QueuePair::Commands, queue, false, notices)
                        .await
                        .map_err(classify);
                }
                Err(_) => {}
            }
        }
        if !std::mem::replace(&mut is_logged, true) {
            tracing::warn!(queue, "the command queue has another consumer: waiting for its end");
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

pub async fn consume(
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
            Some(Ok(LapinDelivery { delivery_tag, redelivered, properties, data, .. })) => {
                let failed_before = properties.headers().as_ref().map_or(0, failed_deliveries);
                let (tag, body) = (delivery_tag, data.into());
                let delivery = Delivery { from, tag, body, redelivered, failed_before };
                notices(BrokerNotice::Delivery(delivery)).await;
            }
            Some(Err(error)) => break error.to_string(),
            None => break "the broker ended the consumer".to_owned(),
        }
    };
    notices(BrokerNotice::Lost(reason)).await;
}

/// What a quorum queue says of a message that was delivered before.
fn failed_deliveries(headers: &FieldTable) -> u64 {
    let count = match headers.inner().get("x-delivery-count") {
        Some(AMQPValue::LongLongInt(count)) => *count,
        Some(AMQPValue::LongInt(count)) => i64::from(*count),
        Some(AMQPValue::LongUInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortUInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortInt(count)) => i64::from(*count),
        Some(AMQPValue::ShortShortUInt(count)) => i64::from(*count),
        _ => 0,
    };
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_deliveries_are_read_in_every_width() {
        let headers = |value: AMQPValue| {
            let mut headers = FieldTable::default();
            headers.insert("x-delivery-count".into(), value);
            failed_deliveries(&headers)
        };
        for value in [
            AMQPValue::LongLongInt(12),
            AMQPValue::LongInt(12),
            AMQPValue::LongUInt(12),
            AMQPValue::ShortUInt(12),
        ] {
            assert_eq!(headers(value.clone()), 12, "{value:?}");
        }
        assert_eq!(headers(AMQPValue::LongLongInt(-1)), 0);
        assert_eq!(headers(AMQPValue::LongString("12".into())), 0);
        assert_eq!(failed_deliveries(&FieldTable::default()), 0);
    }
}
