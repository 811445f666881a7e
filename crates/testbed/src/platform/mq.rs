//! The platform's broker side: commands out, replies into the ledger.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use tokio::sync::oneshot;

use super::state::{ReplyQueue, State};

/// Where commands are published.
pub const EXCHANGE: &str = "menshen.sim";
/// What commands are published with.
pub const ROUTING_KEY: &str = "box.commands";
/// The queue of the box.
pub const COMMANDS: &str = "box.down";
/// The queue of replies.
pub const REPLIES: &str = "box.up";
/// Shared by all boxes of the platform.
pub const FIQA_COMMANDS: &str = "fiqa.down";
/// Shared by all boxes of the platform.
pub const FIQA_REPLIES: &str = "fiqa.up";

/// A broker that is being restarted comes back within this.
const PUBLISH_WITHIN: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_millis(300);
/// One try to publish, or to delete.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);
/// The handshake and the declarations of one node; a cluster has others.
const CONNECT_WITHIN: Duration = Duration::from_secs(6);

type Job = (Vec<u8>, Sender<Result<()>>);

/// A thread with its own runtime that publishes and collects.
pub struct MqSide {
    jobs: tokio::sync::mpsc::UnboundedSender<Job>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A way to publish that does not hold the side itself.
pub struct Jobs(tokio::sync::mpsc::UnboundedSender<Job>);

impl Jobs {
    /// Returns when the broker has confirmed; an error leaves open whether it has the message.
    ///
    /// # Errors
    /// When the broker did not confirm it; it may have it all the same.
    pub fn publish(&self, body: Vec<u8>) -> Result<()> {
        let (answer, answered) = mpsc::channel();
        self.0.send((body, answer)).ok().context("the platform is stopped")?;
        answered.recv().ok().context("the platform is stopped")?
    }
}

impl MqSide {
    /// Declares the queues and collects replies until it is stopped.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(state: Arc<State>) -> Result<Self> {
        let (jobs, mut waiting) = tokio::sync::mpsc::unbounded_channel::<Job>();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("sim-mq".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let publish = async {
                    while let Some((body, answer)) = waiting.recv().await {
                        let _ = answer.send(publish_until_confirmed(&state, body).await);
                    }
                };
                tokio::select! {
                    () = publish => {}
                    () = collect_replies(&state) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { jobs, stop: Some(stop), thread: Some(thread) })
    }

    /// A way to publish.
    pub fn jobs(&self) -> Jobs {
        Jobs(self.jobs.clone())
    }

    /// Ends the thread.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// To the node that was reached last, or the first after it that can be reached.
async fn connect(state: &State) -> lapin::Result<(Connection, Channel)> {
    let ports: Vec<u16> = std::iter::once(state.config.broker_port)
        .chain(state.config.more_broker_ports.iter().copied())
        .collect();
    let first = state.node.load(Ordering::Relaxed);
    for turn in 0..ports.len() {
        let node = (first + turn) % ports.len();
        let connected = tokio::time::timeout(CONNECT_WITHIN, connect_to(state, ports[node])).await;
        match connected {
            Ok(Err(error)) if turn + 1 == ports.len() => return Err(error),
            Ok(Err(_)) | Err(_) => {}
            Ok(Ok(connected)) => {
                state.node.store(node, Ordering::Relaxed);
                return Ok(connected);
            }
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "no node of the broker answers").into())
}

async fn connect_to(state: &State, port: u16) -> lapin::Result<(Connection, Channel)> {
    // A node that is frozen shows it only by its heartbeats.
    let uri = format!("amqp://guest:guest@127.0.0.1:{port}/%2f?heartbeat=5");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Direct, exchange, FieldTable::default()).await?;
    channel.queue_declare(COMMANDS.into(), durable, queue_arguments(state)).await?;
    if *state.reply_queue.borrow() != ReplyQueue::Gone {
        channel.queue_declare(REPLIES.into(), durable, queue_arguments(state)).await?;
    }
    if state.config.fiqa {
        for queue in [FIQA_COMMANDS, FIQA_REPLIES] {
            channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
        }
    }
    let bind = QueueBindOptions::default();
    channel
        .queue_bind(COMMANDS.into(), EXCHANGE.into(), ROUTING_KEY.into(), bind, FieldTable::default())
        .await?;
    Ok((connection, channel))
}

fn queue_arguments(state: &State) -> FieldTable {
    let mut arguments = FieldTable::default();
    if let Some(kind) = &state.config.queue_type {
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.as_str().into()));
    }
    arguments
}

