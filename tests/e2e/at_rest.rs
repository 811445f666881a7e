//! Whoever takes the disk away learns nothing of anybody: no name, no id, no photo, no feature.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use menshen::adapters::space::DiskSpace;
use menshen::adapters::store::RedbRegistryStore;
use menshen::adapters::vault::{KeyPlaces, Vault};
use menshen::ports::store::RegistryStore as _;
use serde_json::json;

use crate::testbed::{SOON, TestBed, eventually, is_history_of, photo, photo_base64, start_camera};

const NATIONAL_ID: &str = "11010119900307721X";
const NAME: &str = "欧巴马先生";

/// What must not be found, each with what to call it.
type Secrets = Vec<(String, Vec<u8>)>;

fn every_file(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(every_file(&path)) } else { files.push(path) }
    }
    files
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    // Far quicker than comparing windows: few positions have the first byte.
    bytes.iter().enumerate().any(|(at, byte)| *byte == part[0] && bytes[at..].starts_with(part))
}

/// Beginnings of pictures, long enough that random bytes do not look like them.
fn carver_marks() -> Secrets {
    let mut marks: Secrets = vec![
        ("JPEG (quantisation table first)".into(), b"\xff\xd8\xff\xdb\x00\x43".to_vec()),
        ("JPEG (JFIF)".into(), b"\xff\xd8\xff\xe0\x00\x10JFIF".to_vec()),
        ("PNG".into(), b"\x89PNG\r\n\x1a\n".to_vec()),
    ];
    for text in ["/9j/4AAQSkZJRg", "/9j/2wBD", "iVBORw0KGgo"] {
        marks.push(("picture in base64".into(), text.into()));
    }
    for end in [b"Exif".as_slice(), b"ICC_PROFILE", b"JFIF"] {
        marks.push(("head of a JPEG".into(), end.to_vec()));
    }
    marks.retain(|(_, bytes)| bytes.len() >= 6);
    marks
}

/// Slices of a photo: its middle is as telling as its head.
fn slices(name: &str, file: &str) -> Secrets {
    let bytes = photo(file);
    let parts = [32, bytes.len() / 2, bytes.len() - 64];
    let mut secrets: Secrets =
        parts.iter().map(|at| (format!("{name}, raw"), bytes[*at..][..24].to_vec())).collect();
    let text = base64::prelude::BASE64_STANDARD.encode(&bytes);
    secrets.push((format!("{name}, base64"), text.as_bytes()[400..440].to_vec()));
    secrets
}

fn find(folder: &Path, secrets: &Secrets) -> Vec<String> {
    let mut found = Vec::new();
    for file in every_file(folder) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let name = file.strip_prefix(folder).unwrap().display().to_string();
        for (what, part) in secrets {
            if holds(&bytes, part) || holds(name.as_bytes(), part) {
                found.push(format!("{what} in {name}"));
            }
        }
    }
    found
}

/// The feature as bytes and as text, as an embedding could have been written.
fn feature_secrets(data_dir: &Path) -> Secrets {
    let places = KeyPlaces { data_dir: data_dir.to_path_buf(), key_file: None, credentials_dir: None };
    let vault = Arc::new(Vault::open(places).unwrap());
    let space = DiskSpace::new(data_dir, 0, Arc::default());
    let (store, _) = RedbRegistryStore::open(data_dir, vault, space).unwrap();
    let person = store.get(NATIONAL_ID).unwrap().expect("enrolled");
    let vector = &person.features[0].embedding.vector;
    let little: Vec<u8> = vector[..4].iter().flat_map(|x| x.to_le_bytes()).collect();
    let big: Vec<u8> = vector[..4].iter().flat_map(|x| x.to_be_bytes()).collect();
    let text = serde_json::to_string(&vector[..3]).unwrap();
    let text = text.trim_matches(['[', ']']).to_owned();
    vec![
        ("feature".into(), little),
        ("feature, big-endian".into(), big),
        ("feature as text".into(), text.into_bytes()),
    ]
}

