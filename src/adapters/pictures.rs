//! Picture files beside the databases, in `pictures/registry` and `pictures/events`, sealed.
//!
//! A picture is flushed before the row that names it is written, and deleted after the row is gone; what a
//! crash leaves in between is an orphan that the sweep at start takes. Beside the picture a file holds the record of
//! the person or event it belongs to, sealed on its own, so that a lost database can be rebuilt without reading the
//! pictures: `length of the record (4 bytes), record, picture`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{io_error, sync_folder, write_synced};
use super::record;
use super::space::DiskSpace;
use super::vault::{HEAD_BYTES, Place, SealError, Sealer, Vault};
use crate::ports::store::{Namespace, NewPicture, Owner, PictureStore, StoreError};
use menshen_domain::event::EventRecord;
use menshen_domain::limits;
use menshen_domain::person::Person;

/// Suffix of a file that is still being written.
const PART: &str = ".part";
const LENGTH_BYTES: usize = 4;

/// Key, file name, sealed record, size of the file.
type RecordVisitor<'a> = dyn FnMut(&Sealer, &str, &[u8], u64) + 'a;

pub struct PictureFiles {
    root: PathBuf,
    vault: Arc<Vault>,
    space: DiskSpace,
}

impl PictureFiles {
    pub fn open(data_dir: &Path, vault: Arc<Vault>, space: DiskSpace) -> Result<Self, StoreError> {
        let files = Self { root: data_dir.join("pictures"), vault, space };
        for namespace in [Namespace::Registry, Namespace::Events] {
            let folder = files.folder(namespace);
            fs::create_dir_all(&folder).map_err(|error| io_error("create", &folder, &error))?;
        }
        Ok(files)
    }

    fn folder(&self, namespace: Namespace) -> PathBuf {
        self.root.join(match namespace {
            Namespace::Registry => "registry",
            Namespace::Events => "events",
        })
    }

    /// Names come from our own rows; one that could leave the folder is refused all the same.
    fn path(&self, namespace: Namespace, name: &str) -> Result<PathBuf, StoreError> {
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let path = self.folder(namespace).join(name);
        if plain {
            Ok(path)
        } else {
            Err(io_error("name", &path, &io::Error::other("not a plain file name")))
        }
    }

    fn write_all(&self, namespace: Namespace, pictures: &[NewPicture<'_>]) -> Result<(), StoreError> {
        let folder = self.folder(namespace);
        let mut written = Vec::with_capacity(pictures.len());
        for picture in pictures {
            let path = self.path(namespace, picture.name)?;
            self.space.check(&path)?;
            let part = folder.join(format!("{}{PART}", picture.name));
            let bytes = self.vault.with(namespace, |key| sealed(key, picture)).map_err(|error| {
                let reason = error.to_string();
                StoreError::Io { doing: "seal", path: path.display().to_string(), reason }
            })?;
            write_synced(&part, &bytes).and_then(|()| fs::rename(&part, &path)).map_err(|error| {
                // Half a file helps nobody; if even this fails the sweep takes it.
                let _ = fs::remove_file(&part);
                io_error("write", &path, &error)
            })?;
            written.push(path);
        }
        // The renames themselves must be on disk too: once for all.
        sync_folder(&folder).map_err(|error| io_error("write", &folder, &error))
    }

    /// Every file of a namespace with the record in it, as far as it can be read.
    fn for_each_record(&self, namespace: Namespace, visit: &mut RecordVisitor<'_>) -> Result<(), StoreError> {
        let folder = self.folder(namespace);
        let failed = |error: io::Error| io_error("read", &folder, &error);
        self.vault.with(namespace, |key| {
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let size = entry.metadata().map_or(0, |facts| facts.len());
                if let (Some(name), Ok(record)) = (name.to_str(), record_of(&entry.path())) {
                    visit(key, name, &record, size);
                }
            }
            Ok(())
        })
    }
}

fn record_place(namespace: Namespace, name: &str) -> Place<'_> {
    match namespace {
        Namespace::Registry => Place("record of a registry photo", name.as_bytes()),
        Namespace::Events => Place("record of an event picture", name.as_bytes()),
    }
}

fn picture_place(namespace: Namespace, name: &str) -> Place<'_> {
    match namespace {
        Namespace::Registry => Place("registry photo", name.as_bytes()),
        Namespace::Events => Place("event picture", name.as_bytes()),
    }
}

