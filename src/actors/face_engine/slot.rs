//! The one-place, latest-wins slot between a camera's decoder thread and the vision workers.
//!
//! A camera that is faster than the workers overwrites; it never queues, so latency stays one frame.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Holds at most one value; a newer one replaces it and counts the loss.
#[derive(Debug)]
pub struct LatestSlot<T> {
    place: Mutex<Option<T>>,
    put: AtomicU64,
    dropped: AtomicU64,
}

impl<T> Default for LatestSlot<T> {
    fn default() -> Self {
        Self { place: Mutex::new(None), put: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }
}

impl<T> LatestSlot<T> {
    /// Stores `value`; returns `true` when the place was empty, so that the caller wakes a worker once.
    pub fn put(&self, value: T) -> bool {
        self.put.fetch_add(1, Ordering::Relaxed);
        let old = self.place.lock().unwrap_or_else(PoisonError::into_inner).replace(value);
        if old.is_some() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        old.is_none()
    }

    /// Takes the newest value, if any.
    pub fn take(&self) -> Option<T> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether a value is waiting.
    pub fn is_full(&self) -> bool {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Values ever put.
    pub fn put_total(&self) -> u64 {
        self.put.load(Ordering::Relaxed)
    }

    /// Values overwritten before anyone took them.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_wins_and_the_loss_is_counted() {
        let slot = LatestSlot::default();
        assert!(slot.put(1));
        assert!(!slot.put(2));
        assert!(!slot.put(3));
        assert_eq!(slot.take(), Some(3));
        assert_eq!(slot.take(), None);
        assert_eq!((slot.put_total(), slot.dropped_total()), (3, 2));
        assert!(slot.put(4));
    }
}
