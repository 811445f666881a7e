//! Addresses that survive a restart of the actor behind them.
//!
//! An actix `Addr` dies with its actor. The runtime puts the address of each incarnation into a [`Handle`],
//! and everything else holds the handle.

use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, ToEnvelope};
use actix::prelude::{Actor, Addr, Handler, Message, SendError};
use arc_swap::ArcSwapOption;

/// Why a message did not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// Between two incarnations, or shut down.
    #[error("the receiver is not running")]
    Down,
    /// The mailbox is full; its bound is in `menshen_domain::limits`.
    #[error("the receiver's mailbox is full")]
    Full,
}

/// Reaches the current incarnation of an actor.
pub struct Handle<A: Actor>(Arc<ArcSwapOption<Addr<A>>>);

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Actor> Default for Handle<A> {
    fn default() -> Self {
        Self(Arc::new(ArcSwapOption::empty()))
    }
}

impl<A: Actor> Handle<A> {
    /// Called by the runtime when an incarnation has started.
    pub fn set(&self, addr: Addr<A>) {
        self.0.store(Some(Arc::new(addr)));
    }

    /// Called by the runtime when the actor is gone for good.
    pub fn clear(&self) {
        self.0.store(None);
    }

    pub fn is_up(&self) -> bool {
        self.0.load().as_ref().is_some_and(|addr| addr.connected())
    }

    /// Never waits: full or down comes back at once, and the caller has a policy for it.
    pub fn try_send<M>(&self, message: M) -> Result<(), NotDelivered>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let addr = self.0.load_full().ok_or(NotDelivered::Down)?;
        addr.try_send(message).map_err(|error| match error {
            SendError::Full(_) => NotDelivered::Full,
            SendError::Closed(_) => NotDelivered::Down,
        })
    }

    /// Waits for a place in the mailbox and for the answer.
    pub async fn send<M>(&self, message: M) -> Result<M::Result, NotDelivered>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: MessageResponse<A, M> + Send,
    {
        let addr = self.0.load_full().ok_or(NotDelivered::Down)?;
        addr.send(message).await.map_err(|_| NotDelivered::Down)
    }

    /// As [`send`](Self::send), but outlasts a restart of the receiver: the message is built and sent
    /// again until it is answered. For messages whose effect is the same when they arrive twice.
    pub async fn send_until_answered<M>(&self, build: impl Fn() -> M) -> M::Result
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: MessageResponse<A, M> + Send,
    {
        loop {
            match self.send(build()).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}
