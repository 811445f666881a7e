//! Time, injected, so that tests can move it.

pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch, UTC. May step when the clock is set.
    fn wall_ms(&self) -> u64;
    /// Milliseconds since some start. Never steps back.
    fn monotonic_ms(&self) -> u64;
}
