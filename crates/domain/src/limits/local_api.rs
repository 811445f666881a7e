//! The local API.

/// Body of a local call with JSON: a user with a photo of [`PHOTO_BYTES_MAX`](super::PHOTO_BYTES_MAX) in base64, or a
/// hundred small ones.
pub const LOCAL_JSON_BYTES_MAX: usize = 17 * 1024 * 1024;
/// People of one local call; more come in several calls.
pub const LOCAL_USERS_MAX: usize = 100;
/// Door commands of one local call; more come in several calls.
pub const LOCAL_ACTIONS_MAX: usize = 16;
/// People of one page: a thousand without their photos are some hundred kilobytes, one answer without a pause.
pub const LOCAL_PAGE_MAX: usize = 1_000;
/// Event, history and monitor addresses set over the local API, each.
pub const LOCAL_URLS_MAX: usize = 8;
/// Time a local call waits for an actor; enrolling [`LOCAL_USERS_MAX`] people behind a long command takes longest.
pub const LOCAL_CALL_TIMEOUT_MS: u64 = 60_000;
/// Wait before the local API tries again to listen on a port that is taken.
pub const LOCAL_LISTEN_RETRY_MS: u64 = 5_000;
/// Fields of a form; the calls that take forms have fewer than ten, and lists of [`LOCAL_URLS_MAX`].
pub const LOCAL_FORM_FIELDS_MAX: usize = 32;
/// Networks of `local_api.allow`, and names of `local_api.names`, each.
pub const LOCAL_ALLOW_MAX: usize = 32;
