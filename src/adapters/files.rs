//! Writing small files so that a crash leaves the old or the new one, never half of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
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

/// A file that root makes in the folder of the box's user is that user's: `sudo menshen token new` must not shut the box out.
///
/// # Errors
/// When the owner cannot be changed.
pub fn give_to_owner(file: &File, path: &Path) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let (owner, own) = (fs::metadata(folder)?, file.metadata()?);
    if (own.uid(), own.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Writes and flushes a file that only the box's own user may read.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    give_to_owner(&file, path)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_root_writes_belongs_to_the_owner_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(folder.path(), Some(4711), Some(4712)).unwrap();
        }
        write_flushed(&path.with_extension("part"), &path, b"{}").unwrap();
        let (owner, own) = (fs::metadata(folder.path()).unwrap(), fs::metadata(&path).unwrap());
        assert_eq!((own.uid(), own.gid()), (owner.uid(), owner.gid()));
        assert_eq!(own.mode() & 0o777, 0o600);
    }
}
