//! Door relays.

use futures_util::future::BoxFuture;

use menshen_domain::relay::order::{DoorOrder, RelayCall};

/// Why a relay did not take a command; the sentence begins with "the relay". It names no address, which may hold a
/// password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    #[error("no answer within the time limit")]
    TimedOut,
    /// With what the operating system says, where it says something.
    #[error("cannot be reached{}", .0.map(|kind| format!(": {kind}")).unwrap_or_default())]
    Unreachable(Option<std::io::ErrorKind>),
    /// An HTTP status other than success.
    #[error("answered {0}")]
    Status(u16),
    #[error("refused coil {coil}: {exception}")]
    Refused { coil: u16, exception: String },
    #[error("answered nothing of use: {0}")]
    Unusable(String),
    #[error("broke the connection: {0}")]
    Broken(String),
    #[error("did not answer: {0}")]
    Silent(String),
    /// Other bytes than were expected, both in hexadecimal digits.
    #[error("answered {got} in place of {expected}")]
    Unexpected { got: String, expected: String },
}

pub trait DoorRelay: Send + Sync {
    /// Carries out an order once, within a short time limit, and never again. What has a way back to rest is brought
    /// there when the time is over.
    ///
    /// # Errors
    /// When a relay did not take its part of the order; another part may have been done.
    fn act(&self, order: DoorOrder) -> BoxFuture<'_, Result<(), RelayError>>;

    /// Brings outputs to rest in the background, until they are there.
    fn rest(&self, outputs: Vec<(String, RelayCall)>);

    /// Brings to rest now what is on: the box stops.
    fn rest_all(&self) -> BoxFuture<'_, ()>;
}
