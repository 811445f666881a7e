//! Settings changed in the field: `changes.json` in the data folder, which an operator can read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{io_error, write_flushed};
use crate::ports::changes::ChangesStore;
use crate::ports::store::StoreError;
use menshen_domain::tuning::Changes;

pub struct ChangesFile {
    path: PathBuf,
}

impl ChangesFile {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("changes.json") }
    }
}

impl ChangesStore for ChangesFile {
    fn load(&self) -> Result<Changes, StoreError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Changes::default()),
            Err(error) => return Err(io_error("read", &self.path, &error)),
        };
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| StoreError::Damaged {
            path: self.path.display().to_string(),
            reason: format!("{error}; correct it, or delete it to go back to the configuration file"),
        })
    }

    fn save(&self, changes: &Changes) -> Result<(), StoreError> {
        let text = serde_json::to_string_pretty(changes).unwrap_or_default();
        let part = self.path.with_extension("json.part");
        write_flushed(&part, &self.path, text.as_bytes())
            .map_err(|error| io_error("write", &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_and_a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = ChangesFile::new(folder.path());
        assert_eq!(file.load().unwrap(), Changes::default());
        let changes = Changes { threshold: Some(85.0), ..Changes::default() };
        file.save(&changes).unwrap();
        assert_eq!(ChangesFile::new(folder.path()).load().unwrap(), changes);
        fs::write(folder.path().join("changes.json"), "{").unwrap();
        assert!(file.load().unwrap_err().to_string().contains("changes.json"));
    }
}
