//! The key files: where the master key is found or made, and the data keys it wraps.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::seal::{KeyId, Place, SealError, Sealer, Secret, derived, random};
use crate::adapters::files::{io_error, write_flushed};
use crate::ports::store::StoreError;
use crate::regular_file;

/// Name of the systemd credential.
pub const CREDENTIAL: &str = "menshen-master-key";

/// Where keys may be.
#[derive(Debug, Clone)]
pub struct KeyPlaces {
    pub data_dir: PathBuf,
    /// The master key's file; by default in `data_dir/keys`.
    pub key_file: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY` of systemd.
    pub credentials_dir: Option<PathBuf>,
}

impl KeyPlaces {
    pub fn folder(&self) -> PathBuf {
        self.data_dir.join("keys")
    }

    fn master_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.folder().join("master.key"))
    }

    fn wrapped_file(&self, name: &'static str) -> PathBuf {
        self.folder().join(format!("{name}.key"))
    }

    /// Whether there is anything that a new key could not open.
    fn first_data(&self) -> Option<PathBuf> {
        let files = [
            "keys/registry.key",
            "keys/events.key",
            "registry.redb",
            "events.redb",
            "dead-letters.jsonl",
            "erasure-receipts.jsonl",
        ];
        let folders = ["pictures/registry", "pictures/events"];
        let held = |folder: &PathBuf| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        let files = files.map(|name| self.data_dir.join(name)).into_iter().filter(|path| path.exists());
        files.chain(folders.map(|name| self.data_dir.join(name)).into_iter().filter(held)).next()
    }
}

fn key_error(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Key { path: path.display().to_string(), reason: reason.into() }
}

/// Finds the master key, or makes one where there is no data yet.
pub fn master(places: &KeyPlaces) -> Result<Sealer, StoreError> {
    let folder = places.folder();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| io_error("create", &folder, &error))?;
    let secret = match credential(places)? {
        Some(secret) => secret,
        None => from_file(places)?,
    };
    let id = *derived(&secret, "master id").first_chunk().unwrap_or(&KeyId::default());
    Ok(Sealer::new(id, &secret))
}

fn credential(places: &KeyPlaces) -> Result<Option<Secret>, StoreError> {
    let Some(path) = places.credentials_dir.as_ref().map(|folder| folder.join(CREDENTIAL)) else {
        return Ok(None);
    };
    match regular_file::read(&path).map_err(io::Error::from) {
        Ok(bytes) => parse(&path, &Zeroizing::new(bytes)).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path, &error)),
    }
}

fn from_file(places: &KeyPlaces) -> Result<Secret, StoreError> {
    let path = places.master_file();
    match fs::metadata(&path) {
        Ok(facts) if facts.permissions().mode() & 0o077 != 0 => Err(key_error(
            &path,
            format!("others may read the master key; run: chmod 600 {}", path.display()),
        )),
        Ok(_) => {
            let bytes = regular_file::read(&path).map_err(|error| io_error("read", &path, &error.into()))?;
            parse(&path, &Zeroizing::new(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(places, &path),
        Err(error) => Err(io_error("read", &path, &error)),
    }
}

/// A key that is lost must not be replaced in silence: what it sealed would be lost with nobody knowing.
fn make(places: &KeyPlaces, path: &Path) -> Result<Secret, StoreError> {
    if let Some(data) = places.first_data() {
        return Err(key_error(
            path,
            format!(
                "the master key is missing and {} needs it; put the key back, or move {} away to begin anew \
                 (the platform then sends everyone again; data of menshen 0.1.0 had no key and is not read). 主密钥丢失：请恢复密钥，或移走数据目录后重新开始",
                data.display(),
                places.data_dir.display()
            ),
        ));
    }
    let secret = random::<32>().map_err(|_| key_error(path, "the system gives no random numbers"))?;
    let text = Zeroizing::new(format!("{}\n", hex::encode(*secret)));
    write_flushed(&path.with_extension("part"), path, text.as_bytes())
        .map_err(|error| io_error("write", path, &error))?;
    tracing::warn!(path = %path.display(), "a master key was made; keep a copy of it in a safe place");
    Ok(secret)
}

/// 64 hexadecimal digits, or 32 bytes as they are.
fn parse(path: &Path, bytes: &[u8]) -> Result<Secret, StoreError> {
    let mut secret = Secret::default();
    let text = bytes.trim_ascii();
    if hex::decode_to_slice(text, &mut *secret).is_ok() {
        return Ok(secret);
    }
    match <[u8; 32]>::try_from(bytes) {
        Ok(raw) => {
            *secret = raw;
            Ok(secret)
        }
        Err(_) => Err(key_error(path, "is no key: 64 hexadecimal digits or 32 bytes are expected")),
    }
}

/// A data key as it is kept: wrapped by the master key.
pub struct DataKey {
    id: KeyId,
    secret: Secret,
    /// What the key before this one sealed has not been removed yet.
    pub wipe_unfinished: bool,
    pub sealer: Sealer,
}

impl DataKey {
    pub fn fresh(wipe_unfinished: bool) -> Result<Self, SealError> {
        let id = *random::<8>()?;
        let secret = random::<32>()?;
        let sealer = Sealer::new(id, &secret);
        Ok(Self { id, secret, wipe_unfinished, sealer })
    }

    pub fn finished(&self) -> Self {
        Self {
            id: self.id,
            secret: self.secret.clone(),
            wipe_unfinished: false,
            sealer: Sealer::new(self.id, &self.secret),
        }
    }

    fn from_plain(plain: &[u8]) -> Option<Self> {
        let (flag, rest) = plain.split_first()?;
        let (id, rest) = rest.split_first_chunk()?;
        let secret: Secret = Zeroizing::new(rest.try_into().ok()?);
        let sealer = Sealer::new(*id, &secret);
        Some(Self { id: *id, secret, wipe_unfinished: *flag == 1, sealer })
    }

    fn to_plain(&self) -> Zeroizing<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(41));
        plain.push(u8::from(self.wipe_unfinished));
        plain.extend_from_slice(&self.id);
        plain.extend_from_slice(&*self.secret);
        plain
    }

    /// Reads a wrapped key, or makes one where there is no data yet.
    pub fn read_or_make(places: &KeyPlaces, master: &Sealer, name: &'static str) -> Result<Self, StoreError> {
        let path = places.wrapped_file(name);
        match Self::read(places, master, name)? {
            Some(key) => Ok(key),
            None if places.data_dir.join(format!("{name}.redb")).exists() => Err(key_error(
                &path,
                format!(
                    "this data key is missing and {name}.redb needs it; put it back from a copy, or move {} away \
                     to begin anew. 数据密钥丢失：请恢复密钥，或移走数据目录后重新开始",
                    places.data_dir.display()
                ),
            )),
            None => {
                let key = Self::fresh(false).map_err(|error| key_error(&path, error.to_string()))?;
                key.write(places, master, name)?;
                Ok(key)
            }
        }
    }

    pub fn read(places: &KeyPlaces, master: &Sealer, name: &'static str) -> Result<Option<Self>, StoreError> {
        let path = places.wrapped_file(name);
        let wrapped = match fs::read(&path) {
            Ok(wrapped) => wrapped,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path, &error)),
        };
        let away = places.data_dir.display();
        let plain = master.open(Place("data-key", name.as_bytes()), &wrapped).map_err(|error| match error {
            SealError::OtherKey => key_error(
                &path,
                format!(
                    "the master key is another one than this data was sealed with; put the right one back, or move \
                     {away} away to begin anew. 主密钥不符：请恢复正确的密钥，或移走数据目录后重新开始"
                ),
            ),
            other => key_error(
                &path,
                format!("this data key is unreadable ({other}); put it back from a copy, or move {away} away to begin anew"),
            ),
        })?;
        Self::from_plain(&plain).map(Some).ok_or_else(|| key_error(&path, "this data key has a wrong length"))
    }

    pub fn write(&self, places: &KeyPlaces, master: &Sealer, name: &'static str) -> Result<(), StoreError> {
        let path = places.wrapped_file(name);
        let wrapped = master
            .seal(Place("data-key", name.as_bytes()), &self.to_plain())
            .map_err(|error| key_error(&path, error.to_string()))?;
        write_flushed(&path.with_extension("key.part"), &path, &wrapped)
            .map_err(|error| io_error("write", &path, &error))
    }

    /// Replaces the key file; the old file's bytes are overwritten too, as far as the disk lets us.
    pub fn replace(&self, places: &KeyPlaces, master: &Sealer, name: &'static str) -> Result<(), StoreError> {
        let path = places.wrapped_file(name);
        let old = OpenOptions::new().write(true).open(&path);
        self.write(places, master, name)?;
        if let Ok(mut old) = old {
            // The file has no name any more; failing to overwrite it must not undo a wipe that is decided.
            if let Err(error) = old.write_all(&[0; 128]).and_then(|()| old.sync_all()) {
                tracing::warn!(%error, "the old key's bytes could not be overwritten, only deleted");
            }
        }
        Ok(())
    }
}
