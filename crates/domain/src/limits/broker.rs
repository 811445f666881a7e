//! The platform's message broker, its commands, and those that failed.

/// Unacknowledged commands the broker may hand over: the one being carried out. A second one would save a round trip, and
/// on a quorum queue a broken connection counts against it although nothing was tried.
pub const COMMAND_PREFETCH: u16 = 1;
/// Failed deliveries of one command from which it is warned of: a quorum queue of RabbitMQ 4 that was declared without a
/// limit of its own drops a command after twenty.
pub const DELIVERIES_WARN: u64 = 10;
/// First and longest wait between tries to have one reply taken.
pub const REPLY_BACKOFF_MS: (u64, u64) = (500, 10_000);
/// Replies kept for commands whose connection broke: one for each command that may be under way, twice over.
pub const KEPT_REPLIES_MAX: usize = 8;
/// A connection that held this long was a good one, even if no command came.
pub const BROKER_PROVEN_MS: u64 = 60_000;
/// Unacknowledged FIQA commands the broker may hand over: one for each core of the smallest box. Not more, so that
/// boxes sharing a queue share the work.
pub const FIQA_PREFETCH: u16 = 2;
/// FIQA commands carried out at the same time.
pub const FIQA_WIDTH: usize = FIQA_PREFETCH as usize;

/// First and longest wait between broker connections.
pub const BROKER_BACKOFF_MS: (u64, u64) = (500, 15_000);
/// Time for TCP, TLS and AMQP handshakes with the broker together.
pub const BROKER_CONNECT_TIMEOUT_MS: u64 = 15_000;
/// Time for a publisher confirm; a confirm in flight when a broker dies never comes.
pub const BROKER_CONFIRM_TIMEOUT_MS: u64 = 15_000;
/// AMQP heartbeat: a half-open connection is found within twice this, by the box and by the broker.
pub const BROKER_HEARTBEAT_S: u16 = 5;
/// How long another consumer of the command queue is taken for an old connection of this box that the broker has not
/// missed yet: three times what the broker takes to miss one.
pub const EXCLUSIVE_WAIT_MS: u64 = 30_000;
/// Wait between tries to become the queue's only consumer.
pub const EXCLUSIVE_RETRY_MS: u64 = 1_000;

/// Part of a dead letter that is kept: a list of 50 000 ids is about 2 MB, one photo of a phone 12 MB and not worth
/// it; a longer message is kept in part and cannot be replayed.
pub const DEAD_LETTER_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The dead-letter log is turned over at this size; one old file is kept.
pub const DEAD_LETTER_FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Dead letters in memory on their way to be carried out again: each may be [`DEAD_LETTER_BODY_BYTES_MAX`].
pub const REPLAYS_AT_ONCE: usize = 4;
/// How often the link checks for dead letters an operator wants carried out again.
pub const REPLAY_LOOK_MS: u64 = 2_000;
