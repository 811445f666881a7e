//! Picture files beside the databases, in `pictures/registry` and `pictures/events`.
//!
//! A picture is flushed before the row that names it is written, and deleted after the row is gone; what a
//! crash leaves in between is an orphan that the sweep at start takes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{told, write_flushed};
use crate::ports::store::{PictureStore, Shelf, StoreError};

/// Suffix of a file that is still being written.
const PART: &str = ".part";

pub struct PictureFiles {
    root: PathBuf,
}

impl PictureFiles {
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let files = Self { root: data_dir.join("pictures") };
        for shelf in [Shelf::Registry, Shelf::Events] {
            let folder = files.folder(shelf);
            fs::create_dir_all(&folder).map_err(|error| told("create", &folder, &error))?;
        }
        Ok(files)
    }

    fn folder(&self, shelf: Shelf) -> PathBuf {
        self.root.join(match shelf {
            Shelf::Registry => "registry",
            Shelf::Events => "events",
        })
    }

    /// Names come from our own rows; one that could leave the folder is refused all the same.
    fn path(&self, shelf: Shelf, name: &str) -> Result<PathBuf, StoreError> {
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let path = self.folder(shelf).join(name);
        if plain { Ok(path) } else { Err(told("name", &path, &io::Error::other("not a plain file name"))) }
    }
}

impl PictureStore for PictureFiles {
    fn put(&self, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(shelf, name)?;
        let part = self.folder(shelf).join(format!("{name}{PART}"));
        write_flushed(&part, &path, bytes).map_err(|error| {
            // Half a file helps nobody; if even this fails the sweep takes it.
            let _ = fs::remove_file(&part);
            told("write", &path, &error)
        })
    }

    fn get(&self, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(shelf, name)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(told("read", &path, &error)),
        }
    }

    fn remove(&self, shelf: Shelf, name: &str) -> Result<(), StoreError> {
        let path = self.path(shelf, name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(told("delete", &path, &error)),
            _ => Ok(()),
        }
    }

    fn count(&self, shelf: Shelf) -> Result<u64, StoreError> {
        let folder = self.folder(shelf);
        let entries = fs::read_dir(&folder).map_err(|error| told("count", &folder, &error))?;
        Ok(entries.count() as u64)
    }

    fn sweep(&self, shelf: Shelf, keep: &dyn Fn(&str) -> bool) -> Result<u64, StoreError> {
        let folder = self.folder(shelf);
        let failed = |error: io::Error| told("sweep", &folder, &error);
        let mut removed = 0;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            if !name.to_str().is_some_and(keep) {
                fs::remove_file(entry.path()).map_err(failed)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back_and_orphans_go() {
        let folder = tempfile::tempdir().unwrap();
        let files = PictureFiles::open(folder.path()).unwrap();
        files.put(Shelf::Events, "a.jpg", b"A").unwrap();
        files.put(Shelf::Events, "b.jpg", b"B").unwrap();
        fs::write(folder.path().join("pictures/events/c.jpg.part"), b"half").unwrap();
        assert_eq!(files.get(Shelf::Events, "a.jpg").unwrap().as_deref(), Some(b"A".as_slice()));
        assert_eq!(files.get(Shelf::Registry, "a.jpg").unwrap(), None);
        assert_eq!(files.sweep(Shelf::Events, &|name| name == "a.jpg").unwrap(), 2);
        assert_eq!(files.get(Shelf::Events, "b.jpg").unwrap(), None);
        files.remove(Shelf::Events, "b.jpg").unwrap();
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let files = PictureFiles::open(folder.path()).unwrap();
        for name in ["../x", "a/b", "", ".hidden", "a\0b"] {
            assert!(files.put(Shelf::Events, name, b"").is_err(), "{name:?}");
        }
    }
}
