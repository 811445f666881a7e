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
/// Photos in one answer, in base64; of the people after these the answer has the `image_id` alone.
pub const LOCAL_PHOTOS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Answers with photos that are made at one time; others wait. Each holds [`LOCAL_PHOTOS_BYTES_MAX`] about twice.
pub const LOCAL_PHOTO_ANSWERS_AT_ONCE: usize = 2;
/// Event, history and monitor addresses set over the local API, each.
pub const LOCAL_URLS_MAX: usize = 8;
/// One of those addresses: more than servers and proxies commonly take in a request line, 8 KB, could not be called.
pub const LOCAL_URL_BYTES_MAX: usize = 8_192;
/// Time a local call waits for an actor; enrolling [`LOCAL_USERS_MAX`] people behind a long command takes longest.
pub const LOCAL_CALL_TIMEOUT_MS: u64 = 60_000;
/// Wait before the local API tries again to listen on a port that is taken.
pub const LOCAL_LISTEN_RETRY_MS: u64 = 5_000;
/// Fields of a form; the calls that take forms have fewer than ten, and lists of [`LOCAL_URLS_MAX`].
pub const LOCAL_FORM_FIELDS_MAX: usize = 32;
/// Characters of a refusal's detail, which may quote what was sent: several long names and what to do fit; a name of a megabyte does
/// not come back.
pub const REFUSAL_CHARS_MAX: usize = 600;
/// Of those, the end that is kept, where what to do is said.
pub const REFUSAL_END_CHARS: usize = 200;
/// Networks of `local_api.allow`, and names of `local_api.names`, each.
pub const LOCAL_ALLOW_MAX: usize = 32;
/// Text of a device over the published calls: an address with user, password and a long path.
pub const DEVICE_TEXT_BYTES_MAX: usize = 1_024;
/// `device_attr` of a device, which is only kept: the published one has some dozen switches.
pub const DEVICE_ATTR_BYTES_MAX: usize = 4_096;
/// Permission groups of one device over the published calls, which name one.
pub const DEVICE_GROUPS_MAX: usize = 64;
/// A terminal's clock may be that far from the box's for its time to be an event's.
pub const COMPARE_TIME_SPAN_MS: u64 = 300_000;
/// Time for a picture a caller names by its address, as published.
pub const PICTURE_DOWNLOAD_MS: u64 = 5_000;
/// Faces `detect` shows where no number is asked for, as published.
pub const DETECT_FACES_DEFAULT: usize = 10;
/// Faces it shows at most; each may have its age and gender estimated.
pub const DETECT_FACES_MAX: usize = 100;
/// Stored events a query with a filter opens, the newest ones, as published for searches; each costs some ten microseconds.
pub const EVENTS_LOOKED_AT_MAX: u64 = 50_000;
/// Events one search by picture finds, as published; the next page begins behind them.
pub const PICTURE_SEARCH_FOUND_MAX: usize = 1_000;
/// Span of a search by picture: a month, as published, of its longest form.
pub const PICTURE_SEARCH_SPAN_MS: u64 = 31 * 24 * 3_600_000;
/// Span of one that names no time, as published.
pub const PICTURE_SEARCH_DEFAULT_MS: u64 = 24 * 3_600_000;
/// Devices of one search.
pub const PICTURE_SEARCH_DEVICES_MAX: usize = 1_000;
/// Queries of events that open their rows at one time: recognition has the cores.
pub const EVENT_QUERIES_AT_ONCE: usize = 1;
/// Names of one `Configs` call; the published dump has some sixty.
pub const CONFIG_NAMES_MAX: usize = 128;
/// Events or pictures one call deletes.
pub const EVENTS_DELETED_MAX: usize = 1_000;
