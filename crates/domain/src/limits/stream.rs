//! The live stream (`local_api.stream_listen`).

/// Connections at one time: the welcome screens and wall displays of a large site. One holds
/// [`STREAM_QUEUE`] messages at most, some 10 MB where each has a large registry photo.
pub const STREAM_CLIENTS_MAX: usize = 32;
/// Of one address: screens behind one router share theirs.
pub const STREAM_CLIENTS_PER_ADDRESS: usize = 16;
/// Messages that wait for one client, as published documents are read; the oldest goes first.
pub const STREAM_QUEUE: usize = 32;
/// Events whose messages wait to be made; the oldest goes first. Each holds its pictures.
pub const STREAM_EVENTS_WAITING: usize = 32;
/// Time between two pings.
pub const STREAM_PING_MS: u64 = 20_000;
/// Time without a byte of a client, after which nobody is there: three pings without an answer.
pub const STREAM_SILENCE_MS: u64 = 65_000;
/// A message of a client: a configuration that names a thousand devices.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// What the system holds of a client's messages. What lies there cannot be dropped for what is newer.
pub const STREAM_SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Time in which a client that messages wait for must take some of them: a third of what the system holds, which is 1 KB a second.
pub const STREAM_STALL_MS: u64 = 60_000;
