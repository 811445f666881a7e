//! The files of the audit log, as they are written and read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::adapters::files::give_to_owner;
use crate::ports::audit::AuditEntry;
use menshen_domain::limits;
use menshen_domain::visible::one_line;

/// A file that grows, and some older ones.
#[derive(Clone)]
struct Series {
    folder: PathBuf,
    name: &'static str,
    old_files: usize,
}

impl Series {
    fn newest(&self) -> PathBuf {
        self.folder.join(format!("{}.jsonl", self.name))
    }

    fn old(&self, number: usize) -> PathBuf {
        self.folder.join(format!("{}.{number}.jsonl", self.name))
    }

    fn append(&self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut file = self.locked()?;
        file.write_all(lines)?;
        file.sync_data()
    }

    /// The newest file, open and ours alone until it is closed.
    fn locked(&self) -> io::Result<File> {
        let path = self.newest();
        loop {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
            give_to_owner(&file, &path)?;
            flock(&file, FlockOperation::LockExclusive)?;
            let facts = file.metadata()?;
            // Somebody else may have moved it away in between.
            if fs::metadata(&path).is_ok_and(|now| now.ino() == facts.ino()) {
                if facts.len() < limits::AUDIT_BYTES_MAX {
                    return Ok(file);
                }
                for number in (1..self.old_files).rev() {
                    match fs::rename(self.old(number), self.old(number + 1)) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                        _ => {}
                    }
                }
                fs::rename(&path, self.old(1))?;
            }
        }
    }

    /// The last entries, oldest first. Lines that are none (a power cut in the middle of one) are left out.
    fn last(&self, count: usize) -> io::Result<Vec<AuditEntry>> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        let files = std::iter::once(self.newest()).chain((1..=self.old_files).map(|number| self.old(number)));
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

/// The whole audit log. What changed nothing has files of its own, so that no number of refused calls takes the room of changes.
#[derive(Clone)]
pub struct AuditFile {
    changes: Series,
    refused: Series,
}

impl AuditFile {
    pub fn new(data_dir: &Path) -> Self {
        let series = |name, old_files| Series { folder: data_dir.to_owned(), name, old_files };
        Self {
            changes: series("audit", limits::AUDIT_OLD_FILES),
            refused: series("audit-refused", limits::AUDIT_REFUSED_OLD_FILES),
        }
    }

    /// Appends entries and returns when they are on the disk. The box and the command line may write at the same time.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn append(&self, entries: &[AuditEntry]) -> io::Result<()> {
        let (mut changes, mut refused) = (Vec::new(), Vec::new());
        for entry in entries {
            let lines = if entry.refused { &mut refused } else { &mut changes };
            serde_json::to_writer(&mut *lines, &bounded(entry))?;
            lines.push(b'\n');
        }
        self.changes.append(&changes)?;
        self.refused.append(&refused)
    }

    /// The newest entries, oldest first.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn newest(&self, count: usize) -> io::Result<Vec<AuditEntry>> {
        let mut refused = self.refused.last(count)?.into_iter().peekable();
        let mut entries = Vec::new();
        // Each in its own order, whatever the clock did.
        for entry in self.changes.last(count)? {
            while let Some(earlier) = refused.next_if(|other| other.at_ms < entry.at_ms) {
                entries.push(earlier);
            }
            entries.push(entry);
        }
        entries.extend(refused);
        Ok(entries.split_off(entries.len().saturating_sub(count)))
    }
}

/// No part is longer than a line bears, or hides anything.
fn bounded(entry: &AuditEntry) -> AuditEntry {
    let cut = |text: &str| one_line(text).chars().take(limits::AUDIT_TEXT_CHARS_MAX).collect();
    AuditEntry {
        who: cut(&entry.who),
        from: cut(&entry.from),
        what: cut(&entry.what),
        on: cut(&entry.on),
        result: cut(&entry.result),
        ..entry.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at_ms: u64, on: &str, refused: bool) -> AuditEntry {
        AuditEntry { at_ms, who: "ops".to_owned(), on: on.to_owned(), refused, ..AuditEntry::default() }
    }

    #[test]
    fn the_files_are_bounded_and_broken_lines_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = AuditFile::new(folder.path());
        for round in 0..7 {
            file.append(&[entry(round, "a", false), entry(100 + round, "b", false)]).unwrap();
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

    #[test]
    fn what_was_refused_takes_no_room_of_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = AuditFile::new(folder.path());
        file.append(&[entry(5, "a change", false)]).unwrap();
        for round in 0..9 {
            file.append(&[entry(round, "refused", true)]).unwrap();
            let refused = OpenOptions::new().append(true).open(folder.path().join("audit-refused.jsonl"));
            refused.unwrap().set_len(limits::AUDIT_BYTES_MAX).unwrap();
        }
        let kept = file.newest(100).unwrap();
        let order: Vec<_> = kept.iter().map(|entry| (entry.at_ms, entry.refused)).collect();
        assert_eq!(order, [(5, false), (7, true), (8, true)], "the change stays, whatever was refused");
        assert_eq!(file.newest(2).unwrap().len(), 2);
        let text = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
        assert!(!text.contains("refused") && !text.contains("more"), "{text}");
    }
}
