//! What the HTTP and MQ sides of a platform share.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::behaviour::Behaviour;
use super::config::PlatformConfig;
use super::ledger::Ledger;
use super::people::People;

/// What the platform does with its reply queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyQueue {
    /// It takes what comes.
    Collected,
    /// It leaves there what comes.
    Left,
    /// It has none.
    Gone,
}

/// What the HTTP and MQ sides share.
pub struct State {
    /// How it is set up.
    pub config: PlatformConfig,
    /// What it has received.
    pub ledger: Ledger,
    /// How it misbehaves.
    pub behaviour: Behaviour,
    /// The people it knows.
    pub people: People,
    /// What becomes of the reply queue.
    pub reply_queue: watch::Sender<ReplyQueue>,
    /// The node of the broker that was reached last, among all ports.
    pub node: AtomicUsize,
    /// Laid over the login document, key by key.
    login_patch: Mutex<Value>,
}

impl State {
    /// A platform that knows nobody and has received nothing.
    ///
    /// # Errors
    /// When the ledger file cannot be made.
    pub fn new(config: PlatformConfig) -> io::Result<Self> {
        Ok(Self {
            ledger: Ledger::new(config.ledger_file.as_deref())?,
            config,
            behaviour: Behaviour::default(),
            people: People::default(),
            reply_queue: watch::channel(ReplyQueue::Collected).0,
            node: AtomicUsize::new(0),
            login_patch: Mutex::default(),
        })
    }

    /// From now on the login document has these values laid over it.
    pub fn patch_login(&self, patch: Value) {
        *self.login_patch.lock().unwrap_or_else(PoisonError::into_inner) = patch;
    }

    /// A login document with the patch laid over it.
    pub fn patched(&self, mut document: Value) -> Value {
        merge(&mut document, &self.login_patch.lock().unwrap_or_else(PoisonError::into_inner));
        document
    }
}

/// As in RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else { return };
    for (key, change) in changes {
        match change {
            Value::Null => drop(into.as_object_mut().map(|fields| fields.remove(key))),
            Value::Object(_) if into[key].is_object() => merge(&mut into[key], change),
            _ => into[key] = change.clone(),
        }
    }
}
