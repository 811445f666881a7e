//! Connections of the web servers (`web`, `local_api`), and open files.

/// Connections of the local API at one time: a hundred terminals with one each, their tools, and room for strangers. One costs
/// some ten kilobytes.
pub const LOCAL_CONNECTIONS_MAX: usize = 256;
/// Of one address: terminals behind one router share theirs.
pub const LOCAL_CONNECTIONS_PER_ADDRESS: usize = 64;
/// Connections for health and metrics: a few scrapers and their retries.
pub const WEB_CONNECTIONS_MAX: usize = 64;
/// Of one address.
pub const WEB_CONNECTIONS_PER_ADDRESS: usize = 16;
/// Fewest connections, where the system allows only few open files.
pub const CONNECTIONS_MIN: usize = 8;
/// Time for the head of the first request, and for TLS to come about: a slow radio link needs a few seconds.
pub const REQUEST_HEAD_MS: u64 = 10_000;
/// Time between two requests of one connection.
pub const KEEP_ALIVE_MS: u64 = 15_000;
/// Time a connection may spend without a request that is being served: for the head of the next one, for taking the answer, for
/// doing nothing.
pub const UNSERVED_MS: u64 = 30_000;
/// Time without a byte taken, after which who asked is not waiting for the answer any more.
pub const WRITE_STALL_MS: u64 = 10_000;
/// Time for the body of a local call: [`LOCAL_JSON_BYTES_MAX`](super::LOCAL_JSON_BYTES_MAX) at 1 MB/s and half as much again; less
/// than [`UNSERVED_MS`].
pub const LOCAL_BODY_MS: u64 = 25_000;
/// Time without a byte of a body.
pub const LOCAL_BODY_STALL_MS: u64 = 10_000;
/// Bodies up to this size take none of the places of large ones: whatever is not a photo or a list of people.
pub const LOCAL_SMALL_BODY_BYTES: usize = 64 * 1024;
/// Larger bodies in memory at one time; each of 17 MB and its parsed form, some 150 MB at the very worst.
pub const LOCAL_LARGE_BODIES_AT_ONCE: usize = 4;
/// Of one sender, so that a slow one leaves places to others.
pub const LOCAL_LARGE_BODIES_PER_SENDER: usize = 2;
/// Slowest pace of a body that holds a place, and of a photo: 64 kbit/s, the slowest radio link a terminal has.
pub const LOCAL_BODY_BYTES_PER_S: u64 = 8 * 1024;
/// Time after which the pace counts: a lost packet or two on such a link.
pub const LOCAL_BODY_GRACE_MS: u64 = 5_000;
/// Wait before a wrong token is answered.
pub const WRONG_TOKEN_DELAY_MS: u64 = 1_000;
/// Addresses whose wrong tokens and broken requests the log is being told of; those of others are only counted in the metrics.
pub const PEERS_TOLD_MAX: usize = 256;
/// One line of the log an address for what it does wrong within this time.
pub const PEER_LOG_MS: u64 = 60_000;

/// Open files the box asks the system for; more are of no use to it.
pub const OPEN_FILES_WANTED: u64 = 65_536;
/// Open files of databases, pictures, models, threads, the broker and receivers: some 120 in rush hour.
pub const OPEN_FILES_OWN: u64 = 256;
/// Of one camera: pipeline, sockets, main stream and what a change holds twice; 12 were counted.
pub const OPEN_FILES_PER_DEVICE: u64 = 24;
/// Devices that may be added while the box runs, for which files are kept.
pub const OPEN_FILES_DEVICES_SPARE: u64 = 8;
