//! Blocking work of actors: on threads of the runtime's pool, never on an arbiter.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

use crate::ports::store::StoreError;
use menshen_domain::status::{ProtocolError, StatusCode};

/// Blocking work ended without a result: it panicked or the runtime stopped. The log has which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("internal error, see the box's log")]
pub struct Unfinished;

impl From<Unfinished> for ProtocolError {
    fn from(unfinished: Unfinished) -> Self {
        Self::new(StatusCode::ServerProcessFailed, unfinished.to_string())
    }
}

/// The result of blocking work that runs already. Dropping it does not end the work.
#[must_use = "dropping it does not wait for the work"]
pub struct Blocking<T>(JoinHandle<T>);

/// Starts blocking work on a thread at once. The actors' only way to the pool.
pub fn spawn_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Blocking<T> {
    Blocking(tokio::task::spawn_blocking(work))
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, Unfinished>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context).map_err(|error| {
            tracing::error!(%error, "blocking work ended unexpectedly");
            Unfinished
        })
    }
}

/// Runs store work on a thread; a refusal carries what the other side may know, the log the rest.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ProtocolError> {
    spawn_blocking(work).await?.map_err(|error| {
        metrics::counter!("menshen_store_errors_total").increment(1);
        tracing::error!(%error, "store access failed");
        store_refusal(&error)
    })
}

/// The protocol's answer to a store that failed.
pub fn store_refusal(error: &StoreError) -> ProtocolError {
    let detail = match error {
        StoreError::DiskFull { .. } => "the box's disk is full",
        _ => "the box could not store it, see its log",
    };
    ProtocolError::new(StatusCode::ServerProcessFailed, detail)
}

/// Gives the calling thread the lowest priority: it uses the processor time that other threads leave over. Where the
/// system refuses that, the thread keeps its priority.
pub fn lower_priority() {
    // On Linux a thread has a priority of its own, and no id means the calling thread.
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::debug!(%error, "priority of a background thread could not be lowered");
    }
}
