//! Ctrl-C and SIGTERM end what runs in good order: the children are in process groups of their own, and are
//! stopped by their handles.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Turns true at the first signal; from then on the process no longer ends by one.
pub fn watch() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            if let (Ok(mut int), Ok(mut term)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            {
                tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
                flag.store(true, Ordering::Release);
            }
        });
    });
    interrupted
}
