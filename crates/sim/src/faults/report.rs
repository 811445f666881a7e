//! Progress for the terminal, verdicts for machines.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Prints what happens, and writes it to a file where that is wanted.
pub struct Report {
    started: Instant,
    record: Option<File>,
}

impl Report {
    pub fn new(record: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| File::create(path).with_context(|| path.display().to_string());
        Ok(Self { started: Instant::now(), record: record.map(open).transpose()? })
    }

    /// A line with the time since the start.
    #[allow(clippy::print_stdout, reason = "progress is for the terminal")]
    pub fn print_line(&self, text: &str) {
        let seconds = self.started.elapsed().as_secs();
        println!("[{:02}:{:02}] {text}", seconds / 60, seconds % 60);
    }

    /// Prints a verdict line and keeps it.
    #[allow(clippy::print_stdout, reason = "the verdict is for machines")]
    pub fn verdict(&mut self, verdict: &Value) {
        println!("{verdict}");
        self.record(verdict);
    }

    pub fn record(&mut self, line: &Value) {
        if let Some(file) = &mut self.record {
            // What was printed counts.
            let _ = writeln!(file, "{line}");
        }
    }
}
