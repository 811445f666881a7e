//! Events that a receiver refuses for good; the rules are in `menshen_domain::history`.

use super::body::prepare;
use super::history::{DeliveryError, HistorySender};
use super::outcome::Outcome;
use crate::actors::blocking::run_blocking;
use crate::ports::outbox::{OutboxEntry, QuarantinedEvent};

impl HistorySender {
    /// One round with a stuck queue: the head again, then, when it is time for it, an event behind the refused ones
    /// as a probe whether the receiver takes others.
    pub(super) async fn try_refused(&mut self, batch: &[OutboxEntry]) -> Result<(), DeliveryError> {
        let head = self.queue.refused().first().map(|event| event.sequence);
        let Some(entry) = batch.first().filter(|entry| Some(entry.sequence) == head) else {
            // Retention or a wipe has removed it.
            self.queue.clear();
            return Ok(());
        };
        match self.send_entry(entry.clone()).await? {
            Outcome::Accepted => {
                self.move_cursor(entry.sequence).await?;
                self.queue.clear();
                return Ok(());
            }
            Outcome::Failed(reason) => return Err(DeliveryError::Failed(reason)),
            Outcome::Refused(reason) => self.note(entry.sequence, &reason),
        }
        let refused = || {
            DeliveryError::Refused(
                self.queue.refused().first().map_or_else(String::new, |e| e.reason.clone()),
            )
        };
        let Some(behind) = self.queue.probe_after(self.deps.clock.monotonic_ms()) else {
            return Err(refused());
        };
        let Some(probe) = self.entry_after(behind).await? else {
            // No event waits behind it.
            return Err(refused());
        };
        match self.send_entry(probe.clone()).await? {
            Outcome::Accepted => self.quarantine(batch, probe.sequence).await,
            Outcome::Failed(reason) => Err(DeliveryError::Failed(reason)),
            Outcome::Refused(reason) => {
                self.note(probe.sequence, &reason);
                Err(DeliveryError::Refused(reason))
            }
        }
    }

    /// The receiver took the event behind the refused ones. Each of those gets one more try, since the receiver may have
    /// been repaired meanwhile, and is then set aside.
    async fn quarantine(&mut self, batch: &[OutboxEntry], probe: u64) -> Result<(), DeliveryError> {
        let mut poison = Vec::new();
        for refused in self.queue.before(probe) {
            let entry = match batch.iter().find(|entry| entry.sequence == refused.sequence) {
                Some(entry) => Some(entry.clone()),
                None => self.entry_after(refused.sequence - 1).await?,
            };
            let Some(entry) = entry.filter(|entry| entry.sequence == refused.sequence) else { continue };
            match self.send_entry(entry).await? {
                Outcome::Accepted => {}
                Outcome::Refused(reason) => poison.push((refused.sequence, reason)),
                // Undecided: the next round does it all again, under the same event ids.
                Outcome::Failed(reason) => return Err(DeliveryError::Failed(reason)),
            }
        }
        self.set_aside(poison, probe).await
    }

    /// Quarantines what was refused, durably, and moves on to what follows `cursor`.
    pub(super) async fn set_aside(
        &mut self,
        refused: Vec<(u64, String)>,
        cursor: u64,
    ) -> Result<(), DeliveryError> {
        let at_ms = self.deps.clock.wall_ms();
        for (sequence, reason) in &refused {
            metrics::counter!("menshen_events_set_aside_total", "receiver" => self.shown.clone())
                .increment(1);
            tracing::error!(
                receiver = %self.shown,
                sequence,
                reason,
                "event was set aside: the receiver takes others and never this one"
            );
        }
        let row = |(sequence, reason)| QuarantinedEvent {
            receiver: self.key.clone(),
            sequence,
            reason,
            at_ms,
            retry: false,
        };
        let rows: Vec<_> = refused.into_iter().map(row).collect();
        let (outbox, key) = (self.deps.storage.outbox.clone(), self.key.clone());
        run_blocking(move || outbox.set_aside(&key, &rows, cursor)).await?;
        self.queue.clear();
        Ok(())
    }

    /// Tries again what an operator asked for. These are late by nature; the queue itself keeps its order and
    /// does not wait for them.
    pub(super) async fn retry_set_asides(
        &mut self,
        rows: Vec<QuarantinedEvent>,
    ) -> Result<(), DeliveryError> {
        for row in rows {
            let entry = self.entry_after(row.sequence - 1).await?;
            let outcome = match entry.filter(|entry| entry.sequence == row.sequence) {
                Some(entry) => self.send_entry(entry).await?,
                None => Outcome::Accepted,
            };
            let (outbox, key) = (self.deps.storage.outbox.clone(), self.key.clone());
            match outcome {
                Outcome::Accepted => run_blocking(move || outbox.drop_set_aside(&key, row.sequence)).await?,
                // Again in the next cycle.
                Outcome::Failed(_) => return Ok(()),
                Outcome::Refused(reason) => {
                    let again =
                        QuarantinedEvent { reason, at_ms: self.deps.clock.wall_ms(), retry: false, ..row };
                    run_blocking(move || outbox.set_aside(&key, &[again], 0)).await?;
                }
            }
        }
        Ok(())
    }

    /// An event without a body counts as refused.
    async fn send_entry(&self, entry: OutboxEntry) -> Result<Outcome, DeliveryError> {
        // Nothing is owed any more.
        if entry.event.as_ref().is_ok_and(|event| self.deps.storage.erased.has(event)) {
            return Ok(Outcome::Accepted);
        }
        match prepare(self.deps.clone(), self.receiver.clone(), entry).await?.body {
            Ok(body) => Ok(self.post(body).await),
            Err(reason) => Ok(Outcome::Refused(reason.to_string())),
        }
    }

    async fn entry_after(&self, sequence: u64) -> Result<Option<OutboxEntry>, DeliveryError> {
        let outbox = self.deps.storage.outbox.clone();
        Ok(run_blocking(move || outbox.next(sequence, 1)).await?.pop())
    }

    async fn move_cursor(&self, sequence: u64) -> Result<(), DeliveryError> {
        let (store, key) = (self.deps.storage.events.clone(), self.key.clone());
        Ok(run_blocking(move || store.set_cursor(&key, sequence)).await?)
    }

    fn note(&mut self, sequence: u64, reason: &str) {
        self.queue.note(sequence, self.deps.clock.monotonic_ms(), reason);
    }
}
