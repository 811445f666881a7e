//! What carrying out a command needs, and how it can be interrupted.

use std::sync::Arc;

use crate::actors::handle::Handle;
use crate::actors::registry::RegistryActor;
use crate::actors::reporter::ReporterActor;
use crate::ports::clock::Clock;
use crate::ports::dead_letters::DeadLetters;
use crate::ports::platform::PlatformApi;
use crate::wire::reply::ReplyHead;

/// What the link works with. Cloning shares everything.
#[derive(Clone)]
pub struct LinkParts {
    pub platform: Arc<dyn PlatformApi>,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub clock: Arc<dyn Clock>,
    pub registry: Handle<RegistryActor>,
    pub reporter: Handle<ReporterActor>,
    pub head: ReplyHead,
}

/// Why a command was not carried out to its end; it goes back to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// The platform no longer takes the token: a new login comes first.
    SessionRejected,
    /// The reply could not be handed over.
    ReplyNotDelivered,
}