/// A picture cannot be sealed.
#[derive(Debug, thiserror::Error)]
enum SealPictureError {
    #[error(transparent)]
    Record(#[from] record::RecordError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

fn sealed(key: &Sealer, picture: &NewPicture<'_>) -> Result<Vec<u8>, SealPictureError> {
    let record = match picture.owner {
        Owner::Person(person) => record::encode_person(person),
        Owner::Event(event) => record::encode(event),
    };
    let namespace = picture.owner.namespace();
    let record = key.seal(record_place(namespace, picture.name), &record?)?;
    let body = key.seal(picture_place(namespace, picture.name), picture.bytes)?;
    let mut bytes = Vec::with_capacity(LENGTH_BYTES + record.len() + body.len());
    bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&record);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// The sealed record at the head of a file.
fn record_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mut length = [0; LENGTH_BYTES];
    file.read_exact(&mut length)?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > limits::PICTURE_RECORD_BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut record = Vec::new();
    file.take(length).read_to_end(&mut record)?;
    Ok(record)
}

/// Version and key id of the record at the head of a file.
fn head_of(path: &Path) -> io::Result<[u8; HEAD_BYTES]> {
    let mut bytes = [0; LENGTH_BYTES + HEAD_BYTES];
    fs::File::open(path)?.read_exact(&mut bytes)?;
    let mut head = [0; HEAD_BYTES];
    head.copy_from_slice(&bytes[LENGTH_BYTES..]);
    Ok(head)
}

fn part_name(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::Registry => "registry pictures",
        Namespace::Events => "event pictures",
    }
}

impl PictureStore for PictureFiles {
    fn photo_name(&self, id: &str, photo_sha256: &str) -> String {
        let name = |key: &Sealer| key.hidden("photo names", &[id.as_bytes(), photo_sha256.as_bytes()]);
        format!("{}.img", hex::encode(self.vault.with(Namespace::Registry, name)))
    }

