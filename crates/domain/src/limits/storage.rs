//! What is on disk, and what happens when it is full or damaged.

/// Events in memory while they cannot be stored, a full disk most of all; each holds two JPEGs (about 300 KB), so
/// 20 MB. When more come the oldest is given up, counted and loudly.
pub const EVENTS_WAITING_MAX: usize = 64;
/// How often storing them is tried again: soon enough to see a disk that was emptied, seldom enough to cost nothing.
pub const EVENT_RETRY_MS: u64 = 2_000;
/// Tries to store one event, for another reason than a full disk, before it is given up as lost, loudly: those
/// behind it must not wait for ever. A minute at [`EVENT_RETRY_MS`].
pub const EVENT_STORE_TRIES: u32 = 30;
/// Oldest events that every receiver has, removed in one go to make room on a full disk: about 10 MB.
pub const MAKE_ROOM_EVENTS: u64 = 32;
/// Record of a person or event inside a picture file: a person with several features and a long `info`.
pub const PICTURE_RECORD_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// People written in one transaction while a damaged registry is rebuilt from its photos.
pub const REBUILD_CHUNK: usize = 512;
/// How far behind the newest event a clock may be and still be right: NTP sets a clock back that ran ahead. A quartz of
/// 20 ppm gains 10 minutes in a year without a network.
pub const CLOCK_STEP_BACK_MS: u64 = 10 * 60_000;
/// How often the clock is looked at, to log it and to show it. People are judged by it anew each time.
pub const CLOCK_WATCH_MS: u64 = 10_000;
/// Receipts of erasures in one file, some 300 bytes each: 50 000 people. A second one is kept beside it.
pub const RECEIPT_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a running box remembers whom it erased: a passage, a push or a history batch that was on its way by then has ended
/// long before. A hundred history events at ten seconds each take the longest.
pub const ERASED_REMEMBERED_MS: u64 = 3_600_000;
/// How often events beyond `events.keep_days` are looked for: a day is the unit, so nobody counts minutes.
pub const EXPIRY_PERIOD_MS: u64 = 600_000;
/// Characters of what is said of who asked for an erasure.
pub const ASKED_BY_CHARS_MAX: usize = 200;
