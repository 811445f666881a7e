//! A hand at the broker for tests: declares, publishes and gets beside platform and box.

use std::time::{Duration, Instant};

use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use serde_json::{Value, json};

const CLOSED_WITHIN: Duration = Duration::from_secs(2);

/// A channel of user guest on one virtual host; work on it is waited for.
pub struct Hand {
    runtime: tokio::runtime::Runtime,
    channel: Channel,
    uri: String,
    _connection: Connection,
}

impl Hand {
    pub fn new(port: u16, vhost: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let vhost = vhost.replace('/', "%2f");
        let uri = format!("amqp://guest:guest@127.0.0.1:{port}/{vhost}");
        let (channel, connection) = runtime.block_on(async {
            let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
            (connection.create_channel().await.unwrap(), connection)
        });
        Self { runtime, channel, uri, _connection: connection }
    }

    pub fn exchange(&self, name: &str, kind: ExchangeKind) {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let declared = self.channel.exchange_declare(name.into(), kind, options, FieldTable::default());
        self.runtime.block_on(declared).unwrap();
    }

    /// A queue with an argument the box does not know of.
    pub fn queue(&self, name: &str) {
        self.queue_with(name, &json!({ "x-max-length": 10_000 }));
    }

    /// A queue with these arguments: texts and integers.
    pub fn queue_with(&self, name: &str, given: &Value) {
        let mut arguments = FieldTable::default();
        for (key, value) in given.as_object().unwrap() {
            let value = match value.as_str() {
                Some(text) => AMQPValue::LongString(text.into()),
                None => AMQPValue::LongLongInt(value.as_i64().unwrap_or(1)),
            };
            let value = if given[key] == true { AMQPValue::Boolean(true) } else { value };
            arguments.insert(key.as_str().into(), value);
        }
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.runtime.block_on(self.channel.queue_declare(name.into(), options, arguments)).unwrap();
    }

    pub fn delete(&self, queue: &str) {
        let deleted = self.channel.queue_delete(queue.into(), QueueDeleteOptions::default());
        self.runtime.block_on(deleted).unwrap();
    }

    /// On a connection of its own: publishing to an exchange that is not there yet is an error on it.
    pub fn publish(&self, exchange: &str, key: &str, command: &Value) {
        let body = command.to_string().into_bytes();
        let properties = BasicProperties::default().with_delivery_mode(2);
        self.runtime.block_on(async {
            let options = BasicPublishOptions::default();
            let connection = Connection::connect(&self.uri, ConnectionProperties::default()).await.unwrap();
            let channel = connection.create_channel().await.unwrap();
            let published = channel.basic_publish(exchange.into(), key.into(), options, &body, properties);
            published.await.unwrap();
            // An error says that there is no such exchange; when the broker closes the channel for that in the same moment,
            // the client waits for an answer that never comes.
            let _ = tokio::time::timeout(CLOSED_WITHIN, channel.close(200, "done".into())).await;
            let _ = tokio::time::timeout(CLOSED_WITHIN, connection.close(200, "done".into())).await;
        });
    }

    /// Consumes a queue and keeps what comes, unacknowledged, until this hand is dropped.
    pub fn hold(&self, queue: &str) -> Consumer {
        let options = BasicConsumeOptions::default();
        self.runtime
            .block_on(self.channel.basic_consume(queue.into(), "old".into(), options, FieldTable::default()))
            .unwrap()
    }

    /// The next message of a queue; `None` when none comes in time.
    pub fn get(&self, queue: &str, limit: Duration) -> Option<Value> {
        let began = Instant::now();
        while began.elapsed() < limit {
            let options = BasicGetOptions { no_ack: true };
            let got = self.runtime.block_on(self.channel.basic_get(queue.into(), options)).unwrap();
            if let Some(message) = got {
                return Some(serde_json::from_slice(&message.delivery.data).unwrap());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        None
    }
}
