//! History reports: every event to every receiver, in order, one event a POST, with a persisted cursor.
//!
//! Each receiver has its own task, so that one that is down or slow delays no other. The cursor moves only when
//! the receiver has answered 200. While an event is on its way, the next bodies are made and the cursor of the one
//! before is committed: a crash repeats at most two events, which receivers recognise by their `event_id`.
//!
//! A full cycle is followed by the next at once, so that a backlog drains as fast as the receiver takes it; an
//! event that is new meanwhile waits its turn here and arrives first by real-time push.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::watch;
use url::Url;

use super::body::{HistoryForm, PreparedBody, prepare};
use super::deps::ReporterDeps;
use super::outcome::{Outcome, outcome_of};
use crate::actors::blocking::{Blocking, run_blocking, spawn_blocking};
use crate::ports::outbox::{OutboxEntry, QuarantinedEvent};
use crate::ports::platform::{PostBody, PostPurpose};
use crate::ports::store::StoreError;
use menshen_domain::backoff::Backoff;
use menshen_domain::history::{DeliveryQueue, ReceiverStatus, shown};
use menshen_domain::limits;
use menshen_domain::status::ProtocolError;

/// Why a cycle ended early: nothing goes through at the moment, or the head of the queue is refused.
pub(super) enum DeliveryError {
    Failed(String),
    Refused(String),
}

impl From<ProtocolError> for DeliveryError {
    fn from(refusal: ProtocolError) -> Self {
        Self::Failed(refusal.to_string())
    }
}

/// Sends history events to one receiver.
pub(super) struct HistorySender {
    pub deps: ReporterDeps,
    pub receiver: Url,
    /// Key of the receiver in the store.
    pub key: String,
    /// Its address as it is shown, without credentials.
    pub shown: String,
    pub queue: DeliveryQueue,
}

/// What the store has for a receiver.
struct Work {
    batch: Vec<OutboxEntry>,
    waiting: u64,
    set_aside: u64,
    to_retry: Vec<QuarantinedEvent>,
}

