//! Places for large bodies in memory: so many in all, and so many of one sender.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use menshen_domain::limits;

/// Whose a body is: the caller, at an address. Without tokens everybody calls from this machine, and its command line, which has a
/// token of its own, must not wait for the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sender {
    network: IpAddr,
    caller: String,
}

impl Sender {
    pub fn new(network: IpAddr, caller: &str) -> Self {
        // This machine has some millions of addresses.
        let network = match network {
            network if network.is_loopback() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            network => network,
        };
        Self { network, caller: caller.to_owned() }
    }
}

/// A body's place; dropping it gives it back.
pub struct BodyPlace {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_sender: Option<OwnedSemaphorePermit>,
}

/// The places for bodies of one kind.
pub struct Places {
    all: Arc<Semaphore>,
    per_sender: usize,
    senders: Mutex<HashMap<Sender, Arc<Semaphore>>>,
}

/// Those of JSON.
pub static LARGE_BODIES: std::sync::LazyLock<Places> = std::sync::LazyLock::new(|| {
    Places::new(limits::LOCAL_LARGE_BODIES_AT_ONCE, limits::LOCAL_LARGE_BODIES_PER_SENDER)
});
/// Those of photos.
pub static PHOTOS: std::sync::LazyLock<Places> =
    std::sync::LazyLock::new(|| Places::new(limits::PHOTO_POSTS_AT_ONCE, limits::PHOTO_POSTS_PER_SENDER));

impl Places {
    fn new(all: usize, per_sender: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), per_sender, senders: Mutex::default() }
    }

    fn of(&self, sender: Sender) -> Arc<Semaphore> {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has a body or waits for its place holds the sender's places; others are forgotten.
        senders.retain(|_, places| {
            Arc::strong_count(places) > 1 || places.available_permits() < self.per_sender
        });
        let fresh = || Arc::new(Semaphore::new(self.per_sender));
        Arc::clone(senders.entry(sender).or_insert_with(fresh))
    }

    /// Waits for a place. The sender's own comes first, so that who has many bodies waits for itself.
    pub async fn take(&self, sender: Sender) -> BodyPlace {
        // They are never closed, so there is always a permit in the end.
        let of_sender = self.of(sender).acquire_owned().await.ok();
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok();
        BodyPlace { _of_all: of_all, _of_sender: of_sender }
    }

    /// A place, if there is one now.
    pub fn try_take(&self, sender: Sender) -> Option<BodyPlace> {
        let of_sender = self.of(sender).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(BodyPlace { _of_all: Some(of_all), _of_sender: Some(of_sender) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sender(address: &str, caller: &str) -> Sender {
        Sender::new(address.parse().unwrap(), caller)
    }

    #[tokio::test]
    async fn one_sender_leaves_places_to_others() {
        let places = Places::new(4, 2);
        let soon = Duration::from_millis(30);
        let take = |n: u8| tokio::time::timeout(soon, places.take(sender(&format!("10.9.9.{n}"), "ops")));
        let mut own = Vec::new();
        for _ in 0..2 {
            own.push(take(1).await.unwrap());
        }
        assert!(take(1).await.is_err(), "the sender has its share");
        let other = take(2).await.unwrap();
        let another = take(2).await.unwrap();
        assert!(take(3).await.is_err(), "all places are taken");
        own.pop();
        assert!(take(3).await.is_ok(), "a body that is done makes room");
        drop((other, another, own));
        assert!(take(1).await.is_ok());
        assert_eq!(places.senders.lock().unwrap().len(), 1, "who is gone is forgotten");
    }

    #[test]
    fn this_machine_is_one_sender_and_its_command_line_another() {
        let places = Places::new(4, 2);
        let taken: Vec<_> = (1..=200)
            .filter_map(|n| places.try_take(sender(&format!("127.0.0.{n}"), "this machine")))
            .chain(places.try_take(sender("::1", "this machine")))
            .collect();
        assert_eq!(taken.len(), 2, "however many addresses it has");
        assert!(places.try_take(sender("127.0.0.1", "command line")).is_some());
        assert!(places.try_take(sender("10.0.0.5", "gate")).is_some(), "the others' places are free again");
    }
}
