//! Limits of `menshen check`: it answers an installer who waits for it.

/// Milliseconds for looking up all host names of a configuration. A name server in the building answers in a few; one that is
/// not there makes the resolver try for longer than anybody waits.
pub const CHECK_LOOKUP_MS: u64 = 4_000;

/// Milliseconds for one connection of `check --online` to a receiver or a relay.
pub const CHECK_CONNECT_MS: u64 = 3_000;

/// Seconds for one login, broker or camera of `check --online`: cameras give their first picture within eight, as the probe
/// expects, and platforms are asked as patiently as the box itself asks.
pub const CHECK_ITEM_S: u64 = 12;

/// Cameras that `check --online` opens at the same time: each decodes, and the running box needs the processor too.
pub const CHECK_CAMERAS_AT_ONCE: usize = 4;
