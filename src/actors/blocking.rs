//! Blocking work of actors: on threads of the runtime's pool, never on an arbiter.

use crate::ports::store::StoreError;
use menshen_domain::status::{ProtocolError, StatusCode};

/// Runs blocking store work on a thread; a refusal carries what the other side may know, the log the rest.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ProtocolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            metrics::counter!("menshen_store_errors_total").increment(1);
            tracing::error!(%error, "store");
            Err(store_refusal(&error))
        }
        Err(panic) => {
            tracing::error!(%panic, "store work ended unexpectedly");
            Err(ProtocolError::new(StatusCode::ServerProcessFailed, "internal error, see the box's log"))
        }
    }
}

/// The protocol's answer to a store that failed.
pub fn store_refusal(error: &StoreError) -> ProtocolError {
    let detail = match error {
        StoreError::DiskFull { .. } => "the box's disk is full",
        _ => "the box could not store it, see its log",
    };
    ProtocolError::new(StatusCode::ServerProcessFailed, detail)
}

/// Gives the calling thread the lowest priority: it works with what the others leave over. Where that is not to be had it
/// works as the others do.
pub fn lower_priority() {
    // On Linux a thread has a priority of its own, and no id means the calling thread.
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        tracing::debug!(%error, "background work runs at normal priority");
    }
}
