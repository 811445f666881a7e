//! What tests of the stores share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use redb::ReadableTable as _;

use super::event_tables::HISTORY;
use super::registry_store::PEOPLE;
use super::{DatabaseState, RedbEventStore, RedbRegistryStore};
use crate::adapters::pictures::PictureFiles;
use crate::adapters::space::DiskSpace;
use crate::adapters::vault::{KeyPlaces, Place, Vault};
use crate::ports::store::{
    EventStore as _, Namespace, NewPicture, Owner, PictureStore as _, RegistryStore as _, Retention,
};
use crate::status::storage::StorageStatus;
use menshen_domain::event::{EventDevice, EventRecord, ShotQuality, WantAction};
use menshen_domain::face::Embedding;
use menshen_domain::person::{Feature, Person, PersonKind, RegisterType};

pub const ALL: Retention =
    Retention { keep_events: u64::MAX, keep_bytes: u64::MAX, receivers: Vec::new(), only_sent: false };
pub const MODEL: (&str, usize) = ("m@1", 4);

pub fn event(id: &str) -> EventRecord {
    EventRecord {
        event_id: id.into(),
        device: EventDevice {
            ep_id: "d__1".into(),
            ip: "1".into(),
            device_type: "3".into(),
            name: String::new(),
            device_id: String::new(),
            registry_group: "default_group".into(),
        },
        identity: None,
        timestamp_ms: 1,
        in_timestamp_ms: 1,
        out_timestamp_ms: 2,
        score: 0.5,
        similarity: None,
        want_action: WantAction::Nothing,
        quality: ShotQuality::default(),
        spot_pic: Some(format!("{id}-spot.jpg")),
        face_pic: None,
        model: "m@1".into(),
        why: None,
        feature: None,
    }
}

pub fn person(id: &str, photo: &str) -> Person {
    Person {
        id: id.into(),
        name: format!("name of {id}"),
        kind: PersonKind::Employee,
        register_type: RegisterType::Regular,
        permission_ids: vec!["0".into()],
        registry_groups: vec!["default_group".into()],
        info: serde_json::Map::new(),
        features: vec![Feature {
            embedding: Embedding { model: MODEL.0.into(), vector: vec![0.5; MODEL.1], norm: 1.0 },
            photo: photo.into(),
            photo_sha256: "ab".into(),
            quality: 1.0,
        }],
        created_at_ms: 0,
        updated_at_ms: 1,
    }
}

pub fn vault(folder: &Path) -> Arc<Vault> {
    let places = KeyPlaces { data_dir: folder.to_path_buf(), key_file: None, credentials_dir: None };
    Arc::new(Vault::open(places).unwrap())
}

pub fn space(folder: &Path) -> DiskSpace {
    DiskSpace::new(folder, 0, Arc::default())
}

pub fn store() -> (tempfile::TempDir, RedbEventStore) {
    let folder = tempfile::tempdir().unwrap();
    let (store, found) =
        RedbEventStore::open(folder.path(), vault(folder.path()), space(folder.path())).unwrap();
    assert_eq!(found, DatabaseState::Missing);
    (folder, store)
}

/// An event's record as the first version wrote it: without its chain, liveness, age and gender.
pub const FIRST_VERSION_EVENT: (&str, &str) = (
    "0190a7c2-0000-7000-8000-000000000001",
    r#"{"event_id":"0190a7c2-0000-7000-8000-000000000001",
        "device":{"ep_id":"BOX__192.168.1.25","ip":"192.168.1.25","device_type":"3"},
        "identity":{"id":"1001","name":"Tom","kind":"employee","registry_photo":"ab.jpg"},
        "timestamp_ms":1720000000000,"in_timestamp_ms":1719999999000,"out_timestamp_ms":1720000001000,
        "score":0.91,"similarity":0.61,"want_action":"nothing",
        "quality":{"bbox":{"x1":1.0,"y1":2.0,"x2":151.0,"y2":182.0},"face_size_px":150.0,"brightness":0.5,
            "clarity":0.9,"head_pose":{"yaw_deg":1.0,"pitch_deg":2.0,"roll_deg":3.0},"partial":false,
            "score":0.8,"passed":true,"success":["face_size","headpose"],"fails":[]},
        "spot_pic":"e-spot.jpg","face_pic":"e-face.jpg","model":"sface@0ba9fbfa01b5"}"#,
);