#[test]
fn nothing_of_anybody_can_be_read_from_the_disk() {
    let mut camera = start_camera("lobby", &["obama-2.jpg"], &[]);
    let mut bed = TestBed::with_platform(|_| ());
    bed.add_camera(&camera);
    bed.start();
    let user = json!({
        "identity_id": NATIONAL_ID, "reg_photo": photo_base64("obama-1.jpg"),
        "info": { "name": NAME, "department": "Oval Office", "phone": "13800138000" },
    });
    let reply = bed.command(json!({ "method": "add_users_plus", "user_info_list": [user] }));
    assert_eq!(reply["result"]["success_users"].as_array().unwrap().len(), 1, "{reply}");
    bed.enrol(&[("gone", "Joe Biden", "biden-1.jpg")]);
    bed.command(json!({ "method": "delete_users", "userid_list": ["gone"] }));
    // A dead letter with a name and a photo in it.
    bed.command(json!({ "method": "no_such_method", "name": NAME, "photo": photo_base64("obama-1.jpg") }));
    camera.go().unwrap();
    bed.wait("Obama in history", |entry| {
        is_history_of("lobby")(entry) && entry.body["identity_id"] == NATIONAL_ID
    });

    let mut secrets: Secrets =
        [NATIONAL_ID, NAME, "Joe Biden", "Oval Office", "13800138000", "no_such_method"]
            .map(|text| (text.to_owned(), text.as_bytes().to_vec()))
            .to_vec();
    // As JSON may write it.
    secrets.push(("name, escaped".into(), br"\u6b27\u5df4\u9a6c".to_vec()));
    secrets.extend(carver_marks());
    secrets.extend(slices("registry photo", "obama-1.jpg"));
    secrets.extend(slices("deleted photo", "biden-1.jpg"));
    let data_dir = bed.data_dir();
    assert_eq!(find(&data_dir, &secrets), Vec::<String>::new(), "while the box runs");
    bed.kill9();
    assert_eq!(find(&data_dir, &secrets), Vec::<String>::new(), "after kill -9");
    let copy = tempfile::TempDir::new().unwrap();
    copy_folder(&data_dir, copy.path());
    secrets.extend(feature_secrets(copy.path()));
    assert_eq!(find(&data_dir, &secrets), Vec::<String>::new(), "features");
    let kinds =
        ["registry.redb", "events.redb", "dead-letters.jsonl", "pictures/registry", "pictures/events"];
    for kind in kinds {
        assert!(data_dir.join(kind).exists(), "{kind} was looked at");
    }
    assert!(every_file(&data_dir.join("pictures/events")).len() >= 2, "pictures of the event are there");

    // The scanner finds what is there to be found.
    let planted = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(planted.path().join("deep")).unwrap();
    std::fs::write(planted.path().join("deep/a"), [vec![0; 999], photo("obama-1.jpg")].concat()).unwrap();
    std::fs::write(planted.path().join(format!("photo-of-{NATIONAL_ID}")), NAME).unwrap();
    let found = find(planted.path(), &secrets).join("\n");
    for what in ["registry photo, raw", "JPEG", NATIONAL_ID, NAME] {
        assert!(found.contains(what), "{what} not in:\n{found}");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for file in every_file(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, &target).unwrap();
    }
}

#[test]
fn a_wipe_takes_the_key_along_and_the_box_goes_on() {
    let mut bed = TestBed::with_platform(|_| ());
    bed.start();
    bed.enrol(&[("1001", "Barack Obama", "obama-1.jpg"), ("1002", "Joe Biden", "biden-1.jpg")]);
    let key = bed.data_dir().join("keys/registry.key");
    let before = std::fs::read(&key).unwrap();
    let reply =
        bed.command(json!({ "method": "wipe_data", "wipe_options": { "users": true, "events": true } }));
    assert_eq!(reply["code"], 0, "{reply}");
    assert_ne!(std::fs::read(&key).unwrap(), before);
    assert_eq!(every_file(&bed.data_dir().join("pictures")).len(), 0);
    bed.enrol(&[("1003", "Barack Obama", "obama-1.jpg")]);
    bed.kill9();
    bed.start();
    eventually("only who came after the wipe", SOON, || {
        (bed.metric("menshen_registry_people") == 1.0).then_some(())
    });
    assert_eq!(bed.storage_health()["ok"], true);
    bed.stop();

    // A lost key is told, and nothing is made anew.
    std::fs::remove_file(bed.data_dir().join("keys/master.key")).unwrap();
    let list = bed.run(&["users", "list"]);
    let told = String::from_utf8_lossy(&list.stderr).into_owned();
    assert!(!list.status.success() && told.contains("master key is missing"), "{told}");
    assert!(!bed.data_dir().join("keys/master.key").exists());
}
