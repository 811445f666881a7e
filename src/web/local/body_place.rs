//! Places for large bodies in memory: so many in all, and so many of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use menshen_domain::limits;

/// A large body's place; dropping it gives it back.
pub struct BodyPlace {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_address: Option<OwnedSemaphorePermit>,
}

struct Places {
    all: Arc<Semaphore>,
    addresses: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

static PLACES: std::sync::LazyLock<Places> = std::sync::LazyLock::new(|| Places {
    all: Arc::new(Semaphore::new(limits::LOCAL_LARGE_BODIES_AT_ONCE)),
    addresses: Mutex::default(),
});

impl BodyPlace {
    /// Waits for a place, as long as the body's time lasts. The address's own comes first, so that who has many bodies waits for
    /// itself.
    pub async fn take(network: IpAddr) -> Self {
        let own = {
            let mut addresses = PLACES.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            // Whoever has a body or waits for its place holds the address's places; others are forgotten.
            addresses.retain(|_, places| {
                Arc::strong_count(places) > 1
                    || places.available_permits() < limits::LOCAL_LARGE_BODIES_PER_ADDRESS
            });
            let fresh = || Arc::new(Semaphore::new(limits::LOCAL_LARGE_BODIES_PER_ADDRESS));
            Arc::clone(addresses.entry(network).or_insert_with(fresh))
        };
        // They are never closed, so there is always a permit in the end.
        let of_address = own.acquire_owned().await.ok();
        let of_all = Arc::clone(&PLACES.all).acquire_owned().await.ok();
        Self { _of_all: of_all, _of_address: of_address }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_address_leaves_places_to_others() {
        let soon = Duration::from_millis(30);
        let take = |n: u8| tokio::time::timeout(soon, BodyPlace::take(IpAddr::from([10, 9, 9, n])));
        let mut own = Vec::new();
        for _ in 0..limits::LOCAL_LARGE_BODIES_PER_ADDRESS {
            own.push(take(1).await.unwrap());
        }
        assert!(take(1).await.is_err(), "the address has its share");
        let other = take(2).await.unwrap();
        let another = take(2).await.unwrap();
        assert!(take(3).await.is_err(), "all places are taken");
        own.pop();
        assert!(take(3).await.is_ok(), "a body that is done makes room");
        drop((other, another, own));
        assert!(take(1).await.is_ok());
    }
}
