//! The keys that everything personal is sealed with.
//!
//! One master key, which never leaves its file or systemd credential, wraps two random data keys: one for people,
//! one for events. Wiping replaces a data key first, so that what it sealed is gone at that moment, whatever the
//! disk still holds; the rows and files are removed afterwards, at the next start if need be.

mod key_files;
mod seal;

pub use key_files::{KeyPlaces, master as master_key};
pub use seal::{HEAD_BYTES, Place, SealError, Sealer};

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use key_files::DataKey;

use crate::ports::store::{Keys, Namespace, StoreError};

pub struct Vault {
    places: KeyPlaces,
    master: Sealer,
    registry: ArcSwap<DataKey>,
    events: ArcSwap<DataKey>,
    changing: Mutex<()>,
}

impl Vault {
    /// Finds the keys, or makes them where there is no data yet. Changes nothing where they are.
    pub fn open(places: KeyPlaces) -> Result<Self, StoreError> {
        let master = key_files::master(&places)?;
        let registry = DataKey::read_or_make(&places, &master, name(Namespace::Registry))?;
        let events = DataKey::read_or_make(&places, &master, name(Namespace::Events))?;
        Ok(Self {
            places,
            master,
            registry: ArcSwap::from_pointee(registry),
            events: ArcSwap::from_pointee(events),
            changing: Mutex::default(),
        })
    }

    fn slot(&self, namespace: Namespace) -> &ArcSwap<DataKey> {
        match namespace {
            Namespace::Registry => &self.registry,
            Namespace::Events => &self.events,
        }
    }

    /// Works with the data key of the moment.
    pub fn with<T>(&self, namespace: Namespace, work: impl FnOnce(&Sealer) -> T) -> T {
        work(&self.slot(namespace).load().sealer)
    }

    /// For what a wipe must not take: sealed with the master key itself.
    pub fn master_sealer(&self) -> &Sealer {
        &self.master
    }

    /// What a person is called in the log: the same as long as the master key is, also after a wipe.
    pub fn log_name(&self, id: &str) -> String {
        format!("person-{}", hex::encode(&self.master.hidden("log", &[id.as_bytes()])[..6]))
    }

    /// One line of a text file, sealed with the people's key: a wipe of people makes it unreadable.
    pub fn seal_line(&self, file: &'static str, line: &[u8]) -> Result<String, SealError> {
        use base64::Engine as _;
        let sealed = self.with(Namespace::Registry, |key| key.seal(Place(file, b"line"), line))?;
        Ok(base64::prelude::BASE64_STANDARD.encode(sealed))
    }

    /// What [`seal_line`](Self::seal_line) sealed for the same file.
    pub fn open_line(&self, file: &'static str, line: &str) -> Result<Vec<u8>, SealError> {
        use base64::Engine as _;
        let sealed = base64::prelude::BASE64_STANDARD.decode(line.trim()).map_err(|_| SealError::Broken)?;
        let plain = self.with(Namespace::Registry, |key| key.open(Place(file, b"line"), &sealed))?;
        Ok(plain.to_vec())
    }
}

fn name(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::Registry => "registry",
        Namespace::Events => "events",
    }
}

