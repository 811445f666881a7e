//! The audit log: `audit.jsonl` in the data folder, a line for each change, `audit-refused.jsonl` for what changed nothing, and some
//! older files of each.

mod file;
mod fold;

pub use file::AuditFile;

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use self::fold::RefusedFold;
use crate::ports::audit::{AuditEntry, AuditLog};
use crate::telemetry;
use menshen_domain::limits;

type Waiting = (AuditEntry, oneshot::Sender<()>);

/// Writes on a thread of its own: as many lines as have come while the disk was at the ones before.
pub struct AuditWriter {
    /// `None` at its end.
    to_thread: Option<SyncSender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl AuditWriter {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(data_dir: &Path) -> io::Result<Self> {
        let file = AuditFile::new(data_dir);
        let (to_thread, lines) = sync_channel(limits::AUDIT_LINES_WAITING);
        let thread = std::thread::Builder::new().name("audit".to_owned());
        let thread = thread.spawn(move || write_all(&file, &lines))?;
        Ok(Self { to_thread: Some(to_thread), thread: Some(thread) })
    }
}

/// What waits and what was only counted is written before.
impl Drop for AuditWriter {
    fn drop(&mut self) {
        self.to_thread = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been logged by the panic handler.
            let _ = thread.join();
        }
    }
}

fn write_all(file: &AuditFile, lines: &Receiver<Waiting>) {
    let mut fold = RefusedFold::default();
    loop {
        let first = match fold.next_due() {
            None => lines.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => lines.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let (first, is_over) = match first {
            Ok(first) => (Some(first), false),
            Err(RecvTimeoutError::Timeout) => (None, false),
            Err(RecvTimeoutError::Disconnected) => (None, true),
        };
        let now = Instant::now();
        let mut entries = if is_over { fold.rest() } else { fold.due(now) };
        let mut told = Vec::new();
        for (entry, waiting) in first.into_iter().chain(lines.try_iter()) {
            entries.extend(fold.take(entry, now));
            told.push(waiting);
        }
        match file.append(&entries) {
            // Who asked may have given up waiting.
            Ok(()) => {
                for told in told {
                    let _ = told.send(());
                }
            }
            Err(error) => lost(entries.len(), &error),
        }
        if is_over {
            return;
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
        let Some(to_thread) = &self.to_thread else { return Box::pin(async {}) };
        match to_thread.try_send((entry, told)) {
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
        AuditEntry { at_ms, on: on.to_owned(), result: "ok".to_owned(), ..AuditEntry::default() }
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

    #[tokio::test]
    async fn refused_calls_are_counted_and_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let writer = AuditWriter::start(folder.path()).unwrap();
        let few = u64::from(limits::AUDIT_REFUSED_LINES);
        for n in 0..few + 500 {
            writer.record(AuditEntry { refused: true, ..entry(n, "") }).await;
        }
        writer.record(entry(9_999, "a change")).await;
        let file = AuditFile::new(folder.path());
        assert_eq!(file.newest(10_000).unwrap().len() as u64, few + 1);
        drop(writer);
        let counted = file.newest(10_000).unwrap().into_iter().find_map(|entry| entry.more);
        assert_eq!(counted, Some(499), "written when the box ends");
    }
}
