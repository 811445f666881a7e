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
