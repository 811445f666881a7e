//! Events on their way to their receivers.

/// Events sent to one history receiver in one cycle (protocol section 8).
pub const HISTORY_BATCH: usize = 100;
/// History bodies made ahead of the one being sent: enough to hide the disk and base64 behind the network, few
/// enough that they stay below 4 × 1 MB a receiver.
pub const HISTORY_AHEAD: usize = 4;
/// History receivers of one box, those of the login and its own together; each has a task and a queue.
pub const HISTORY_RECEIVERS_MAX: usize = 16;
/// Tries before an event that a receiver refuses for good may be quarantined.
pub const REFUSED_TRIES: u32 = 5;
/// The least time those tries spread over: a platform that is being updated answers nonsense for some seconds.
pub const REFUSED_SPREAD_MS: u64 = 10_000;
/// First and longest wait between such tries: the queue waits meanwhile.
pub const REFUSED_BACKOFF_MS: (u64, u64) = (1_000, 8_000);
/// Refused events in a row that are still taken for poison records; more are a receiver that refuses everything.
pub const REFUSED_RUN_MAX: usize = 100;
/// Quarantined events that are listed, or tried again, at a time.
pub const SET_ASIDE_PAGE: usize = 100;

/// Real-time pushes in flight; more are dropped, counted, and arrive as history.
pub const REALTIME_PUSHES_MAX: usize = 64;
/// First and longest pause of an event server that fails. Shorter than that of history: what is left out meanwhile is
/// not pushed later.
pub const REALTIME_BACKOFF_MS: (u64, u64) = (1_000, 10_000);
/// Oldest match that is still news: what waited longer (for a slow disk, a restarting part) would open a door for
/// a person who has gone. It arrives as history.
pub const REALTIME_TTL_MS: u64 = 5_000;
