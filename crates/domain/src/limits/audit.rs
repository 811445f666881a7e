//! The audit log.

/// One file of the audit log; some 200 bytes a line, so 20 000 changes.
pub const AUDIT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Files before it that are kept.
pub const AUDIT_OLD_FILES: usize = 4;
/// Lines that wait for the disk; a change of the local API waits with its line.
pub const AUDIT_LINES_WAITING: usize = 1_024;
/// Time a call waits for its audit line before it is answered without.
pub const AUDIT_WAIT_MS: u64 = 3_000;
/// Longest part of a line.
pub const AUDIT_TEXT_CHARS_MAX: usize = 200;
/// Older files of what changed nothing; the newest is as large as one of changes.
pub const AUDIT_REFUSED_OLD_FILES: usize = 1;
/// Lines of one caller about what changed nothing within [`AUDIT_REFUSED_INTERVAL_MS`]; further ones are counted in one line.
pub const AUDIT_REFUSED_LINES: u32 = 10;
/// A device that asks for what it may not asks every few seconds for ever: at eleven lines in ten minutes its own file lasts
/// for weeks.
pub const AUDIT_REFUSED_INTERVAL_MS: u64 = 600_000;
