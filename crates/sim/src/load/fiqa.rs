//! Photos to be checked, at a steady rate whatever becomes of them, and how long their answers took.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::{Value, json};

use menshen_testbed::platform::ledger::{Ledger, now_ms};
use menshen_testbed::platform::mq::FIQA_COMMANDS;
use menshen_testbed::statistics::percentile;

/// The last requests are waited for this long.
const LAST_ANSWERS: Duration = Duration::from_secs(20);

/// Requests being sent on a thread of their own.
pub struct FiqaLoad {
    stop: Arc<AtomicBool>,
    /// Ends with the times each request was sent.
    thread: JoinHandle<Result<HashMap<String, u64>>>,
}

impl FiqaLoad {
    pub fn start(broker_port: u16, per_s: f64, photos: &[Vec<u8>]) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let texts: Vec<String> =
            photos.iter().take(50).map(|photo| base64::prelude::BASE64_STANDARD.encode(photo)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("load-fiqa".to_owned()).spawn(move || {
            let every = Duration::from_secs_f64(1.0 / per_s);
            Ok(runtime.block_on(send(broker_port, every, &texts, &stopped))?)
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends the requests and waits for the last answers.
    pub fn stop(self, ledger: &Ledger) -> Result<FiqaTimes> {
        self.stop.store(true, Ordering::Release);
        let sent = self.thread.join().ok().context("the thread that sends photos panicked")??;
        let is_answer = |body: &Value| body["messageId"].as_str().and_then(|id| sent.get(id)).copied();
        let answers = ledger.wait_count(LAST_ANSWERS, sent.len(), |entry| is_answer(&entry.body).is_some());
        let mut times_ms: Vec<u64> = answers
            .iter()
            .filter_map(|entry| Some(entry.at_ms.saturating_sub(is_answer(&entry.body)?)))
            .collect();
        times_ms.sort_unstable();
        Ok(FiqaTimes { sent: sent.len(), times_ms })
    }
}

async fn send(
    broker_port: u16,
    every: Duration,
    photos: &[String],
    stopped: &AtomicBool,
) -> lapin::Result<HashMap<String, u64>> {
    let uri = format!("amqp://guest:guest@127.0.0.1:{broker_port}/%2f");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let mut sent = HashMap::new();
    let mut ticks = tokio::time::interval(every);
    while !stopped.load(Ordering::Acquire) {
        ticks.tick().await;
        let id = uuid::Uuid::now_v7().to_string();
        let photo = &photos[sent.len() % photos.len()];
        let info = json!({ "image_base64_str": photo, "fiqa_level": "high" });
        let command = json!({ "method": "fiqa", "messageId": id, "info": info }).to_string();
        sent.insert(id, now_ms());
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish("".into(), FIQA_COMMANDS.into(), options, command.as_bytes(), properties)
            .await?;
    }
    Ok(sent)
}

/// From a request's sending to its answer at the platform.
pub struct FiqaTimes {
    sent: usize,
    times_ms: Vec<u64>,
}

impl FiqaTimes {
    pub fn figures(&self, measure: &str) -> Value {
        let at = |percent: usize| percentile(&self.times_ms, percent);
        json!({
            "measure": measure, "sent": self.sent, "answered": self.times_ms.len(),
            "p50_ms": at(50), "p95_ms": at(95), "max_ms": self.times_ms.last(),
        })
    }
}
