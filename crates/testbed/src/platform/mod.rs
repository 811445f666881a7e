//! A management platform that speaks the protocol, for the demo, the tests, and integrators without one.

pub mod behaviour;
pub mod commands;
mod config;
mod control;
mod http;
pub mod ledger;
pub mod mq;
pub mod people;
mod refusal;
mod state;

pub use config::PlatformConfig;
pub use state::ReplyQueue;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use behaviour::Behaviour;
use ledger::{Entry, Ledger};
use people::People;
use state::State;

/// A running platform; dropping it stops it. It can go down and come back: what it knows and has received
/// stays, as in a database of its own.
pub struct SimPlatform {
    state: Arc<State>,
    address: SocketAddr,
    /// Absent without a broker, and while it is down.
    mq: Mutex<Option<mq::MqSide>>,
    /// Absent while it is down.
    server: Mutex<Option<(ServerHandle, JoinHandle<()>)>>,
}

/// A port that was left a moment ago may still be in use.
const LISTEN_TRIES: u32 = 50;
const LISTEN_RETRY: Duration = Duration::from_millis(100);

impl SimPlatform {
    /// Starts the HTTP side on a thread of its own and the MQ side beside it.
    ///
    /// # Errors
    /// When the address is taken or the ledger file cannot be made.
    pub fn start(config: PlatformConfig) -> Result<Self> {
        let state = Arc::new(State::new(config)?);
        let (address, server, thread) = http::start(Arc::clone(&state), state.config.listen)?;
        let platform =
            Self { state, address, mq: Mutex::default(), server: Mutex::new(Some((server, thread))) };
        platform.start_mq()?;
        Ok(platform)
    }

    fn start_mq(&self) -> Result<()> {
        if self.state.config.broker_port != 0 {
            let side = mq::MqSide::start(Arc::clone(&self.state))?;
            *self.mq.lock().unwrap_or_else(PoisonError::into_inner) = Some(side);
        }
        Ok(())
    }

    /// Breaks off whatever is going on and listens no more.
    pub fn go_down(&self) {
        let mq = self.mq.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut mq) = mq {
            mq.stop();
        }
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((server, thread)) = server {
            // Ends the server's system; the thread then ends by itself.
            drop(server.stop(false));
            let _ = thread.join();
        }
    }

    /// Listens at the same address again.
    ///
    /// # Errors
    /// When its address is taken.
    pub fn come_back(&self) -> Result<()> {
        let mut tries = 0;
        let (server, thread) = loop {
            match http::start(Arc::clone(&self.state), self.address) {
                Ok((_, server, thread)) => break (server, thread),
                Err(error) if tries == LISTEN_TRIES => return Err(error),
                Err(_) => std::thread::sleep(LISTEN_RETRY),
            }
            tries += 1;
        };
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Some((server, thread));
        self.start_mq()
    }

    /// Licence code of the box that may log in.
    pub fn dev_sno(&self) -> &str {
        &self.state.config.dev_sno
    }

    /// Port of its HTTP side.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Address of a path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Address of the login call.
    pub fn login_url(&self) -> String {
        self.url("/api/gateway/login")
    }

    /// What it has received.
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// How it misbehaves.
    pub fn behaviour(&self) -> &Behaviour {
        &self.state.behaviour
    }

    /// The people it knows.
    pub fn people(&self) -> &People {
        &self.state.people
    }

    /// Publishes a command to the box and waits for the broker's confirm.
    ///
    /// # Errors
    /// When there is no broker, or it does not confirm within a minute.
    pub fn publish(&self, command: &Value) -> Result<()> {
        self.publish_raw(command.to_string().into_bytes())
    }

    /// Publishes any bytes.
    ///
    /// # Errors
    /// When there is no broker, or it does not confirm within a minute.
    pub fn publish_raw(&self, body: Vec<u8>) -> Result<()> {
        // The lock is not held while the broker is waited for: the platform may go down meanwhile.
        let jobs = self.mq.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(mq::MqSide::jobs);
        jobs.context("this platform is down or has no broker")?.publish(body)
    }

    /// Collects replies, leaves them in their queue, or deletes the queue; what is in it then is lost.
    ///
    /// # Errors
    /// When the queue cannot be deleted.
    pub fn set_reply_queue(&self, what: ReplyQueue) -> Result<()> {
        self.state.reply_queue.send_replace(what);
        if what == ReplyQueue::Gone { mq::delete_replies(&self.state) } else { Ok(()) }
    }

    /// Publishes a command with a fresh `messageId` and waits for its reply.
    ///
    /// # Errors
    /// When it cannot be published or has no reply within `limit`.
    pub fn command(&self, mut command: Value, limit: Duration) -> Result<Value> {
        let id = fresh_id(&mut command);
        self.publish(&command)?;
        self.reply(&id, limit)
    }

    fn reply(&self, id: &str, limit: Duration) -> Result<Value> {
        self.state
            .ledger
            .wait(limit, |entry| entry.is_reply() && entry.body["messageId"] == id)
            .map(|entry: Entry| entry.body)
            .with_context(|| format!("no reply within {limit:?}"))
    }

    /// Has a picture judged over the FIQA queues, by whichever box takes it.
    ///
    /// # Errors
    /// When it cannot be published or has no reply within `limit`.
    pub fn fiqa(&self, photo_base64: &str, level: &str, limit: Duration) -> Result<Value> {
        let info = json!({ "image_base64_str": photo_base64, "fiqa_level": level });
        self.fiqa_command(json!({ "method": "fiqa", "info": info }), limit)
    }

    /// Sends any command over the FIQA queue and waits for its reply.
    ///
    /// # Errors
    /// When it cannot be published or has no reply within `limit`.
    pub fn fiqa_command(&self, mut command: Value, limit: Duration) -> Result<Value> {
        let id = fresh_id(&mut command);
        self.publish_fiqa_all(&[command])?;
        self.reply(&id, limit)
    }

    /// Publishes commands to the FIQA queue, one right after the other.
    ///
    /// # Errors
    /// When the broker does not confirm all of them.
    pub fn publish_fiqa_all(&self, commands: &[Value]) -> Result<()> {
        let bodies = commands.iter().map(|command| command.to_string().into_bytes()).collect();
        mq::publish_fiqa(&self.state, bodies)
    }

    /// From now on the login document has these values laid over it; objects are merged, null removes.
    pub fn patch_login(&self, patch: Value) {
        self.state.patch_login(patch);
    }
}

fn fresh_id(command: &mut Value) -> String {
    let id = uuid::Uuid::now_v7().to_string();
    command["messageId"] = Value::from(id.clone());
    id
}

impl Drop for SimPlatform {
    fn drop(&mut self) {
        self.go_down();
    }
}
