//! Supervision: an actor that has died is made again by its factory, within a restart intensity limit.
//!
//! actix's own `Supervisor` neither survives a panic nor makes a new actor, so this watches addresses.

use std::time::Duration;

use actix::prelude::{Actor, Arbiter, Context};

use super::problems::Problem;
use crate::actors::handle::Handle;
use crate::ports::clock::Clock;
use crate::web::health::Health;
use menshen_domain::limits;
use menshen_domain::supervision::RestartLimit;

/// How often the parts are checked.
const CHECK_EVERY: Duration = Duration::from_millis(200);

/// One supervised part, whatever its actor type.
pub trait Part: Send {
    fn name(&self) -> &'static str;
    fn is_up(&self) -> bool;
    /// Makes a new incarnation; blocks for as long as that takes.
    ///
    /// # Errors
    /// When the part cannot be made; the reason is what it needs and does not get.
    fn start(&mut self) -> Result<(), Problem>;
}

/// An actor with the recipe to make it.
pub struct ActorPart<A: Actor<Context = Context<A>>> {
    name: &'static str,
    handle: Handle<A>,
    arbiter: Arbiter,
    make: Box<dyn FnMut() -> Result<A, Problem> + Send>,
}

impl<A: Actor<Context = Context<A>> + Send> ActorPart<A> {
    pub fn new(
        name: &'static str,
        handle: Handle<A>,
        make: impl FnMut() -> Result<A, Problem> + Send + 'static,
    ) -> Self {
        Self { name, handle, arbiter: Arbiter::new(), make: Box::new(make) }
    }
}

impl<A: Actor<Context = Context<A>> + Send> Part for ActorPart<A> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_up(&self) -> bool {
        self.handle.is_up()
    }

    fn start(&mut self) -> Result<(), Problem> {
        let actor = (self.make)()?;
        self.handle.set(A::start_in_arbiter(&self.arbiter.handle(), move |_| actor));
        Ok(())
    }
}

/// A part cannot be kept alive.
#[derive(Debug, thiserror::Error)]
pub enum GaveUp {
    #[error("{part} died more than {max} times within {within_s} s; giving up so that the service manager starts afresh", max = limits::RESTARTS_MAX, within_s = limits::RESTART_WINDOW_MS / 1000)]
    TooManyRestarts { part: &'static str },
    #[error("{part} panicked while starting: {panic}")]
    Panicked { part: &'static str, panic: tokio::task::JoinError },
}

/// Watches until a part cannot be kept alive, and returns why. Dropping the future ends the supervision, as shutdown
/// does.
pub async fn watch(mut parts: Vec<Box<dyn Part>>, health: &Health, clock: &dyn Clock) -> GaveUp {
    let mut limits: Vec<_> =
        parts.iter().map(|_| RestartLimit::new(limits::RESTARTS_MAX, limits::RESTART_WINDOW_MS)).collect();
    loop {
        for index in 0..parts.len() {
            let name = parts[index].name();
            if parts[index].is_up() {
                health.set_part(name, true);
                continue;
            }
            health.set_part(name, false);
            metrics::counter!("menshen_part_restarts_total", "part" => name).increment(1);
            tracing::error!(part = name, "a part has died and is started again");
            if !limits[index].allow(clock.monotonic_ms()) {
                return GaveUp::TooManyRestarts { part: name };
            }
            let mut part = parts.swap_remove(index);
            let started = tokio::task::spawn_blocking(move || {
                let result = part.start();
                (part, result)
            })
            .await;
            match started {
                Ok((part, result)) => {
                    if let Err(error) = result {
                        tracing::error!(part = name, %error, "a part could not be started");
                    }
                    // Back to its place, so that its limit stays its own.
                    parts.push(part);
                    let last = parts.len() - 1;
                    parts.swap(index, last);
                }
                Err(panic) => return GaveUp::Panicked { part: name, panic },
            }
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
}
