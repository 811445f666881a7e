//! The bounded queues of photos the registry and the local API ask about: from async code to the vision workers.

use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, unbounded};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::message::PhotoFace;
use menshen_domain::event::ShotQuality;
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::ProtocolError;
use menshen_vision::SeenFace;

/// One photo the engine is asked about.
pub struct PhotoRequest {
    pub photo: Bytes,
    pub level: QualityLevel,
    pub question: Question,
}

/// What is asked of a photo, with the way back.
pub enum Question {
    /// Find, judge and embed.
    Enrol(oneshot::Sender<Result<PhotoFace, ProtocolError>>),
    /// Find and judge.
    Judge(oneshot::Sender<Result<ShotQuality, ProtocolError>>),
    /// Find all faces.
    Find { most: usize, with_attributes: bool, to: oneshot::Sender<Result<Vec<SeenFace>, ProtocolError>> },
}

/// A request in the queue.
pub struct Queued<T> {
    item: T,
    _place: OwnedSemaphorePermit,
}

impl<T> Queued<T> {
    /// Gives the place in the queue back.
    pub fn take(self) -> T {
        self.item
    }
}

/// The workers are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the face engine is shutting down")]
pub struct WorkersGone;

/// The asking end of a queue. Cloning shares it.
pub struct RequestQueue<T> {
    /// Without a bound of its own: `places` is the bound, and can be waited for without blocking a thread.
    items: Sender<Queued<T>>,
    places: Arc<Semaphore>,
}

impl<T> Clone for RequestQueue<T> {
    fn clone(&self) -> Self {
        Self { items: self.items.clone(), places: Arc::clone(&self.places) }
    }
}

impl<T> RequestQueue<T> {
    /// A queue with `places` places, and the workers' end of it.
    pub fn new(places: usize) -> (Self, Receiver<Queued<T>>) {
        let (items, queued) = unbounded();
        (Self { items, places: Arc::new(Semaphore::new(places)) }, queued)
    }

    /// Waits for a place, in order of asking, and queues the request. The asking end is gone when this returns: a sender
    /// that is kept while an answer is awaited would keep the queue open.
    ///
    /// # Errors
    /// The queue is closed, or all workers have ended.
    pub async fn put(self, item: T) -> Result<(), WorkersGone> {
        let place = self.places.acquire_owned().await.map_err(|_| WorkersGone)?;
        self.items.send(Queued { item, _place: place }).map_err(|_| WorkersGone)
    }

    /// Ends the waiting of all who ask: the workers have ended.
    pub fn close(&self) {
        self.places.close();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_full_queue_makes_askers_wait_until_a_worker_takes_a_request() {
        let (queue, queued) = RequestQueue::new(2);
        for item in 0..2 {
            assert_eq!(poll(pin!(queue.clone().put(item))), Poll::Ready(Ok(())));
        }
        let mut third = pin!(queue.clone().put(2));
        assert_eq!(poll(third.as_mut()), Poll::Pending);
        assert_eq!(queued.len(), 2);
        let taken = queued.try_recv().unwrap();
        assert_eq!(poll(third.as_mut()), Poll::Pending, "received, not yet begun");
        assert_eq!(taken.take(), 0);
        assert_eq!(poll(third.as_mut()), Poll::Ready(Ok(())));
        assert_eq!(queued.try_iter().map(Queued::take).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn nobody_waits_for_workers_that_are_gone() {
        let (queue, queued) = RequestQueue::new(1);
        assert_eq!(poll(pin!(queue.clone().put(0))), Poll::Ready(Ok(())));
        let mut waiting = pin!(queue.clone().put(1));
        assert_eq!(poll(waiting.as_mut()), Poll::Pending);
        // What is in the queue goes with its last receiver, and so do the places.
        drop(queued);
        assert_eq!(poll(waiting.as_mut()), Poll::Ready(Err(WorkersGone)));

        let (queue, _queued) = RequestQueue::new(1);
        assert_eq!(poll(pin!(queue.clone().put(0))), Poll::Ready(Ok(())));
        let mut waiting = pin!(queue.clone().put(1));
        assert_eq!(poll(waiting.as_mut()), Poll::Pending);
        queue.close();
        assert_eq!(poll(waiting.as_mut()), Poll::Ready(Err(WorkersGone)));
        assert_eq!(poll(pin!(queue.put(2))), Poll::Ready(Err(WorkersGone)));
    }
}