/// Puts an event's record into history as it is given.
pub fn close_as_written(store: &RedbEventStore, (id, record): (&str, &str)) {
    let sequence = close(store, id);
    let sealed = store
        .file
        .vault
        .with(Namespace::Events, |key| key.seal(Place("events", id.as_bytes()), record.as_bytes()));
    let sealed = sealed.unwrap();
    let row = (sealed.len() as u64, id, sealed.as_slice());
    let put = |transaction: &redb::WriteTransaction| {
        transaction.open_table(HISTORY)?.insert(sequence, row)?;
        Ok(())
    };
    store.file.write(put).unwrap();
}

pub fn close(store: &RedbEventStore, id: &str) -> u64 {
    store.close(&event(id), 0, &ALL).unwrap().sequence
}

/// Everything a data folder holds, opened.
pub struct Opened {
    pub vault: Arc<Vault>,
    pub registry: RedbRegistryStore,
    pub registry_found: DatabaseState,
    pub events: RedbEventStore,
    pub events_found: DatabaseState,
    pub pictures: PictureFiles,
    pub status: Arc<StorageStatus>,
}

impl Opened {
    pub fn new(folder: &Path) -> Self {
        let (vault, status) = (vault(folder), Arc::<StorageStatus>::default());
        let space = DiskSpace::new(folder, 0, Arc::clone(&status));
        let (registry, registry_found) =
            RedbRegistryStore::open(folder, Arc::clone(&vault), space.clone()).unwrap();
        let (events, events_found) = RedbEventStore::open(folder, Arc::clone(&vault), space.clone()).unwrap();
        let pictures = PictureFiles::open(folder, Arc::clone(&vault), space).unwrap();
        Self { vault, registry, registry_found, events, events_found, pictures, status }
    }

    /// As enrolment does it: photo, then row.
    pub fn enrol(&self, id: &str) {
        let person = person(id, &self.pictures.photo_name(id, "ab"));
        let name = &person.features[0].photo;
        self.pictures.put(&[NewPicture { name, bytes: b"photo", owner: Owner::Person(&person) }]).unwrap();
        self.registry.put(&[person]).unwrap();
    }

    /// As the reporter does it: pictures, then row.
    pub fn pass(&self, event: &EventRecord) {
        let name = event.spot_pic.as_ref().unwrap();
        self.pictures.put(&[NewPicture { name, bytes: b"scene", owner: Owner::Event(event) }]).unwrap();
        self.events.close(event, 5, &ALL).unwrap();
    }
}

/// Makes one person's row unreadable, in a registry that is closed.
pub fn spoil_one_person(folder: &Path) {
    let database = redb::Database::open(folder.join("registry.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut table = transaction.open_table(PEOPLE).unwrap();
    let (row, mut value) =
        table.first().unwrap().map(|(row, value)| (row.value(), value.value().to_vec())).unwrap();
    *value.last_mut().unwrap() ^= 1;
    table.insert(row, value.as_slice()).unwrap();
    drop(table);
    transaction.commit().unwrap();
}

/// Makes the first event of history unreadable, in a store that is closed.
pub fn spoil_one_event(folder: &Path) {
    let database = redb::Database::open(folder.join("events.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut table = transaction.open_table(HISTORY).unwrap();
    let first = table.first().unwrap().map(|(row, value)| (row.value(), value.value().1.to_owned()));
    let (row, id) = first.unwrap();
    table.insert(row, (9, id.as_str(), [2u8; 80].as_slice())).unwrap();
    drop(table);
    transaction.commit().unwrap();
}

/// A small disk of its own; `None`, said so, where mounting is not allowed.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: only root may mount a small disk");
        }
        mounted.then_some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the disk to the last byte; deleting the file gives the room back.
    pub fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let path = self.path().join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [65_536, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
