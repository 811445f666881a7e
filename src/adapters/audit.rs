//! The audit log: `audit.jsonl` in the data folder, a line for each change, and some older files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::fs::{FlockOperation, flock};
use tokio::sync::oneshot;

use super::files::give_to_owner;
use crate::ports::audit::{AuditEntry, AuditLog};
use crate::telemetry;
use menshen_domain::limits;
use menshen_domain::visible::one_line;

/// The files, as they are written and read.
#[derive(Clone)]
pub struct AuditFile {
    path: PathBuf,
}

impl AuditFile {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("audit.jsonl") }
    }

    fn old(&self, number: usize) -> PathBuf {
        self.path.with_file_name(format!("audit.{number}.jsonl"))
    }

    /// Appends entries and returns when they are on the disk. The box and the command line may write at the same time.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn append(&self, entries: &[AuditEntry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, &bounded(entry))?;
            lines.push(b'\n');
        }
        let mut file = self.locked()?;
        file.write_all(&lines)?;
        file.sync_data()
    }

    /// The newest file, open and ours alone until it is closed.
    fn locked(&self) -> io::Result<File> {
        loop {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            give_to_owner(&file, &self.path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            let facts = file.metadata()?;
            // Somebody else may have moved it away in between.
            if fs::metadata(&self.path).is_ok_and(|now| now.ino() == facts.ino()) {
                if facts.len() < limits::AUDIT_BYTES_MAX {
                    return Ok(file);
                }
                for number in (1..limits::AUDIT_OLD_FILES).rev() {
                    match fs::rename(self.old(number), self.old(number + 1)) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => {}
                    }
                }
                fs::rename(&self.path, self.old(1))?;
            }
        }
    }

    /// The newest entries, oldest first. Lines that are none (a power cut in the middle of one) are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn newest(&self, count: usize) -> io::Result<Vec<AuditEntry>> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        let files =
            std::iter::once(self.path.clone()).chain((1..=limits::AUDIT_OLD_FILES).map(|n| self.old(n)));
        for path in files {
            if entries.len() >= count {
                break;
            }
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut older = Vec::new();
            for line in BufReader::new(file).split(b'\n') {
                older.extend(serde_json::from_slice(&line?).ok());
            }
            older.append(&mut entries);
            entries = older;
        }
        Ok(entries.split_off(entries.len().saturating_sub(count)))
    }
}

/// No part is longer than a line bears, or hides anything.
fn bounded(entry: &AuditEntry) -> AuditEntry {
    let cut = |text: &str| one_line(text).chars().take(limits::AUDIT_TEXT_CHARS_MAX).collect();
    AuditEntry {
        at_ms: entry.at_ms,
        who: cut(&entry.who),
        from: cut(&entry.from),
        what: cut(&entry.what),
        on: cut(&entry.on),
        result: cut(&entry.result),
    }
}

type Waiting = (AuditEntry, oneshot::Sender<()>);

/// Writes on a thread of its own: as many lines as have come while the disk was at the ones before.
pub struct AuditWriter {
    to_thread: SyncSender<Waiting>,
}

impl AuditWriter {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(data_dir: &Path) -> io::Result<Self> {
        let file = AuditFile::new(data_dir);
        let (to_thread, lines) = sync_channel(limits::AUDIT_LINES_WAITING);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || write_all(&file, &lines))?;
        Ok(Self { to_thread })
    }
}

fn write_all(file: &AuditFile, lines: &Receiver<Waiting>) {
    while let Ok(first) = lines.recv() {
        let (entries, told): (Vec<_>, Vec<_>) = std::iter::once(first).chain(lines.try_iter()).unzip();
        match file.append(&entries) {
            // Who asked may have given up waiting.
            Ok(()) => {
                for told in told {
                    let _ = told.send(());
                }
            }
            Err(error) => lost(entries.len(), &error),
        }
    }
}

fn lost(count: usize, error: &dyn std::fmt::Display) {
    telemetry::AUDIT_LINES_LOST.get().increment(count as u64);
    tracing::error!(count, %error, "AUDIT LOST: changes could not be written down");
}

impl AuditLog for AuditWriter {
    fn record(&self, entry: AuditEntry) -> BoxFuture<'static, ()> {
        let (told, written) = oneshot::channel();
        match self.to_thread.try_send((entry, told)) {
            Ok(()) => Box::pin(async move {
                let limit = Duration::from_millis(limits::AUDIT_WAIT_MS);
                if tokio::time::timeout(limit, written).await.is_err() {
                    tracing::warn!("an audit line takes long to be written; its change is answered before");
                }
            }),
            Err(TrySendError::Full(_)) => {
                lost(1, &"too many wait for the disk");
                Box::pin(async {})
            }
            Err(TrySendError::Disconnected(_)) => {
                lost(1, &"its thread has ended");
                Box::pin(async {})
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at_ms: u64, on: &str) -> AuditEntry {
        let (who, from, what) = ("ops".to_owned(), "10.0.0.9".to_owned(), "PUT /x".to_owned());
        AuditEntry { at_ms, who, from, what, on: on.to_owned(), result: "ok".to_owned() }
    }

    #[tokio::test]
    async fn a_change_is_on_the_disk_when_it_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let writer = AuditWriter::start(folder.path()).unwrap();
        writer.record(entry(1, "10.0.0.5\n{\"who\":\"forged\"}")).await;
        drop(writer.record(entry(2, "")));
        writer.record(entry(3, &"x".repeat(9_999))).await;
        let file = AuditFile::new(folder.path());
        let kept = file.newest(10).unwrap();
        assert_eq!(kept.iter().map(|entry| entry.at_ms).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(kept[0].on.contains("\\n{") && kept[2].on.len() == limits::AUDIT_TEXT_CHARS_MAX);
        assert_eq!(file.newest(1).unwrap()[0].at_ms, 3);
    }

    #[test]
    fn the_files_are_bounded_and_broken_lines_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = AuditFile::new(folder.path());
        for round in 0..7 {
            file.append(&[entry(round, "a"), entry(100 + round, "b")]).unwrap();
            let path = folder.path().join("audit.jsonl");
            let mut full = OpenOptions::new().append(true).open(path).unwrap();
            full.write_all(b"{\"at_ms\":9, half a li\n").unwrap();
            full.set_len(limits::AUDIT_BYTES_MAX).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + limits::AUDIT_OLD_FILES);
        let kept = file.newest(100).unwrap();
        assert_eq!(kept.len(), 2 * (1 + limits::AUDIT_OLD_FILES));
        assert_eq!((kept[0].at_ms, kept[9].at_ms), (2, 106));
    }
}
