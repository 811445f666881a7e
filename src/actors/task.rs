//! Long-running tasks of an actor: they end with their owner and come back after a panic.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;

/// Wait before a task that panicked is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// Runs `work` once. A panic in it, which is logged and counted, is an error like any other, so that whoever waits for the result gets one.
pub async fn guarded<T, E>(
    name: &'static str,
    work: impl Future<Output = Result<T, E>>,
    panicked: impl FnOnce() -> E,
) -> Result<T, E> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
        metrics::counter!("menshen_task_panics_total", "task" => name).increment(1);
        tracing::error!(task = name, "task panicked");
        Err(panicked())
    })
}

/// A running task; dropping it ends the task at its next await.
pub struct Task(Option<JoinHandle<()>>);

impl Task {
    /// Runs the future of `make` until it returns. After a panic, which is logged and counted, `make` is called again.
    pub fn spawn<F: Future<Output = ()> + 'static>(
        name: &'static str,
        make: impl Fn() -> F + 'static,
    ) -> Self {
        Self(Some(actix_rt::spawn(async move {
            while AssertUnwindSafe(make()).catch_unwind().await.is_err() {
                metrics::counter!("menshen_task_panics_total", "task" => name).increment(1);
                tracing::error!(task = name, "task panicked and is started again");
                tokio::time::sleep(RESTART_AFTER).await;
            }
        })))
    }

    pub fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the task to return by itself.
    pub async fn finished(mut self) {
        if let Some(handle) = self.0.take() {
            // An error means it was aborted, which only `drop` does.
            let _ = handle.await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_for_whoever_waits() {
        let in_a_library = |fails: bool| async move {
            assert!(!fails, "in a library");
            Ok(1)
        };
        assert_eq!(guarded("test", in_a_library(true), || "panicked").await, Err("panicked"));
        assert_eq!(guarded("test", in_a_library(false), || "panicked").await, Ok(1));
    }
}