/// Deletes the reply queue with all that is in it; for callers outside any runtime.
///
/// # Errors
/// When the broker does not do so within ten seconds.
pub fn delete_replies(state: &State) -> Result<()> {
    let deleted = async {
        let (connection, channel) = connect(state).await?;
        channel.queue_delete(REPLIES.into(), QueueDeleteOptions::default()).await?;
        connection.close(200, "done".into()).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(async { tokio::time::timeout(ATTEMPT_WITHIN, deleted).await }) {
        Ok(result) => result.map_err(|error: lapin::Error| error.into()),
        Err(_) => bail!("the broker does not answer"),
    }
}

/// One try, on a connection of its own.
///
/// # Errors
/// When the broker does not confirm it within ten seconds.
pub async fn publish_once(state: &State, body: Vec<u8>) -> Result<()> {
    publish_to(state, EXCHANGE, ROUTING_KEY, vec![body]).await
}

/// One try over the FIQA queue.
///
/// # Errors
/// When the broker does not confirm it within ten seconds.
pub async fn publish_fiqa_once(state: &State, body: Vec<u8>) -> Result<()> {
    publish_to(state, "", FIQA_COMMANDS, vec![body]).await
}

/// Publishes to the FIQA queue and waits for the confirms; for callers outside any runtime.
///
/// # Errors
/// When the broker does not confirm all of them within ten seconds.
pub fn publish_fiqa(state: &State, bodies: Vec<Vec<u8>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(publish_to(state, "", FIQA_COMMANDS, bodies))
}

async fn publish_to(state: &State, exchange: &str, routing_key: &str, bodies: Vec<Vec<u8>>) -> Result<()> {
    let attempt = async {
        let (connection, channel) = connect(state).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let properties = BasicProperties::default().with_delivery_mode(2);
        // Mandatory: what no queue takes is confirmed like all else.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let mut confirms = Vec::new();
        for body in &bodies {
            let to = (exchange.into(), routing_key.into());
            confirms.push(channel.basic_publish(to.0, to.1, options, body, properties.clone()).await?);
        }
        for confirm in confirms {
            match confirm.await? {
                Confirmation::Ack(None) => {}
                refused => bail!("the broker does not take it: {refused:?}"),
            }
        }
        connection.close(200, "done".into()).await.map_err(anyhow::Error::from)
    };
    match tokio::time::timeout(ATTEMPT_WITHIN, attempt).await {
        Ok(result) => result,
        Err(_) => bail!("the broker does not answer"),
    }
}

async fn publish_until_confirmed(state: &State, body: Vec<u8>) -> Result<()> {
    let started = std::time::Instant::now();
    loop {
        match publish_once(state, body.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > PUBLISH_WITHIN => return Err(error),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// For ever: whatever comes is in the ledger before it is acknowledged.
async fn collect_replies(state: &State) {
    let mut wanted = state.reply_queue.subscribe();
    loop {
        if wanted.wait_for(|queue| *queue == ReplyQueue::Collected).await.is_err() {
            return;
        }
        if let Ok((connection, channel)) = connect(state).await {
            let queues = if state.config.fiqa { &[REPLIES, FIQA_REPLIES][..] } else { &[REPLIES] };
            let mut collecting = Vec::new();
            for queue in queues {
                collecting.push(collect_from(state, &channel, queue));
            }
            // Both end with the connection.
            tokio::select! {
                _ = futures_util::future::join_all(collecting) => {}
                _ = wanted.wait_for(|queue| *queue != ReplyQueue::Collected) => {}
            }
            drop(connection);
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn collect_from(state: &State, channel: &Channel, queue: &'static str) {
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue.into(), queue.into(), options, FieldTable::default()).await;
    let Ok(mut consumer) = consumer else { return };
    while let Some(Ok(delivery)) = consumer.next().await {
        let body = serde_json::from_slice(&delivery.data).unwrap_or_else(|_| Value::from("not JSON"));
        state.ledger.add("reply", queue, 0, body);
        if delivery.ack(BasicAckOptions::default()).await.is_err() {
            break;
        }
    }
}
