//! The platform over HTTP: logins, users' details, enrolment, reports.

/// Largest login document: it is a few kilobytes; a login page of a proxy may be larger and is no document.
pub const LOGIN_BYTES_MAX: usize = 1024 * 1024;
/// First and longest wait between logins.
pub const LOGIN_BACKOFF_MS: (u64, u64) = (1_000, 60_000);

/// Time to establish any HTTP connection on a local network.
pub const HTTP_CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Time for a login or user-details call.
pub const HTTP_CALL_TIMEOUT_MS: u64 = 20_000;
/// Redirects within one server that a download follows: a path that moved, and its slash.
pub const REDIRECTS_MAX: usize = 5;
/// Time for one registry photo: 12 MB over a slow uplink; a server that hangs costs no more than this.
pub const PHOTO_DOWNLOAD_TIMEOUT_MS: u64 = 10_000;
/// Time for a report that will be retried.
pub const REPORT_TIMEOUT_MS: u64 = 15_000;
/// First and longest wait between tries of one report.
pub const REPORT_BACKOFF_MS: (u64, u64) = (1_000, 60_000);

/// How often a command that waits for a new login checks for it.
pub const SESSION_LOOK_MS: u64 = 250;
/// Rejections within this time after a login concern the token before it.
pub const SESSION_SETTLE_MS: u64 = 2_000;
/// New logins one call is worth: a platform that rejects every token means something else by it.
pub const SESSION_RENEWALS_MAX: u32 = 2;
/// First and longest wait before a receiver that rejects fresh tokens may ask for a login again: one that answers
/// 403 to everything must not keep the link from its work.
pub const RELOGIN_ASK_MS: (u64, u64) = (5_000, 600_000);

/// Ids asked for in one call for user details: about 100 × 500 KB of base64 photos at worst.
pub const USER_DETAILS_CHUNK: usize = 100;
/// Largest answer with user details: [`USER_DETAILS_CHUNK`] users with inline photos of 500 KB, base64.
pub const USER_DETAILS_BYTES_MAX: usize = 96 * 1024 * 1024;
/// Tries to fetch the details of one chunk of users.
pub const USER_DETAILS_TRIES: u32 = 3;
/// Wait between those tries: a platform that restarts behind its proxy answers 502 for some seconds.
pub const USER_DETAILS_RETRY_MS: u64 = 1_500;

/// People whose photos are fetched and judged at the same time: enough to hide network latency, few enough
/// that photos in memory stay below 8 × [`PHOTO_BYTES_MAX`](super::PHOTO_BYTES_MAX).
pub const ENROL_CONCURRENCY: usize = 8;
/// People committed in one database transaction while enrolling: one flush for many, little lost time on a crash.
pub const ENROL_COMMIT_CHUNK: usize = 64;
