//! Changes made on the command line, for the audit log.

use std::fmt::Display;
use std::time::{SystemTime, UNIX_EPOCH};

use super::language::said;
use super::output::print_note;
use crate::adapters::audit::AuditFile;
use crate::config::Settings;
use crate::ports::audit::AuditEntry;
use menshen_domain::change_result::ChangeParts;

/// Wall clock, ms.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

/// Writes a change down. That this fails is no reason to undo the change.
pub fn write_down<T, E: Display>(settings: &Settings, what: &str, on: &str, done: &Result<T, E>) {
    let result = if done.is_ok() { "ok" } else { "refused" };
    append(settings, what, on, result.to_owned(), done.is_err());
}

/// Writes a change down whose parts succeed or fail alone.
pub fn write_down_parts(settings: &Settings, what: &str, on: &str, parts: ChangeParts) {
    append(settings, what, on, parts.text(None), parts.changed_nothing(None));
}

fn append(settings: &Settings, what: &str, on: &str, result: String, refused: bool) {
    let entry = AuditEntry {
        at_ms: now_ms(),
        who: "command line".to_owned(),
        from: format!("user {}", rustix::process::getuid().as_raw()),
        what: what.to_owned(),
        on: on.to_owned(),
        result,
        refused,
        more: None,
    };
    if let Err(error) = AuditFile::new(&settings.data_dir).append(&[entry]) {
        print_note(&said!(
            "warning: the audit log could not be written: {error}",
            "注意：审计日志写入失败：{error}"
        ));
    }
}
