//! The link actor: feeds the link's state machine and performs its effects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::{Actor, AsyncContext as _, Context, Handler, ResponseFuture};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;

use super::deps::LinkDeps;
use super::execute::process;
use super::job::{Job, Source};
use super::lane::Lanes;
use super::message::{CommandDone, ConnectDone, Drain, FromBroker, LoginDone, ReplaysFound, SessionRejected};
use super::reply::ReplyWay;
use crate::actors::blocking::run_blocking;
use crate::actors::reporter::message::SessionChanged;
use crate::actors::task::guarded;
use crate::ports::broker::{
    BrokerConnection, BrokerConnector, BrokerError, BrokerNotice, Delivery, QueuePair,
};
use crate::ports::platform::PlatformError;
use menshen_domain::backoff::Backoff;
use menshen_domain::limits;
use menshen_domain::link::{Link, LinkEffect, LinkInput, LinkState};
use menshen_domain::login_refusal::LoginRefusal;
use menshen_domain::report_options::Dialect;
use menshen_domain::status::Language;
use menshen_protocol::login::Session;

/// Time for closing a connection in good order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the link reports to its observer, which is health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkUpdate<'a> {
    State(LinkState),
    /// The broker takes no replies, and why; `None` when it takes them again.
    Blocked(Option<&'a str>),
    /// Why the platform refuses the login, where it says so; `None` after one that succeeded.
    Refused(Option<LoginRefusal>),
}

