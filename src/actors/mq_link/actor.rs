//! The link actor: feeds the link's state machine and carries out its effects.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::{Actor, AsyncContext as _, Context, Handler, ResponseFuture};
use futures_util::FutureExt as _;
use tokio::sync::Notify;

use super::execute::carry_out;
use super::message::{CommandDone, ConnectDone, Drain, FromBroker, LoginDone, SessionRejected};
use super::parts::{Interrupted, LinkParts};
use crate::actors::reporter::SharedSession;
use crate::actors::reporter::message::SessionChanged;
use crate::core::backoff::Backoff;
use crate::core::limits;
use crate::core::link::{Link, LinkEffect, LinkInput, LinkState};
use crate::ports::broker::{BrokerConnection, BrokerConnector, BrokerError, BrokerNotice, Delivery};

/// Time for closing a connection in good order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Tells others, health among them, how the link stands.
pub type LinkBoard = Arc<dyn Fn(LinkState) + Send + Sync>;

pub struct MqLinkActor {
    parts: LinkParts,
    broker: Arc<dyn BrokerConnector>,
    session: SharedSession,
    board: LinkBoard,
    link: Link,
    /// The established connection with the attempt it came from.
    connection: Option<(u64, Arc<dyn BrokerConnection>)>,
    /// Commands that wait their turn; the broker's prefetch bounds them.
    waiting: VecDeque<(u64, Delivery)>,
    /// A command is being carried out. They go one after the other: add then delete must stay add then delete.
    busy: bool,
    idle: Arc<Notify>,
}

impl MqLinkActor {
    pub fn new(
        parts: LinkParts,
        broker: Arc<dyn BrokerConnector>,
        session: SharedSession,
        board: LinkBoard,
    ) -> Self {
        let backoff = |(first_ms, cap_ms)| Backoff::new(first_ms, cap_ms);
        Self {
            parts,
            broker,
            session,
            board,
            link: Link::new(backoff(limits::LOGIN_BACKOFF_MS), backoff(limits::BROKER_BACKOFF_MS)),
            connection: None,
            waiting: VecDeque::new(),
            busy: false,
            idle: Arc::new(Notify::new()),
        }
    }

    fn step(&mut self, input: LinkInput, ctx: &mut Context<Self>) {
        let before = self.link.state();
        let effects = self.link.step(input, rand::random());
        let state = self.link.state();
        if state != before {
            (self.board)(state);
            tracing::info!(from = before.name(), to = state.name(), "link");
        }
        metrics::counter!("menshen_broker_reconnects_total").absolute(self.link.reconnects());
        for effect in effects {
            self.perform(effect, ctx);
        }
    }

    fn perform(&mut self, effect: LinkEffect, ctx: &mut Context<Self>) {
        match effect {
            LinkEffect::LogIn { attempt } => {
                let (platform, me) = (Arc::clone(&self.parts.platform), ctx.address());
                actix_rt::spawn(async move {
                    let result = platform.log_in().await;
                    // An actor that is gone needs no answer.
                    let _ = me.send(LoginDone { attempt, result }).await;
                });
            }
            LinkEffect::Connect { attempt } => self.connect(attempt, ctx),
            LinkEffect::Disconnect => self.disconnect(),
            LinkEffect::RetryAfter { attempt, delay_ms } => {
                tracing::info!(delay_ms, "the link tries again");
                ctx.run_later(Duration::from_millis(delay_ms), move |actor, ctx| {
                    actor.step(LinkInput::RetryDue { attempt }, ctx);
                });
            }
        }
    }

    fn connect(&self, attempt: u64, ctx: &Context<Self>) {
        let (broker, me) = (Arc::clone(&self.broker), ctx.address());
        let Some(session) = self.session.load_full() else { return };
        let receiver = me.clone();
        let notices = Arc::new(move |notice| {
            let receiver = receiver.clone();
            // Waits while the mailbox is full; an actor that is gone ends the connection with itself.
            async move {
                let _ = receiver.send(FromBroker { attempt, notice }).await;
            }
            .boxed()
        });
        actix_rt::spawn(async move {
            let result = broker.connect(session.rabbitmq.clone(), notices).await;
            let _ = me.send(ConnectDone { attempt, result }).await;
        });
    }