    fn put(&self, pictures: &[NewPicture<'_>]) -> Result<(), StoreError> {
        for namespace in [Namespace::Registry, Namespace::Events] {
            let of_namespace: Vec<_> =
                pictures.iter().filter(|picture| picture.owner.namespace() == namespace).copied().collect();
            if !of_namespace.is_empty() {
                self.space.noted(part_name(namespace), self.write_all(namespace, &of_namespace))?;
            }
        }
        Ok(())
    }

    fn get(&self, namespace: Namespace, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(namespace, name)?;
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path, &error)),
        };
        let body = bytes
            .split_first_chunk()
            .and_then(|(length, rest)| rest.get(u32::from_le_bytes(*length) as usize..));
        let opened = self
            .vault
            .with(namespace, |key| key.open(picture_place(namespace, name), body.unwrap_or_default()));
        match opened {
            Ok(picture) => Ok(Some(picture.to_vec())),
            // Wiped, and not yet deleted.
            Err(SealError::OtherKey) => Ok(None),
            Err(error) => {
                self.space.unreadable("picture", 1);
                Err(StoreError::Damaged { path: path.display().to_string(), reason: error.to_string() })
            }
        }
    }

    fn people(&self, visit: &mut dyn FnMut(Person)) -> Result<(), StoreError> {
        self.for_each_record(Namespace::Registry, &mut |key, name, sealed, _| {
            let opened = key.open(record_place(Namespace::Registry, name), sealed);
            if let Ok(Ok(person)) = opened.map(|plain| record::decode_person(&plain)) {
                visit(person);
            }
        })
    }

    fn events(&self, visit: &mut dyn FnMut(EventRecord, u64)) -> Result<(), StoreError> {
        self.for_each_record(Namespace::Events, &mut |key, name, sealed, size| {
            let opened = key.open(record_place(Namespace::Events, name), sealed);
            if let Ok(Ok(event)) = opened.map(|plain| record::decode(&plain)) {
                visit(event, size);
            }
        })
    }

    fn remove_of_people(&self, is_gone: &dyn Fn(&str) -> bool) -> Result<u64, StoreError> {
        let mut names = Vec::new();
        self.for_each_record(Namespace::Registry, &mut |key, name, sealed, _| {
            let opened = key.open(record_place(Namespace::Registry, name), sealed);
            if let Ok(Ok(person)) = opened.map(|plain| record::decode_person(&plain))
                && is_gone(&person.id)
            {
                names.push(name.to_owned());
            }
        })?;
        for name in &names {
            self.remove(Namespace::Registry, name)?;
        }
        let folder = self.folder(Namespace::Registry);
        sync_folder(&folder).map_err(|error| io_error("delete", &folder, &error))?;
        Ok(names.len() as u64)
    }

    fn remove(&self, namespace: Namespace, name: &str) -> Result<(), StoreError> {
        let path = self.path(namespace, name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("delete", &path, &error)),
            _ => Ok(()),
        }
    }

    fn remove_wiped(&self, namespace: Namespace) -> Result<u64, StoreError> {
        let folder = self.folder(namespace);
        let failed = |error: io::Error| io_error("wipe", &folder, &error);
        let mut removed = 0;
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_own =
                head_of(&path).is_ok_and(|head| self.vault.with(namespace, |key| key.owns(&head).is_ok()));
            if !is_own {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                    _ => removed += 1,
                }
            }
        }
        sync_folder(&folder).map_err(failed)?;
        Ok(removed)
    }

    fn count(&self, namespace: Namespace) -> Result<u64, StoreError> {
        let folder = self.folder(namespace);
        let entries = fs::read_dir(&folder).map_err(|error| io_error("count", &folder, &error))?;
        Ok(entries.count() as u64)
    }

    fn sweep(&self, namespace: Namespace, keep: &dyn Fn(&str) -> bool) -> Result<u64, StoreError> {
        let folder = self.folder(namespace);
        let failed = |error: io::Error| io_error("sweep", &folder, &error);
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
    use crate::adapters::store::fixture::{event, space, vault};
    use crate::ports::store::Keys as _;

    fn files(folder: &Path) -> PictureFiles {
        PictureFiles::open(folder, vault(folder), space(folder)).unwrap()
    }

    fn put(files: &PictureFiles, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let event = event(name.trim_end_matches("-spot.jpg"));
        files.put(&[NewPicture { name, bytes, owner: Owner::Event(&event) }])
    }

    #[test]
    fn pictures_come_back_and_orphans_go() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        put(&files, "a.jpg", b"\xff\xd8\xff A").unwrap();
        put(&files, "b.jpg", b"B").unwrap();
        let on_disk = fs::read(folder.path().join("pictures/events/a.jpg")).unwrap();
        assert!(!on_disk.windows(3).any(|part| part == b"\xff\xd8\xff") && on_disk.len() > 300);
        fs::write(folder.path().join("pictures/events/c.jpg.part"), b"half").unwrap();
        assert_eq!(
            files.get(Namespace::Events, "a.jpg").unwrap().as_deref(),
            Some(b"\xff\xd8\xff A".as_slice())
        );
        assert_eq!(files.get(Namespace::Registry, "a.jpg").unwrap(), None);
        assert_eq!(files.sweep(Namespace::Events, &|name| name == "a.jpg").unwrap(), 2);
        assert_eq!(files.get(Namespace::Events, "b.jpg").unwrap(), None);
        files.remove(Namespace::Events, "b.jpg").unwrap();
    }

    #[test]
    fn the_record_in_a_file_can_be_read_alone_and_a_bad_file_harms_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        put(&files, "a-spot.jpg", b"A").unwrap();
        put(&files, "b-spot.jpg", b"B").unwrap();
        fs::write(folder.path().join("pictures/events/x.jpg"), [0xff; 200]).unwrap();
        fs::write(folder.path().join("pictures/events/y.jpg"), []).unwrap();
        // Under another name it cannot be opened.
        let namespace = folder.path().join("pictures/events");
        fs::copy(namespace.join("a-spot.jpg"), namespace.join("z-spot.jpg")).unwrap();
        let mut ids = Vec::new();
        files.events(&mut |event, _| ids.push(event.event_id)).unwrap();
        ids.sort();
        assert_eq!(ids, ["a", "b"]);
        assert!(matches!(files.get(Namespace::Events, "z-spot.jpg"), Err(StoreError::Damaged { .. })));
        assert!(matches!(files.get(Namespace::Events, "x.jpg"), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn what_was_wiped_is_gone_and_what_came_after_stays() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        put(&files, "a.jpg", b"A").unwrap();
        let before = files.photo_name("1001", "ab");
        files.vault.destroy(Namespace::Events).unwrap();
        files.vault.destroy(Namespace::Registry).unwrap();
        assert_eq!(files.get(Namespace::Events, "a.jpg").unwrap(), None);
        put(&files, "b.jpg", b"B").unwrap();
        assert_eq!(files.remove_wiped(Namespace::Events).unwrap(), 1);
        assert_eq!(files.get(Namespace::Events, "b.jpg").unwrap().as_deref(), Some(b"B".as_slice()));
        assert_ne!(files.photo_name("1001", "ab"), before, "names of old photos tell nothing any more");
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        for name in ["../x", "a/b", "", ".hidden", "a\0b"] {
            assert!(put(&files, name, b"").is_err(), "{name:?}");
        }
    }
}
