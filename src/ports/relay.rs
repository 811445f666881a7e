//! Door relays.

use futures_util::future::BoxFuture;
use url::Url;

pub trait DoorRelay: Send + Sync {
    /// Calls a relay once, within a short time limit, and never again; `Ok` when it answered 2xx. The error names no
    /// address, which may hold a password.
    fn call(&self, url: Url) -> BoxFuture<'_, Result<(), String>>;
}
