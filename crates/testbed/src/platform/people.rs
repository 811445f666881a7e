//! The people a platform knows, and the photos it serves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// Users by id (raw, as `add_users_plus` details) and photos by name.
#[derive(Default)]
pub struct People {
    users: Mutex<BTreeMap<String, Value>>,
    photos: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl People {
    /// A person whose photo the platform serves under a relative path.
    pub fn add(&self, id: &str, name: &str, photo: Vec<u8>) -> Value {
        let file = format!("{id}.jpg");
        self.add_photo(&file, photo);
        let user = json!({
            "identity_id": id,
            "relative_pic_url": format!("/img/{file}"),
            "register_type": 1,
            "info": { "name": name, "type": 1, "permission_ids": ["0"] },
        });
        self.add_raw(id, user.clone());
        user
    }

    /// Details exactly as given.
    pub fn add_raw(&self, id: &str, user: Value) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), user);
    }

    /// A photo that is served as `/img/FILE`.
    pub fn add_photo(&self, file: &str, photo: Vec<u8>) {
        self.photos.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned(), photo);
    }

    /// The photo that is served as `/img/FILE`.
    pub fn photo(&self, file: &str) -> Option<Vec<u8>> {
        self.photos.lock().unwrap_or_else(PoisonError::into_inner).get(file).cloned()
    }

    /// Details of those of `ids` that are known.
    pub fn users(&self, ids: &[String]) -> Vec<Value> {
        let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().filter_map(|id| users.get(id).cloned()).collect()
    }

    /// Everyone of a folder of photos named `name-id-department.jpg`.
    ///
    /// # Errors
    /// When the folder or a photo cannot be read.
    pub fn add_folder(&self, folder: &Path) -> Result<usize> {
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut count = 0;
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            let mut parts = stem.rsplitn(3, '-');
            if let (Some(_), Some(id), Some(name)) = (parts.next(), parts.next(), parts.next()) {
                let photo = std::fs::read(&path).with_context(|| path.display().to_string())?;
                self.add(id, name, photo);
                count += 1;
            }
        }
        Ok(count)
    }
}
