//! Actors: their mailboxes, and how often one may be restarted.

/// Mailbox of the MQ link: the prefetch window, timers, and answers of its own tasks.
pub const MQ_LINK_MAILBOX: usize = 32;
/// Mailbox of the registry: one command of the link, a few of the local API.
pub const REGISTRY_MAILBOX: usize = 32;
/// Mailbox of the face engine: photo jobs wait here before the workers' places
/// ([`PHOTO_JOBS_WAITING`](super::PHOTO_JOBS_WAITING)).
pub const FACE_ENGINE_MAILBOX: usize = 64;
/// Mailbox of the device manager: notices of some tens of cameras.
pub const DEVICES_MAILBOX: usize = 256;
/// Mailbox of the reporter: passages wait in [`PASSAGE_FACTS_WAITING`] when it is full.
pub const REPORTER_MAILBOX: usize = 64;
/// Passages on their way from the vision workers to the disk. Each holds two JPEGs (about 300 KB); when full,
/// the workers wait and cameras drop frames, but no passage is lost.
pub const PASSAGE_FACTS_WAITING: usize = 64;

/// Restarts of one actor within [`RESTART_WINDOW_MS`] before the process gives up and exits non-zero,
/// so that systemd starts it again.
pub const RESTARTS_MAX: usize = 5;
/// The window in which restarts are counted.
pub const RESTART_WINDOW_MS: u64 = 60_000;
