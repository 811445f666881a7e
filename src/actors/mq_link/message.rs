//! What the link is told.

use std::sync::Arc;

use actix::Message;

use crate::ports::broker::{BrokerConnection, BrokerError, BrokerNotice};
use crate::ports::platform::PlatformError;
use crate::wire::login::Session;

/// The platform answered 401 or 403: log in again.
#[derive(Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct SessionRejected;

/// Finish the command that is being carried out, then disconnect; answers when done.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Drain;

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

/// A command has been carried out and answered, or given back. To itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CommandDone;
