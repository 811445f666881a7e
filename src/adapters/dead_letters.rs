//! The dead-letter log: `dead-letters.jsonl` in the data folder, one sealed JSON object a line. Commands hold names
//! and photos, so a wipe of people makes the letters kept before it unreadable too.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::vault::Vault;
use crate::core::limits;
use crate::ports::dead_letters::DeadLetters;

/// What its lines are bound to.
const PLACE: &str = "dead-letters";

pub struct DeadLetterFile {
    path: PathBuf,
    vault: Arc<Vault>,
    writing: Mutex<()>,
}

impl DeadLetterFile {
    pub fn new(data_dir: &Path, vault: Arc<Vault>) -> Self {
        Self { path: data_dir.join("dead-letters.jsonl"), vault, writing: Mutex::new(()) }
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if fs::metadata(&self.path).is_ok_and(|facts| facts.len() > limits::DEAD_LETTER_FILE_BYTES_MAX) {
            fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        writeln!(file, "{line}")?;
        file.sync_data()
    }
}

impl DeadLetters for DeadLetterFile {
    fn keep(&self, at_ms: u64, code: i64, reason: &str, body: &[u8]) {
        let shown = &body[..body.len().min(limits::DEAD_LETTER_BODY_BYTES_MAX)];
        let line = serde_json::json!({
            "at_ms": at_ms,
            "code": code,
            "reason": reason,
            "bytes": body.len(),
            "body": String::from_utf8_lossy(shown),
        });
        let sealed = self.vault.seal_line(PLACE, line.to_string().as_bytes()).map_err(io::Error::other);
        if let Err(error) = sealed.and_then(|line| self.append(&line)) {
            tracing::error!(%error, path = %self.path.display(), "a dead letter could not be kept");
        }
    }
}
