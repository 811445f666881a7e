//! Settings changed in the field: `changes.json` in the data folder, which an operator can read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files::{io_error, write_flushed};
use crate::ports::changes::ChangesStore;
use crate::ports::store::StoreError;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_domain::tuning::Changes;
use menshen_domain::typed;

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
        let damaged = |why: String| StoreError::Damaged {
            path: self.path.display().to_string(),
            reason: tr!(
                spoken(),
                "{why}; correct it, or delete the file to go back to the configuration file",
                "{why}；请更正，或删除该文件以恢复配置文件的值"
            ),
        };
        let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            damaged(tr!(
                spoken(),
                "it is no JSON from line {line}, column {column} on",
                "从第 {line} 行第 {column} 列起不是 JSON"
            ))
        })?;
        typed::read(&value).map_err(|fault| damaged(fault.to_string()))
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
        for (text, expected) in [
            (r#"{ "threshold": "high" }"#, "`threshold`: is the text \"high\"; wanted is a number"),
            (r#"{ "gate_mode": "open" }"#, "wanted is one of \"opendoor\""),
            (r#"{ "devices": { "a": "b" } }"#, "`devices.a`: is the text \"b\"; wanted is keys with values"),
            (r#"{ "login_url": "somewhere" }"#, "`login_url`: is no URL, as in http://"),
            (
                r#"{ "realtime_urls": ["http://h/", 7] }"#,
                "`realtime_urls.1`: is the number 7; wanted is a text",
            ),
            ("[]", "is an empty list; wanted is keys with values"),
            (r#"{ "threshold": 1"#, "is no JSON from line 1"),
        ] {
            fs::write(folder.path().join("changes.json"), text).unwrap();
            let told = file.load().unwrap_err().to_string();
            assert!(told.contains(expected) && told.contains("delete the file to go back"), "{told}");
        }
    }
}
