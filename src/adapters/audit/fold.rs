//! What changed nothing, bounded in lines: the first of a caller are written one by one, the rest are counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::ports::audit::AuditEntry;
use menshen_domain::limits;

const INTERVAL: Duration = Duration::from_millis(limits::AUDIT_REFUSED_INTERVAL_MS);

/// What one caller was refused within the interval.
struct Refused {
    since: Instant,
    written: u32,
    /// The last one of those that were only counted, with their number in `more`.
    counted: Option<AuditEntry>,
}

/// Callers by name; names of tokens are bounded in number.
#[derive(Default)]
pub struct RefusedFold {
    callers: HashMap<String, Refused>,
}

impl RefusedFold {
    /// The entry, if it is to be written now.
    pub fn take(&mut self, entry: AuditEntry, now: Instant) -> Option<AuditEntry> {
        if !entry.refused {
            return Some(entry);
        }
        let caller = self.callers.entry(entry.who.clone());
        let caller = caller.or_insert(Refused { since: now, written: 0, counted: None });
        if caller.written < limits::AUDIT_REFUSED_LINES {
            caller.written += 1;
            return Some(entry);
        }
        let more = caller.counted.take().map_or(0, |before| before.more.unwrap_or(0) + 1);
        caller.counted = Some(AuditEntry { more: Some(more).filter(|more| *more > 0), ..entry });
        None
    }

    /// The lines of intervals that are over.
    pub fn due(&mut self, now: Instant) -> Vec<AuditEntry> {
        let over = self.callers.extract_if(|_, caller| now.duration_since(caller.since) >= INTERVAL);
        over.filter_map(|(_, caller)| caller.counted).collect()
    }

    /// The lines of all intervals, for the end.
    pub fn rest(&mut self) -> Vec<AuditEntry> {
        self.callers.drain().filter_map(|(_, caller)| caller.counted).collect()
    }

    /// When the next interval is over.
    pub fn next_due(&self) -> Option<Instant> {
        self.callers.values().map(|caller| caller.since + INTERVAL).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(who: &str, at_ms: u64, refused: bool) -> AuditEntry {
        AuditEntry { at_ms, who: who.to_owned(), refused, ..AuditEntry::default() }
    }

    #[test]
    fn refused_calls_beyond_a_few_are_one_line_and_changes_are_never_held_back() {
        let (mut fold, began) = (RefusedFold::default(), Instant::now());
        let few = u64::from(limits::AUDIT_REFUSED_LINES);
        let written = (0..few + 1_000).filter(|n| fold.take(entry("gate", *n, true), began).is_some());
        assert_eq!(written.count() as u64, few);
        assert!(fold.take(entry("gate", 7, false), began).is_some(), "a change");
        assert!(fold.take(entry("ops", 8, true), began).is_some(), "another caller has lines of its own");
        assert!(fold.due(began + INTERVAL / 2).is_empty() && fold.next_due() == Some(began + INTERVAL));
        let lines = fold.due(began + INTERVAL);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].at_ms, lines[0].more), (few + 999, Some(999)), "the last one and 999 before it");
        assert!(fold.take(entry("gate", 9, true), began + INTERVAL).is_some(), "the next interval");
        assert!(fold.rest().is_empty() && fold.next_due().is_none());
    }

    #[test]
    fn what_was_counted_is_not_lost_at_the_end() {
        let (mut fold, began) = (RefusedFold::default(), Instant::now());
        for n in 0..=u64::from(limits::AUDIT_REFUSED_LINES) {
            fold.take(entry("gate", n, true), began);
        }
        let rest = fold.rest();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].more, None, "it stands for itself only");
    }
}