pub type LinkObserver = Arc<dyn Fn(LinkUpdate<'_>) + Send + Sync>;

pub struct MqLinkActor {
    deps: LinkDeps,
    broker: Arc<dyn BrokerConnector>,
    observer: LinkObserver,
    link: Link,
    /// When the last login succeeded.
    logged_in: Option<Instant>,
    /// The established connection with the attempt it came from.
    connection: Option<(u64, Arc<dyn BrokerConnection>)>,
    lanes: Lanes,
    /// Number of commands being processed, for a drain that waits for them.
    running: watch::Sender<usize>,
    /// Turns true when the box stops: no reply is tried again and again then.
    stopping: watch::Sender<bool>,
    /// The hint that a platform may expect the other dialect was given.
    is_hinted: bool,
}

impl MqLinkActor {
    pub fn new(deps: LinkDeps, broker: Arc<dyn BrokerConnector>, observer: LinkObserver) -> Self {
        let backoff = |(first_ms, cap_ms)| Backoff::new(first_ms, cap_ms);
        Self {
            deps,
            broker,
            observer,
            link: Link::new(backoff(limits::LOGIN_BACKOFF_MS), backoff(limits::BROKER_BACKOFF_MS)),
            logged_in: None,
            connection: None,
            lanes: Lanes::new(limits::FIQA_WIDTH),
            running: watch::channel(0).0,
            stopping: watch::channel(false).0,
            is_hinted: false,
        }
    }

    /// A platform that names `recordUploadInfo` is of a generation after 2.4, and may read flat events. Nothing is guessed from
    /// it: some of those read nested ones.
    fn hint_at_dialect(&mut self, session: &Session) {
        let dialect = self.deps.tuner.shared().load().reports.dialects.platform;
        if self.is_hinted || session.upload_info.is_none() || dialect == Dialect::V26 {
            return;
        }
        self.is_hinted = true;
        tracing::info!(
            "the login names recordUploadInfo: this platform may expect dialect 2.6; if it does not understand history events, \
             set platform.dialect = \"2.6\""
        );
    }

    fn login_failed(&mut self, attempt: u64, error: &PlatformError, ctx: &mut Context<Self>) {
        metrics::counter!("menshen_logins_total", "result" => "failed").increment(1);
        let refusal = error.login_refusal();
        (self.observer)(LinkUpdate::Refused(refusal));
        if let Some(refusal) = refusal {
            tracing::warn!(%error, "login failed: {}", refusal.text().of(Language::En));
        } else {
            tracing::warn!(%error, "login failed");
        }
        let input = if refusal.is_some_and(LoginRefusal::needs_a_person) {
            LinkInput::LoginRefused { attempt }
        } else {
            LinkInput::LoginFailed { attempt }
        };
        self.step(input, ctx);
    }

    fn step(&mut self, input: LinkInput, ctx: &mut Context<Self>) {
        let before = self.link.state();
        let effects = self.link.step(input, rand::random());
        let state = self.link.state();
        if state != before {
            (self.observer)(LinkUpdate::State(state));
            tracing::info!(from = before.name(), to = state.name(), "link state changed");
        }
        metrics::counter!("menshen_broker_reconnects_total").absolute(self.link.reconnects());
        for effect in effects {
            self.perform(effect, ctx);
        }
    }

    fn perform(&mut self, effect: LinkEffect, ctx: &mut Context<Self>) {
        match effect {
            LinkEffect::LogIn { attempt } => {
                let (platform, me) = (Arc::clone(&self.deps.platform), ctx.address());
                actix_rt::spawn(async move {
                    let panicked = || PlatformError::Unreachable {
                        host: "the platform".to_owned(),
                        reason: "its answer could not be handled, see the log".to_owned(),
                    };
                    let result = guarded("login", platform.log_in(), panicked).await;
                    // An actor that is gone needs no answer.
                    let _ = me.send(LoginDone { attempt, result }).await;
                });
            }
            LinkEffect::Connect { attempt } => self.connect(attempt, ctx),
            LinkEffect::Disconnect => self.disconnect(),
            LinkEffect::RetryAfter { attempt, delay_ms } => {
                tracing::info!(delay_ms, "link waits for its next attempt");
                ctx.run_later(Duration::from_millis(delay_ms), move |actor, ctx| {
                    actor.step(LinkInput::RetryDue { attempt }, ctx);
                });
            }
        }
    }

    fn connect(&self, attempt: u64, ctx: &Context<Self>) {
        let (broker, me) = (Arc::clone(&self.broker), ctx.address());
        let Some(session) = self.deps.sessions.current() else { return };
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
            // What the login says of the broker goes into a library of others.
            let panicked = || BrokerError::Unreachable("connecting to it failed, see the log".to_owned());
            let connecting = broker.connect(session.rabbitmq.clone(), notices);
            let result = guarded("connect", connecting, panicked).await;
            let _ = me.send(ConnectDone { attempt, result }).await;
        });
    }

    fn disconnect(&mut self) {
        self.lanes.clear();
        (self.observer)(LinkUpdate::Blocked(None));
        if let Some((_, connection)) = self.connection.take() {
            actix_rt::spawn(async move {
                if tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await.is_err() {
                    tracing::debug!("broker connection was not closed in time");
                }
            });
        }
    }

    /// Starts commands for which their lane has room.
    fn next_commands(&mut self, ctx: &Context<Self>) {
        let Some((attempt, connection)) = self.connection.clone() else { return };
        for pair in [QueuePair::Commands, QueuePair::Fiqa] {
            while let Some((job, kept)) = self.lanes.next(pair, attempt) {
                let (deps, me, connection) = (self.deps.clone(), ctx.address(), Arc::clone(&connection));
                let stopping = self.stopping.subscribe();
                actix_rt::spawn(async move {
                    let replay = job.replay_id();
                    let work =
                        process(ReplyWay { deps: &deps, connection: &*connection, stopping }, job, kept);
                    // A panic on the way must not leave the lane busy for ever.
                    let processed = std::panic::AssertUnwindSafe(work).catch_unwind().await;
                    let (unsent, acknowledged) = match processed {
                        Ok(Ok(acknowledged)) => (Vec::new(), acknowledged),
                        Ok(Err(unsent)) => (unsent, false),
                        Err(_) => (Vec::new(), false),
                    };
                    let _ = me.send(CommandDone { attempt, pair, replay, unsent, acknowledged }).await;
                });
            }
        }
        self.running.send_replace(self.lanes.running());
    }

    /// Looks for dead letters an operator wants processed again.
    fn look_for_replays(&self, ctx: &Context<Self>) {
        if self.link.state() != LinkState::Up {
            return;
        }
        let (letters, me) = (Arc::clone(&self.deps.dead_letters), ctx.address());
        actix_rt::spawn(async move {
            // An error is in the log already.
            if let Ok(replays) = run_blocking(move || letters.replays()).await
                && !replays.is_empty()
            {
                let _ = me.send(ReplaysFound(replays)).await;
            }
        });
    }
}

impl Actor for MqLinkActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::MQ_LINK_MAILBOX);
        ctx.run_interval(Duration::from_millis(limits::REPLAY_LOOK_MS), |actor, ctx| {
            actor.look_for_replays(ctx);
        });
        ctx.add_message_stream(self.deps.sessions.login_wanted().requests().map(|()| SessionRejected));
        self.step(LinkInput::Start, ctx);
    }
}

