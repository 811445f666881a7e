//! Signals: which end the box in good order, which have its configuration read again, and which do nothing.

use std::io::IsTerminal as _;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::devices::Reread;

/// How a run ended in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A signal asked for it.
    Stopped,
    /// A change asked for a restart: this box has a new name or a new platform.
    Restart,
}

/// The signals a service manager or a person at a terminal may send. Watched from the start on: a signal that nobody watches ends the
/// process at once.
pub struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    quit: Option<Signal>,
    hang_up: Option<Signal>,
    user_1: Option<Signal>,
    user_2: Option<Signal>,
    /// Started by hand: a terminal that closes ends the box, as it ends every program in it.
    has_terminal: bool,
}

impl Signals {
    pub fn new() -> Self {
        let watched = |kind: SignalKind| {
            let unwatched =
                |error| tracing::error!(%error, signal = kind.as_raw_value(), "a signal cannot be watched");
            signal(kind).map_err(unwatched).ok()
        };
        Self {
            terminate: watched(SignalKind::terminate()),
            interrupt: watched(SignalKind::interrupt()),
            quit: watched(SignalKind::quit()),
            hang_up: watched(SignalKind::hangup()),
            user_1: watched(SignalKind::user_defined1()),
            user_2: watched(SignalKind::user_defined2()),
            has_terminal: std::io::stdin().is_terminal(),
        }
    }

    /// Waits for a signal that asks for the end, or for a configuration that is to be used from now on.
    pub async fn end(mut self, reread: &Reread) -> Ended {
        loop {
            let name = tokio::select! {
                () = next(&mut self.terminate) => "SIGTERM",
                () = next(&mut self.interrupt) => "SIGINT",
                () = next(&mut self.quit) => "SIGQUIT",
                () = next(&mut self.hang_up) => {
                    if self.has_terminal {
                        tracing::info!(signal = "SIGHUP", "the terminal closed, shutting down");
                        return Ended::Stopped;
                    }
                    if reads_anew(reread) {
                        return Ended::Restart;
                    }
                    continue;
                }
                () = next(&mut self.user_1) => {
                    tracing::info!(signal = "SIGUSR1", "a signal without a meaning was ignored");
                    continue;
                }
                () = next(&mut self.user_2) => {
                    tracing::info!(signal = "SIGUSR2", "a signal without a meaning was ignored");
                    continue;
                }
            };
            tracing::info!(signal = name, "shutting down");
            return Ended::Stopped;
        }
    }
}

async fn next(signal: &mut Option<Signal>) {
    // No longer watched: never again.
    let is_one = match signal {
        Some(signal) => signal.recv().await.is_some(),
        None => false,
    };
    if !is_one {
        std::future::pending::<()>().await;
    }
}

/// Whether the configuration is sound. One that is not changes nothing: the box goes on with what it has.
fn reads_anew(reread: &Reread) -> bool {
    match reread() {
        Ok(_) => {
            tracing::info!(
                signal = "SIGHUP",
                "the configuration was read again; restarting in place to use it"
            );
            true
        }
        Err(problems) => {
            for problem in problems.texts() {
                tracing::error!(
                    signal = "SIGHUP",
                    problem,
                    "the configuration has an error; the running one is kept"
                );
            }
            false
        }
    }
}
