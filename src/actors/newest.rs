//! A bounded queue that gives up its oldest entry for a new one: whoever puts something in never waits.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// At most `max` entries, one reader.
pub struct NewestQueue<T> {
    max: usize,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    entries: VecDeque<T>,
    reader: Option<Waker>,
}

impl<T> NewestQueue<T> {
    pub fn new(max: usize) -> Self {
        Self { max, inner: Mutex::new(Inner { entries: VecDeque::new(), reader: None }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an entry at the end. Answers the one that left for it.
    pub fn push(&self, entry: T) -> Option<T> {
        let mut inner = self.inner();
        let oldest = if inner.entries.len() >= self.max { inner.entries.pop_front() } else { None };
        inner.entries.push_back(entry);
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
        oldest
    }

    /// The first entry; without one the reader is woken when there is.
    pub fn poll_next(&self, context: &Context<'_>) -> Poll<T> {
        let mut inner = self.inner();
        if let Some(first) = inner.entries.pop_front() {
            return Poll::Ready(first);
        }
        inner.reader = Some(context.waker().clone());
        Poll::Pending
    }

    /// Leaves only entries that are still wanted.
    pub fn retain(&self, is_wanted: impl FnMut(&T) -> bool) {
        self.inner().entries.retain(is_wanted);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_oldest_leaves_and_the_reader_is_woken() {
        let queue = NewestQueue::new(3);
        let next = || std::future::poll_fn(|context| queue.poll_next(context));
        assert!(next().now_or_never().is_none());
        let gone: Vec<_> = (0..5).filter_map(|number| queue.push(number)).collect();
        assert_eq!(gone, [0, 1]);
        queue.retain(|number| *number != 3);
        assert_eq!((next().await, next().await), (2, 4));
        let (read, ()) = tokio::join!(next(), async { assert_eq!(queue.push(9), None) });
        assert_eq!(read, 9);
    }
}