impl Handler<LoginDone> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, LoginDone { attempt, result }: LoginDone, ctx: &mut Self::Context) {
        match result {
            Ok(session) => {
                let brokers: Vec<String> =
                    session.rabbitmq.addresses().iter().map(ToString::to_string).collect();
                tracing::info!(broker = brokers.join(", "), "logged in");
                metrics::counter!("menshen_logins_total", "result" => "ok").increment(1);
                (self.observer)(LinkUpdate::Refused(None));
                self.hint_at_dialect(&session);
                let before = self.deps.sessions.replace(session.clone());
                let broker_changed = before.is_none_or(|before| before.rabbitmq != session.rabbitmq);
                self.logged_in = Some(Instant::now());
                if let Err(error) = self.deps.reporter.try_send(SessionChanged) {
                    // A reporter that starts later reads the session by itself.
                    tracing::debug!(%error, "reporter was not notified of the new session");
                }
                self.step(LinkInput::LoggedIn { attempt, broker_changed }, ctx);
            }
            Err(error) => self.login_failed(attempt, &error, ctx),
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
                    ctx.run_later(Duration::from_millis(limits::BROKER_PROVEN_MS), move |actor, ctx| {
                        actor.step(LinkInput::Proven { attempt }, ctx);
                    });
                    self.next_commands(ctx);
                    self.look_for_replays(ctx);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "broker connection failed");
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
            BrokerNotice::Delivery(Delivery { from, tag, body, redelivered, failed_before }) => {
                if failed_before >= limits::DELIVERIES_WARN {
                    tracing::warn!(
                        failed_before,
                        "command comes again and again; its queue may drop it: give the queue a policy with a large delivery-limit"
                    );
                }
                let source = Source::Broker { from, tag, redelivered };
                self.lanes.push(attempt, Job { body, source });
                self.next_commands(ctx);
            }
            BrokerNotice::Blocked(reason) => {
                let is_current = self.connection.as_ref().is_some_and(|(mine, _)| *mine == attempt);
                if is_current {
                    if let Some(reason) = &reason {
                        tracing::warn!(reason, "broker stopped taking replies");
                    } else {
                        tracing::warn!("broker takes replies again");
                    }
                    (self.observer)(LinkUpdate::Blocked(reason.as_deref()));
                }
            }
            BrokerNotice::Lost(reason) => {
                if *self.stopping.borrow() {
                    tracing::debug!(reason, "broker connection ended");
                } else {
                    tracing::warn!(reason, "broker connection was lost");
                }
                // It may break before `ConnectDone` arrives.
                if self.link.state() == LinkState::Connecting {
                    self.step(LinkInput::ConnectFailed { attempt, refused: false }, ctx);
                } else {
                    self.step(LinkInput::Lost { attempt }, ctx);
                }
            }
        }
    }
}

impl Handler<ReplaysFound> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, ReplaysFound(replays): ReplaysFound, ctx: &mut Self::Context) {
        let Some((attempt, _)) = self.connection else { return };
        for replay in replays {
            self.lanes.push(attempt, Job { body: replay.body, source: Source::Replay { id: replay.id } });
        }
        self.next_commands(ctx);
    }
}

impl Handler<CommandDone> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, done: CommandDone, ctx: &mut Self::Context) {
        let is_unsent = !done.unsent.is_empty();
        if done.acknowledged {
            self.step(LinkInput::Proven { attempt: done.attempt }, ctx);
        }
        self.lanes.done(done.pair, done.replay.as_deref(), done.unsent);
        self.running.send_replace(self.lanes.running());
        if is_unsent {
            // A new connection brings everything that is not acknowledged, in its old order.
            self.step(LinkInput::Lost { attempt: done.attempt }, ctx);
        }
        self.next_commands(ctx);
    }
}

impl Handler<SessionRejected> for MqLinkActor {
    type Result = ();

    fn handle(&mut self, _: SessionRejected, ctx: &mut Self::Context) {
        // Calls that were under way with the old token come back rejected after the login; a platform that takes
        // only the newest token would otherwise be logged into for ever.
        let settle = Duration::from_millis(limits::SESSION_SETTLE_MS);
        if self.logged_in.is_none_or(|at| at.elapsed() >= settle) {
            self.step(LinkInput::SessionRejected, ctx);
        }
    }
}

impl Handler<Drain> for MqLinkActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> Self::Result {
        // Nothing new is begun; what is being processed keeps its connection until its reply is out.
        self.lanes.clear();
        self.stopping.send_replace(true);
        let connection = self.connection.take();
        let mut running = self.running.subscribe();
        self.step(LinkInput::Stop, ctx);
        Box::pin(async move {
            // The sender lives as long as this actor, which outlives its drain.
            let _ = running.wait_for(|running| *running == 0).await;
            if let Some((_, connection)) = connection {
                // The drain has a deadline of its own.
                let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
            }
        })
    }
}
