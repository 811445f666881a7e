//! The way back of a reply: over the broker, or to `notify_path`; tried again in place until it is taken.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::deps::LinkDeps;
use super::job::CommandReply;
use crate::ports::broker::{BrokerConnection, BrokerError, QueuePair};
use crate::ports::platform::{PlatformError, PostPurpose};
use menshen_domain::backoff::Backoff;
use menshen_domain::limits;
use menshen_protocol::login::Session;
use menshen_protocol::reply::Shortener;

/// What a reply is delivered with.
pub struct ReplyWay<'a> {
    pub deps: &'a LinkDeps,
    pub connection: &'a dyn BrokerConnection,
    /// The box stops: what is not taken at once is left to the next start.
    pub stopping: watch::Receiver<bool>,
}

impl ReplyWay<'_> {
    /// Returns when the reply is taken or never can be. `Err`: the connection is gone, or the box stops.
    pub async fn deliver(&mut self, pair: QueuePair, command: &CommandReply) -> Result<(), BrokerError> {
        if self.connection.takes_replies(pair) {
            return self.publish(pair, command).await;
        }
        if let Some(path) = command.notify_path.as_deref().filter(|path| !path.trim().is_empty()) {
            notify(self.deps, path, command).await;
        }
        Ok(())
    }

    /// A broker that does not take a reply is asked again over the same connection. A new one would bring back all
    /// that is not acknowledged, which a quorum queue counts, and does not do for ever.
    async fn publish(&mut self, pair: QueuePair, command: &CommandReply) -> Result<(), BrokerError> {
        let mut backoff = Backoff::new(limits::REPLY_BACKOFF_MS.0, limits::REPLY_BACKOFF_MS.1);
        let mut long = LongReply::new(self.deps, command);
        let mut body = command.reply.clone();
        loop {
            let error = match self.connection.reply(pair, body.clone()).await {
                Ok(()) => return Ok(()),
                Err(BrokerError::TooLong { max_bytes }) => match long.shorter(max_bytes) {
                    Some(shorter) => {
                        body = shorter;
                        continue;
                    }
                    None => return Ok(()),
                },
                Err(error @ BrokerError::NotTaken(_)) => error,
                Err(error) => return Err(error),
            };
            let delay_ms = backoff.next_ms(rand::random());
            tracing::warn!(%error, reply = command.label, delay_ms, "delivering a reply failed, it will be tried again");
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(delay_ms)) => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return Err(error),
            }
        }
    }
}

/// A reply that may have to become shorter.
struct LongReply<'a> {
    deps: &'a LinkDeps,
    command: &'a CommandReply,
    shortener: Option<Shortener>,
}

impl<'a> LongReply<'a> {
    fn new(deps: &'a LinkDeps, command: &'a CommandReply) -> Self {
        Self { deps, command, shortener: None }
    }

    /// The next shorter form that fits; `None`, and told of, when there is none.
    fn shorter(&mut self, max_bytes: Option<usize>) -> Option<Bytes> {
        let (bytes, reply) = (self.command.reply.len(), self.command.label.as_str());
        if self.shortener.is_none() {
            self.shortener = Shortener::new(&self.command.reply, self.deps.head.language);
        }
        let shorter = self.shortener.as_mut().and_then(|shortener| shortener.within(max_bytes));
        match &shorter {
            Some(shorter) => {
                tracing::warn!(
                    reply,
                    bytes,
                    max_bytes,
                    sent = shorter.len(),
                    "reply is too long and is sent shortened"
                );
            }
            None => lost(&format!("{reply}: its {bytes} bytes are too long, and it cannot be shortened")),
        }
        shorter.map(Bytes::from)
    }
}

fn lost(reason: &dyn std::fmt::Display) {
    metrics::counter!("menshen_replies_undeliverable_total").increment(1);
    tracing::error!(%reason, "REPLY LOST: it can never be taken");
}

/// Posts a reply until it is taken or can never be. The lane waits meanwhile: a command that went back to the queue
/// would be processed again behind the ones that followed it.
async fn notify(deps: &LinkDeps, path: &str, command: &CommandReply) {
    let (first_ms, cap_ms) = limits::REPORT_BACKOFF_MS;
    let mut backoff = Backoff::new(first_ms, cap_ms);
    let Some(session) = deps.sessions.current() else { return lost(&"not logged in") };
    let url = match session.platform_url(path) {
        Ok(url) => url,
        Err(reason) => return lost(&reason),
    };
    let mut long = LongReply::new(deps, command);
    let mut body = command.reply.clone();
    loop {
        let post = |session: Arc<Session>| {
            let (url, body) = (&url, body.to_vec());
            async move { deps.platform.post(Some(&session), url, body.into(), PostPurpose::Report).await }
        };
        match deps.sessions.call(post).await {
            Ok(()) => return,
            Err(PlatformError::Status { status: 413, .. }) => match long.shorter(None) {
                Some(shorter) => body = shorter,
                None => return,
            },
            Err(error) if error.is_permanent() => return lost(&error),
            Err(error) => {
                let delay_ms = backoff.next_ms(rand::random());
                tracing::warn!(%error, delay_ms, "posting a reply failed, it will be tried again");
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            }
        }
    }
}
