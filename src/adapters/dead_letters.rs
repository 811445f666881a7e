//! The dead-letter log: `dead-letters.jsonl` in the data folder, one JSON object a line.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::core::limits;
use crate::ports::dead_letters::DeadLetters;

pub struct DeadLetterFile {
    path: PathBuf,
    writing: Mutex<()>,
}

impl DeadLetterFile {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("dead-letters.jsonl"), writing: Mutex::new(()) }
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
        if let Err(error) = self.append(&line.to_string()) {
            tracing::error!(%error, path = %self.path.display(), "a dead letter could not be kept");
        }
    }
}
