//! Limits of `menshen users import`: what is meant to be people and is something else must not fill memory.

/// Longest id, in bytes: platforms use numbers and UUIDs; identity cards have 18 digits.
pub const IMPORT_ID_BYTES_MAX: usize = 128;

/// Folders inside folders: company, site, department, group and some more. Deeper is a link that leads back.
pub const IMPORT_FOLDERS_DEEP_MAX: usize = 16;

/// Size of a table: a hundred thousand people with a long line each. More is another file that was named by mistake.
pub const IMPORT_TABLE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Seconds between two lines of progress while a chunk is being enrolled: nobody takes a slow box for a stuck one.
pub const IMPORT_PROGRESS_S: u64 = 5;