    fn disconnect(&mut self) {
        self.waiting.clear();
        if let Some((_, connection)) = self.connection.take() {
            actix_rt::spawn(async move {
                if tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await.is_err() {
                    tracing::debug!("the broker did not answer the goodbye");
                }
            });
        }
    }

    fn next_command(&mut self, ctx: &Context<Self>) {
        if self.busy {
            return;
        }
        let Some((attempt, connection)) = self.connection.clone() else { return };
        let Some(session) = self.session.load_full() else { return };
        self.waiting.retain(|(from, _)| *from == attempt);
        let Some((_, delivery)) = self.waiting.pop_front() else { return };
        self.busy = true;
        let (parts, me) = (self.parts.clone(), ctx.address());
        actix_rt::spawn(async move {
            let work = carry_out(&parts, &session, &connection, delivery);
            // A panic in a command's work must not leave the link busy for ever.
            match std::panic::AssertUnwindSafe(work).catch_unwind().await {
                Ok(Err(Interrupted::SessionRejected)) => {
                    let _ = me.send(SessionRejected).await;
                }
                Ok(_) => {}
                Err(_) => tracing::error!("a command's work panicked; it will be delivered again"),
            }
            let _ = me.send(CommandDone).await;
        });
    }
}

impl Actor for MqLinkActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::MQ_LINK_MAILBOX);
        self.step(LinkInput::Start, ctx);
    }
}

impl Handler<LoginDone> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, LoginDone { attempt, result }: LoginDone, ctx: &mut Self::Context) {
        match result {
            Ok(session) => {
                tracing::info!(broker = %format!("{}:{}", session.rabbitmq.host, session.rabbitmq.port), "logged in");
                metrics::counter!("menshen_logins_total", "result" => "ok").increment(1);
                self.session.store(Some(Arc::new(session)));
                if let Err(error) = self.parts.reporter.try_send(SessionChanged) {
                    // A reporter that starts later reads the session by itself.
                    tracing::debug!(%error, "the reporter did not hear of the new session");
                }
                self.step(LinkInput::LoggedIn { attempt }, ctx);
            }
            Err(error) => {
                tracing::warn!(%error, "login failed");
                metrics::counter!("menshen_logins_total", "result" => "failed").increment(1);
                self.step(LinkInput::LoginFailed { attempt }, ctx);
            }
        }
    }
}

impl Handler<ConnectDone> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, ConnectDone { attempt, result }: ConnectDone, ctx: &mut Self::Context) {
        match result {
            Ok(connection) => {
                self.step(LinkInput::Connected { attempt }, ctx);
                if self.link.state() == LinkState::Up && self.connection.is_none() {
                    self.connection = Some((attempt, connection));
                    self.next_command(ctx);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "broker");
                let refused = matches!(error, BrokerError::Refused(_));
                self.step(LinkInput::ConnectFailed { attempt, refused }, ctx);
            }
        }
    }
}

impl Handler<FromBroker> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, FromBroker { attempt, notice }: FromBroker, ctx: &mut Self::Context) {
        match notice {
            BrokerNotice::Delivery(delivery) => {
                self.waiting.push_back((attempt, delivery));
                self.next_command(ctx);
            }
            BrokerNotice::Lost(reason) => {
                tracing::warn!(reason, "the broker connection is lost");
                // It may break before it was told to be up.
                if self.link.state() == LinkState::Connecting {
                    self.step(LinkInput::ConnectFailed { attempt, refused: false }, ctx);
                } else {
                    self.step(LinkInput::Lost { attempt }, ctx);
                }
            }
        }
    }
}

impl Handler<CommandDone> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, _: CommandDone, ctx: &mut Self::Context) {
        self.busy = false;
        self.idle.notify_waiters();
        self.next_command(ctx);
    }
}

impl Handler<SessionRejected> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, _: SessionRejected, ctx: &mut Self::Context) {
        self.step(LinkInput::SessionRejected, ctx);
    }
}

impl Handler<Drain> for MqLinkActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> Self::Result {
        // Nothing new is begun; what is being carried out keeps its connection until it is answered.
        self.waiting.clear();
        let connection = self.connection.take();
        let (busy, idle) = (self.busy, Arc::clone(&self.idle));
        self.step(LinkInput::Stop, ctx);
        Box::pin(async move {
            if busy {
                idle.notified().await;
            }
            if let Some((_, connection)) = connection {
                // Whoever drains has a deadline of its own.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
            }
        })
    }
}
