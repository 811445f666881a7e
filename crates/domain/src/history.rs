//! The rules of delivery to one history receiver: what it refuses, what is quarantined, and what is only waited for.
//!
//! Order is strict, so one event that a receiver will never take would hold up everything behind it. It may be
//! quarantined, but only on proof that the receiver takes *other* events: a wrong URL answers 404 to everything, and then
//! nothing is quarantined and nothing is lost. The proof is the next event behind the refused ones, tried once they
//! have all had their tries.

use serde::{Deserialize, Serialize};
use url::Url;

use super::limits;

/// One event that was refused for good, at the head of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedEvent {
    /// Place in the order of events.
    pub sequence: u64,
    /// Times the receiver refused it.
    pub tries: u32,
    /// First refusal, ms of a monotonic clock.
    pub first_ms: u64,
    /// Why it was refused last.
    pub reason: String,
}

/// The refused events at the head of one receiver's queue, in order. Empty: all is well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryQueue {
    refused: Vec<RefusedEvent>,
}

impl DeliveryQueue {
    /// Whether refused events hold up the queue.
    pub fn is_stuck(&self) -> bool {
        !self.refused.is_empty()
    }

    /// The refused events, in order.
    pub fn refused(&self) -> &[RefusedEvent] {
        &self.refused
    }

    /// An event was refused for good. `now_ms` is monotonic.
    pub fn note(&mut self, sequence: u64, now_ms: u64, reason: &str) {
        if let Some(known) = self.refused.iter_mut().find(|event| event.sequence == sequence) {
            known.tries = known.tries.saturating_add(1);
            reason.clone_into(&mut known.reason);
            return;
        }
        if self.refused.len() >= limits::REFUSED_RUN_MAX {
            // So many in a row are no poison records: start over, nothing is lost by it.
            self.refused.truncate(1);
        }
        self.refused.push(RefusedEvent { sequence, tries: 1, first_ms: now_ms, reason: reason.to_owned() });
    }

    /// The sequence of the event before the one that should be tried as proof; `None` while the refused ones
    /// have not had their tries.
    pub fn probe_after(&self, now_ms: u64) -> Option<u64> {
        let ripe = |event: &RefusedEvent| {
            event.tries >= limits::REFUSED_TRIES
                && now_ms.saturating_sub(event.first_ms) >= limits::REFUSED_SPREAD_MS
        };
        let unripe = self.refused.iter().position(|event| !ripe(event));
        match unripe {
            None => self.refused.last().map(|event| event.sequence),
            // The proof itself was refused and is tried again.
            Some(index) if index > 0 && index + 1 == self.refused.len() => {
                Some(self.refused[index - 1].sequence)
            }
            Some(_) => None,
        }
    }

    /// The refused events before one the receiver took: it is these that are wrong.
    pub fn before(&self, sequence: u64) -> Vec<RefusedEvent> {
        self.refused.iter().filter(|event| event.sequence < sequence).cloned().collect()
    }

    /// Forgets the refusals: the receiver took one of them, or they are quarantined.
    pub fn clear(&mut self) {
        self.refused.clear();
    }
}

/// How delivery to one receiver is doing, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverStatus {
    /// Its address, without user, password and query.
    pub receiver: String,
    /// Events it has not got yet.
    pub waiting: u64,
    /// Events it refused for good; see `menshen events set-aside`.
    pub set_aside: u64,
    /// Why nothing goes through at the moment; absent when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An address as it may be shown: user, password and query may be secrets.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Fails only for addresses that cannot have a user at all.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: u64 = limits::REFUSED_SPREAD_MS;

    fn refuse(line: &mut DeliveryQueue, sequence: u64, times: u32) {
        for _ in 0..times {
            line.note(sequence, 0, "answered 400");
        }
    }

    #[test]
    fn proof_is_looked_for_only_after_tries_and_time() {
        let mut line = DeliveryQueue::default();
        assert!(!line.is_stuck());
        refuse(&mut line, 7, limits::REFUSED_TRIES - 1);
        assert_eq!(line.probe_after(LATER), None, "too few tries");
        refuse(&mut line, 7, 1);
        assert_eq!(line.probe_after(LATER - 1), None, "too soon");
        assert_eq!(line.probe_after(LATER), Some(7));
    }

    #[test]
    fn a_run_of_refused_events_grows_one_by_one() {
        let mut line = DeliveryQueue::default();
        refuse(&mut line, 7, limits::REFUSED_TRIES);
        refuse(&mut line, 8, 1);
        assert_eq!(line.probe_after(LATER), Some(7), "8 is tried again");
        refuse(&mut line, 8, limits::REFUSED_TRIES);
        assert_eq!(line.probe_after(LATER), Some(8), "then 9");
        let wrong: Vec<_> = line.before(9).iter().map(|event| event.sequence).collect();
        assert_eq!(wrong, [7, 8]);
        line.clear();
        assert!(!line.is_stuck());
    }

    #[test]
    fn a_receiver_that_refuses_everything_is_bounded_and_never_ripe_for_ever() {
        let mut line = DeliveryQueue::default();
        for sequence in 1..1000 {
            refuse(&mut line, sequence, limits::REFUSED_TRIES);
            assert!(line.refused().len() <= limits::REFUSED_RUN_MAX);
        }
        assert_eq!(line.refused()[0].sequence, 1, "the head is never given up");
    }

    #[test]
    fn secrets_are_not_shown() {
        let url = Url::parse("http://user:pass@h:1/box/record?token=secret#x").unwrap();
        assert_eq!(shown(&url), "http://h:1/box/record");
    }
}