/// Sends history to one receiver until `stop` turns true; `logins` changes with every login, and when receivers are changed.
pub async fn run(
    deps: ReporterDeps,
    receiver: Url,
    mut stop: watch::Receiver<bool>,
    mut logins: watch::Receiver<u64>,
) {
    let (key, shown) = (receiver.to_string(), shown(&receiver));
    let mut sender = HistorySender { deps, receiver, key, shown, queue: DeliveryQueue::default() };
    let backoff = |(first_ms, cap_ms)| Backoff::new(first_ms, cap_ms);
    let (mut failures, mut refusals) =
        (backoff(limits::REPORT_BACKOFF_MS), backoff(limits::REFUSED_BACKOFF_MS));
    loop {
        logins.mark_unchanged();
        let result = sender.cycle(&stop).await;
        let wait = match result {
            Ok(wait) => {
                failures.reset();
                refusals.reset();
                wait
            }
            Err(DeliveryError::Failed(reason)) => {
                sender.show_trouble(reason);
                Duration::from_millis(failures.next_ms(rand::random()))
            }
            Err(DeliveryError::Refused(reason)) => {
                failures.reset();
                sender.show_trouble(reason);
                Duration::from_millis(refusals.next_ms(rand::random()))
            }
        };
        let logged_in = async {
            if logins.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // A new token may be what was missing, or another period was set.
            () = logged_in => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

impl HistorySender {
    /// One cycle: what is new, at most [`limits::HISTORY_BATCH`]. Returns the wait until the next.
    async fn cycle(&mut self, stop: &watch::Receiver<bool>) -> Result<Duration, DeliveryError> {
        let work = self.load_work().await?;
        self.show(&work, None);
        self.retry_set_asides(work.to_retry).await?;
        if self.queue.is_stuck() {
            // Refused events are handled first, from the head.
            self.try_refused(&work.batch).await?;
            return Ok(Duration::ZERO);
        }
        let is_full = work.batch.len() == limits::HISTORY_BATCH;
        self.send_batch(work.batch, stop).await?;
        Ok(if is_full { Duration::ZERO } else { self.period() })
    }

    /// Of the login for its receivers, of the local API for the box's own.
    fn period(&self) -> Duration {
        let login = self.deps.delivery.sessions.current();
        let of_platform = login.filter(|login| login.record_urls.contains(&self.receiver));
        let own_s = self.deps.tuning.load().reports.history.period_s;
        Duration::from_secs(of_platform.map_or(own_s, |login| login.record_upload_period_s))
    }

    async fn load_work(&self) -> Result<Work, DeliveryError> {
        let (deps, key) = (self.deps.clone(), self.key.clone());
        let work = run_blocking(move || {
            let cursor = deps.storage.events.cursor(&key)?.unwrap_or(0);
            let batch = deps.storage.outbox.next(cursor, limits::HISTORY_BATCH)?;
            let waiting = deps.storage.outbox.waiting(cursor)?;
            let set_aside = deps.storage.outbox.set_aside_count(&key)?;
            let to_retry = match set_aside {
                0 => Vec::new(),
                _ => deps.storage.outbox.to_retry(&key, limits::SET_ASIDE_PAGE)?,
            };
            Ok(Work { batch, waiting, set_aside, to_retry })
        });
        Ok(work.await?)
    }

    async fn send_batch(
        &mut self,
        batch: Vec<OutboxEntry>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), DeliveryError> {
        let (deps, receiver) = (self.deps.clone(), self.receiver.clone());
        let prepare_one = |entry| prepare(deps.clone(), receiver.clone(), entry);
        let mut bodies =
            futures_util::stream::iter(batch.into_iter().map(prepare_one)).buffered(limits::HISTORY_AHEAD);
        let mut commit = Commit::default();
        let result = loop {
            let prepared = match bodies.next().await {
                Some(Ok(prepared)) if !*stop.borrow() => prepared,
                Some(Err(refusal)) => break Err(refusal.into()),
                _ => break Ok(()),
            };
            if let Err(error) = self.send_next(prepared, &mut commit).await {
                break Err(error);
            }
        };
        // Whatever ended the cycle, what was accepted is kept.
        let kept = commit.finish().await;
        result.and(kept)
    }

    async fn send_next(&mut self, prepared: PreparedBody, commit: &mut Commit) -> Result<(), DeliveryError> {
        // Its row is gone, or will be in a moment: the cursor passes it with the next event.
        if prepared.entry.event.as_ref().is_ok_and(|event| self.deps.storage.erased.has(event)) {
            return Ok(());
        }
        let PreparedBody { entry: OutboxEntry { sequence, .. }, body, .. } =
            self.as_wanted_now(prepared).await?;
        let body = match body {
            Ok(body) => body,
            Err(reason) => {
                commit.finish().await?;
                // There is nothing to send, now or later: no receiver has to refuse it first.
                return self.set_aside(vec![(sequence, reason.to_string())], sequence).await;
            }
        };
        match self.post(body).await {
            Outcome::Accepted => {
                commit.finish().await?;
                commit.begin(&self.deps, &self.key, sequence);
                Ok(())
            }
            Outcome::Failed(reason) => Err(DeliveryError::Failed(reason)),
            Outcome::Refused(reason) => {
                self.queue.note(sequence, self.deps.clock.monotonic_ms(), &reason);
                Err(DeliveryError::Refused(reason))
            }
        }
    }

    /// Bodies are made ahead, and what is wanted may have changed since.
    async fn as_wanted_now(&self, prepared: PreparedBody) -> Result<PreparedBody, ProtocolError> {
        if prepared.form == HistoryForm::of(&self.deps, &self.receiver) {
            return Ok(prepared);
        }
        prepare(self.deps.clone(), self.receiver.clone(), prepared.entry).await
    }

    /// Posts one body and returns the outcome.
    pub(super) async fn post(&self, body: PostBody) -> Outcome {
        let session = self.deps.delivery.sessions.session_for(&self.receiver);
        let sent = self
            .deps
            .delivery
            .platform
            .post(session.as_deref(), &self.receiver, body, PostPurpose::Report)
            .await;
        let Err(error) = sent else {
            self.deps.note_success("history", &self.receiver);
            return Outcome::Accepted;
        };
        self.deps.note_failure("history", &self.receiver, &error, session.as_ref());
        outcome_of(&error)
    }

    fn show(&self, work: &Work, trouble: Option<String>) {
        let first = work.batch.first().and_then(|entry| entry.event.as_ref().ok());
        let age_ms =
            first.map_or(0, |event| self.deps.clock.wall_ms().saturating_sub(event.out_timestamp_ms));
        let receiver = || self.shown.clone();
        metrics::gauge!("menshen_outbox_depth", "receiver" => receiver()).set(work.waiting as f64);
        metrics::gauge!("menshen_outbox_oldest_age_seconds", "receiver" => receiver())
            .set(age_ms as f64 / 1000.0);
        metrics::gauge!("menshen_events_set_aside", "receiver" => receiver()).set(work.set_aside as f64);
        self.deps.delivery.receivers.update(&self.key, |status: &mut ReceiverStatus| {
            status.receiver.clone_from(&self.shown);
            (status.waiting, status.set_aside) = (work.waiting, work.set_aside);
            if !self.queue.is_stuck() {
                status.trouble = trouble;
            }
        });
    }

    fn show_trouble(&self, reason: String) {
        let refused = self.queue.refused();
        let reason = match refused.first() {
            None => reason,
            Some(head) => format!(
                "event {} is refused since {} tries ({reason}); {} in a row",
                head.sequence,
                head.tries,
                refused.len()
            ),
        };
        tracing::warn!(receiver = %self.shown, reason, "history delivery is held up");
        self.deps.delivery.receivers.update(&self.key, |status| status.trouble = Some(reason));
    }
}

/// The commit of a cursor, which runs while the next event is sent.
#[derive(Default)]
struct Commit(Option<Blocking<Result<(), StoreError>>>);

impl Commit {
    fn begin(&mut self, deps: &ReporterDeps, key: &str, sequence: u64) {
        let (store, key) = (Arc::clone(&deps.storage.events), key.to_owned());
        self.0 = Some(spawn_blocking(move || store.set_cursor(&key, sequence)));
    }

    /// Waits until the last one begun is on disk.
    async fn finish(&mut self) -> Result<(), DeliveryError> {
        let Some(task) = self.0.take() else { return Ok(()) };
        match task.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(DeliveryError::Failed(format!("the cursor could not be kept: {error}"))),
            Err(unfinished) => Err(DeliveryError::Failed(unfinished.to_string())),
        }
    }
}
