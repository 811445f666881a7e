//! Door relays.

use futures_util::future::BoxFuture;

use menshen_domain::relay::order::{DoorOrder, RelayCall};

pub trait DoorRelay: Send + Sync {
    /// Carries out an order once, within a short time limit, and never again; `Ok` when the relay took all of it. What has a
    /// way back to rest is brought there when the time is over. The error names no address, which may hold a password.
    fn act(&self, order: DoorOrder) -> BoxFuture<'_, Result<(), String>>;

    /// Brings outputs to rest in the background, until they are there.
    fn rest(&self, outputs: Vec<(String, RelayCall)>);

    /// Brings to rest now what is on: the box stops.
    fn rest_all(&self) -> BoxFuture<'_, ()>;
}
