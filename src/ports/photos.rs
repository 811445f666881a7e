//! Where receivers of photos hand them over.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use menshen_domain::photo::PhotoResult;

/// What became of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoOutcome {
    pub result: PhotoResult,
    /// Its events, if there are any, are kept.
    pub stored: bool,
}

pub type OutcomeFuture<'a> = Pin<Box<dyn Future<Output = Option<PhotoOutcome>> + Send + 'a>>;

pub trait PhotoIngest: Send + Sync {
    /// The device whose account this is; `None` for a wrong name or password. Takes the same time for both.
    fn login(&self, user: &str, password: &str) -> Option<String>;

    /// The device said something.
    fn heard(&self, device: &str);

    /// Whether another photo would be taken now.
    fn has_room(&self) -> bool;

    /// Counts a photo that was not taken.
    fn refuse(&self, device: &str, result: PhotoResult);

    /// Hands a photo over and waits until its events are kept; `None` when there is no such device any more.
    fn take(&self, device: &str, photo: Bytes) -> OutcomeFuture<'_>;
}
