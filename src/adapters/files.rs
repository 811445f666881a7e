//! Writing small files so that a crash leaves the old or the new one, never half of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::ports::store::StoreError;

/// What went wrong with a file, as the port's error.
pub fn io_error(doing: &'static str, path: &Path, error: &io::Error) -> StoreError {
    let path = path.display().to_string();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull { path },
        _ => StoreError::Io { doing, path, reason: error.to_string() },
    }
}

/// Writes and flushes a file that only the box's own user may read.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes what was renamed, created or deleted in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Replaces `path` by way of `part`; returns when the change itself is on disk.
pub fn write_flushed(part: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_synced(part, bytes)?;
    fs::rename(part, path)?;
    // The rename itself must be on disk too.
    path.parent().map_or(Ok(()), sync_folder)
}
