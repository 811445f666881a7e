//! Publishing replies into one queue, with confirms.
//!
//! What goes wrong with a reply concerns the channel it was published on: the broker closes that for a missing
//! permission or a message that is too long, and answers a full queue with a nack. A new channel is opened for the next
//! try; the connection, and the consumer's even more, stay. On a quorum queue every end of the consumer's
//! connection counts as a failed delivery of all it held, and twenty are the end of a command.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::Mutex;

use super::error::{amqp_code, classify, is_too_long, longest_message, lost};
use crate::ports::broker::BrokerError;
use menshen_domain::limits;

/// Persistent delivery mode of AMQP 0-9-1.
const PERSISTENT: u8 = 2;

/// Publishes into one queue and waits for confirms.
pub struct Publisher {
    connection: Arc<Connection>,
    /// Absent after an error on it.
    channel: Mutex<Option<Channel>>,
    queue: String,
}

impl Publisher {
    pub async fn new(connection: &Arc<Connection>, queue: &str) -> Result<Self, BrokerError> {
        let channel = open(connection).await.map_err(classify)?;
        Ok(Self {
            connection: Arc::clone(connection),
            channel: Mutex::new(Some(channel)),
            queue: queue.to_owned(),
        })
    }

    /// One try. [`BrokerError::NotTaken`] and [`BrokerError::TooLong`] leave the connection as good as it was.
    pub async fn publish(&self, body: &[u8]) -> Result<(), BrokerError> {
        let channel = self.channel().await?;
        let error = match self.confirmed(&channel, body).await {
            Ok(Confirmation::Ack(None)) => return Ok(()),
            Ok(Confirmation::Ack(Some(_))) => {
                return Err(BrokerError::NotTaken(format!("queue {} is not there", self.queue)));
            }
            Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => {
                // A quorum queue of RabbitMQ 3.10 whose limit is lifted goes on refusing those it had told that it was full.
                self.forget(&channel).await;
                return Err(BrokerError::NotTaken(format!("queue {} is full", self.queue)));
            }
            Err(error) => error,
        };
        // Whatever it was, this channel is not to be trusted any more.
        self.forget(&channel).await;
        if let Some(error) = error.as_ref().filter(|error| amqp_code(error).is_none()) {
            tracing::debug!(%error, "the channel of replies broke");
        }
        match error {
            _ if !self.connection.status().connected() => Err(match error {
                Some(error) => lost(error),
                None => BrokerError::Lost("no publisher confirm in time".to_owned()),
            }),
            Some(error) if is_too_long(&error) => {
                Err(BrokerError::TooLong { max_bytes: longest_message(&error.to_string()) })
            }
            Some(error) => Err(BrokerError::NotTaken(error.to_string())),
            None => {
                close(channel).await;
                Err(BrokerError::NotTaken("no publisher confirm in time".to_owned()))
            }
        }
    }

    /// The confirm; `Err(None)` when there was none in time.
    async fn confirmed(&self, channel: &Channel, body: &[u8]) -> Result<Confirmation, Option<lapin::Error>> {
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into());
        // Mandatory: a queue that was deleted meanwhile must not swallow the reply.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let publish = async {
            channel
                .basic_publish("".into(), self.queue.as_str().into(), options, body, properties)
                .await?
                .await
        };
        tokio::pin!(publish);
        let limit = Duration::from_millis(limits::BROKER_CONFIRM_TIMEOUT_MS);
        loop {
            match tokio::time::timeout(limit, &mut publish).await {
                Ok(confirmation) => return confirmation.map_err(Some),
                // A blocked broker confirms later; one that is gone is found by the heartbeat.
                Err(_) if self.connection.status().blocked() => {}
                Err(_) => return Err(None),
            }
        }
    }

    /// The next reply gets a new channel; one that has been opened meanwhile stays.
    async fn forget(&self, channel: &Channel) {
        let mut kept = self.channel.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.id() == channel.id()) {
            *kept = None;
        }
    }

    async fn channel(&self) -> Result<Channel, BrokerError> {
        let mut kept = self.channel.lock().await;
        if let Some(channel) = kept.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let limit = Duration::from_millis(limits::BROKER_CONNECT_TIMEOUT_MS);
        let channel = match tokio::time::timeout(limit, open(&self.connection)).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(lost(error)),
            Err(_) => return Err(BrokerError::Lost("the broker opens no channel in time".to_owned())),
        };
        *kept = Some(channel.clone());
        Ok(channel)
    }
}

async fn open(connection: &Connection) -> Result<Channel, lapin::Error> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// A confirm that comes late after all must not be taken for that of the next try.
async fn close(channel: Channel) {
    let limit = Duration::from_millis(limits::EXCLUSIVE_RETRY_MS);
    if tokio::time::timeout(limit, channel.close(200, "no confirm".into())).await.is_err() {
        tracing::debug!("the channel of replies could not be closed");
    }
}
