//! Messages of the link actor.

use std::sync::Arc;

use actix::Message;

use super::job::PendingReply;
use crate::ports::broker::{BrokerConnection, BrokerError, BrokerNotice, QueuePair};
use crate::ports::dead_letters::Replay;
use crate::ports::platform::PlatformError;
use menshen_protocol::login::Session;

/// Finish the commands that are being processed, then disconnect; answers when done.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// The platform rejected the token of the session: log in again. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SessionRejected;

/// A login has ended. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct LoginDone {
    pub attempt: u64,
    pub result: Result<Session, PlatformError>,
}

/// A connection attempt has ended. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ConnectDone {
    pub attempt: u64,
    pub result: Result<Arc<dyn BrokerConnection>, BrokerError>,
}

/// Something came over the connection. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct FromBroker {
    pub attempt: u64,
    pub notice: BrokerNotice,
}

/// Dead letters an operator wants processed again. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ReplaysFound(pub Vec<Replay>);

/// A command was processed and left its lane. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CommandDone {
    pub attempt: u64,
    pub pair: QueuePair,
    /// Id of the dead letter it was.
    pub replay: Option<String>,
    /// Its reply, and replies kept before it, when the connection broke before they were taken.
    pub unsent: Vec<PendingReply>,
    /// The broker has its acknowledgement.
    pub acknowledged: bool,
}
