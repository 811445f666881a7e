//! What every connection of a proxy goes by.

use std::sync::{Mutex, PoisonError};

use crate::ports::camera::{FailureKind, NoticeSink, StreamFailure, StreamNotice};
use menshen_domain::address::Login;

/// What every connection of the proxy shares.
pub struct Shared {
    pub device: String,
    pub login: Login,
    /// `rtsp://127.0.0.1:PORT/KEY/`
    pub front: String,
    /// Told of failures in the words for an installer, before the client tells them in its own.
    pub notices: Option<NoticeSink>,
    pub failure: Mutex<Option<StreamFailure>>,
}

impl Shared {
    pub fn report(&self, kind: FailureKind, text: String) {
        let failure = StreamFailure { kind, text };
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| failure.clone());
        if let Some(notices) = &self.notices {
            notices(StreamNotice::Failed(failure));
        }
    }
}