impl Keys for Vault {
    fn destroy(&self, namespace: Namespace) -> Result<(), StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = DataKey::fresh(true).map_err(|error| StoreError::Key {
            path: self.places.folder().display().to_string(),
            reason: error.to_string(),
        })?;
        let written = key.replace(&self.places, &self.master, name(namespace));
        if written.is_ok() {
            self.slot(namespace).store(Arc::new(key));
        } else if let Ok(Some(kept)) = DataKey::read(&self.places, &self.master, name(namespace)) {
            // Whichever key the file holds is the one that counts.
            self.slot(namespace).store(Arc::new(kept));
        }
        written
    }

    fn is_wipe_unfinished(&self, namespace: Namespace) -> bool {
        self.slot(namespace).load().wipe_unfinished
    }

    fn finish_wipe(&self, namespace: Namespace) -> Result<(), StoreError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.slot(namespace).load().finished();
        key.write(&self.places, &self.master, name(namespace))?;
        self.slot(namespace).store(Arc::new(key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;

    fn places(folder: &Path) -> KeyPlaces {
        KeyPlaces { data_dir: folder.to_path_buf(), key_file: None, credentials_dir: None }
    }

    fn open(folder: &Path) -> Result<Vault, StoreError> {
        Vault::open(places(folder))
    }

    fn refusal(folder: &Path) -> String {
        open(folder).err().expect("refused").to_string()
    }

    fn sealed(vault: &Vault) -> Vec<u8> {
        vault.with(Namespace::Registry, |key| key.seal(Place("t", b"k"), b"x")).unwrap()
    }

    fn opens(vault: &Vault, bytes: &[u8]) -> Result<(), SealError> {
        vault.with(Namespace::Registry, |key| key.open(Place("t", b"k"), bytes)).map(drop)
    }

    #[test]
    fn keys_are_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = sealed(&open(folder.path()).unwrap());
        opens(&open(folder.path()).unwrap(), &bytes).unwrap();
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("keys"), mode("keys/master.key"), mode("keys/registry.key")), (0o700, 0o600, 0o600));
    }

    #[test]
    fn a_lost_wrong_or_readable_key_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = sealed(&open(folder.path()).unwrap());
        let master = folder.path().join("keys/master.key");
        let kept = fs::read(&master).unwrap();

        fs::remove_file(&master).unwrap();
        let told = refusal(folder.path());
        assert!(told.contains("master key is missing") && told.contains("move"), "{told}");
        assert!(!master.exists(), "no new key in silence");

        fs::write(&master, "00".repeat(32)).unwrap();
        assert!(refusal(folder.path()).contains("chmod 600"), "{}", refusal(folder.path()));
        fs::set_permissions(&master, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(refusal(folder.path()).contains("another one than this data was sealed with"));
        fs::write(&master, "not a key").unwrap();
        assert!(refusal(folder.path()).contains("is no key"));

        fs::write(&master, &kept).unwrap();
        opens(&open(folder.path()).unwrap(), &bytes).unwrap();
        let wrapped = folder.path().join("keys/registry.key");
        let mut broken = fs::read(&wrapped).unwrap();
        broken[40] ^= 1;
        fs::write(&wrapped, broken).unwrap();
        assert!(refusal(folder.path()).contains("unreadable"));
        fs::remove_file(&wrapped).unwrap();
        fs::write(folder.path().join("registry.redb"), "").unwrap();
        assert!(refusal(folder.path()).contains("data key is missing"));
        // All keys gone, and data there.
        fs::remove_dir_all(folder.path().join("keys")).unwrap();
        assert!(refusal(folder.path()).contains("master key is missing"));
    }

    #[test]
    fn a_credential_comes_before_the_file() {
        let (folder, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut places = places(folder.path());
        places.credentials_dir = Some(credentials.path().to_path_buf());
        fs::write(credentials.path().join("menshen-master-key"), [7u8; 32]).unwrap();
        let bytes = sealed(&Vault::open(places.clone()).unwrap());
        assert!(!folder.path().join("keys/master.key").exists());
        fs::write(credentials.path().join("menshen-master-key"), "07".repeat(32) + "\n").unwrap();
        opens(&Vault::open(places).unwrap(), &bytes).unwrap();
        let elsewhere = KeyPlaces {
            data_dir: folder.path().to_path_buf(),
            key_file: Some(credentials.path().join("other.key")),
            credentials_dir: None,
        };
        assert!(Vault::open(elsewhere).is_err(), "no key there, and data here");
    }

    #[test]
    fn a_destroyed_key_opens_nothing_and_the_wipe_is_remembered_until_it_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let vault = open(folder.path()).unwrap();
        let bytes = sealed(&vault);
        let event = vault.with(Namespace::Events, |key| key.seal(Place("t", b"k"), b"x")).unwrap();
        vault.destroy(Namespace::Registry).unwrap();
        assert_eq!(opens(&vault, &bytes), Err(SealError::OtherKey));
        vault.with(Namespace::Events, |key| key.open(Place("t", b"k"), &event)).unwrap();
        let fresh = sealed(&vault);

        let vault = open(folder.path()).unwrap();
        assert!(
            vault.is_wipe_unfinished(Namespace::Registry) && !vault.is_wipe_unfinished(Namespace::Events)
        );
        opens(&vault, &fresh).unwrap();
        vault.finish_wipe(Namespace::Registry).unwrap();
        let vault = open(folder.path()).unwrap();
        assert!(!vault.is_wipe_unfinished(Namespace::Registry));
        opens(&vault, &fresh).unwrap();
    }

    #[test]
    fn a_person_has_one_name_in_the_log_of_one_box() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let vault = open(folder.path()).unwrap();
        let name = vault.log_name("110101199003070000");
        assert!(name.starts_with("person-") && !name.contains("1101011990"), "{name}");
        vault.destroy(Namespace::Registry).unwrap();
        assert_eq!(open(folder.path()).unwrap().log_name("110101199003070000"), name);
        assert_ne!(vault.log_name("110101199003070001"), name);
        assert_ne!(open(other.path()).unwrap().log_name("110101199003070000"), name);
    }

    #[test]
    fn lines_are_sealed_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let vault = open(folder.path()).unwrap();
        let line = vault.seal_line("letters", b"secret").unwrap();
        assert!(!line.contains("secret") && !line.contains('\n'));
        assert_eq!(vault.open_line("letters", &line).unwrap(), b"secret");
        assert!(vault.open_line("others", &line).is_err());
    }
}
