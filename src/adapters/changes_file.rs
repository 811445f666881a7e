//! Settings changed in the field: `changes.json` in the data folder, which an operator can read. What may hold a login or a token is
//! sealed in it with the master key.

use std::fs;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use serde_json::Value;

use super::files::{io_error, write_flushed};
use super::vault::{KeyPlaces, Place, SealError, Sealer, master_key};
use crate::ports::changes::ChangesStore;
use crate::ports::store::StoreError;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_domain::tuning::Changes;
use menshen_domain::typed;

/// How a sealed text begins.
const SEALED: &str = "sealed:";
/// Keys of the file, and of a device in it, whose texts are sealed.
const SECRETS: [&str; 6] =
    ["dev_sno", "login_url", "realtime_urls", "history_urls", "monitor_urls", "receiver_dialects"];
const DEVICE_SECRETS: [&str; 5] = ["url", "password", "ftp_password", "action_url", "parameters"];

pub struct ChangesFile {
    path: PathBuf,
    keys: KeyPlaces,
}

/// What is done to each text that may be a secret; the place says where it stands.
type Work<'a> = dyn FnMut(&str, &str) -> Result<Option<String>, StoreError> + 'a;

/// Visits every text that may be a secret.
fn visit(file: &mut Value, work: &mut Work<'_>) -> Result<(), StoreError> {
    for key in SECRETS {
        if let Some(value) = file.get_mut(key) {
            visit_texts(value, key, work)?;
        }
    }
    let devices = file.get_mut("devices").and_then(Value::as_object_mut);
    for (ip, device) in devices.into_iter().flatten() {
        for key in DEVICE_SECRETS {
            if let Some(value) = device.get_mut(key) {
                visit_texts(value, &format!("devices {ip} {key}"), work)?;
            }
        }
    }
    Ok(())
}

fn visit_texts(value: &mut Value, place: &str, work: &mut Work<'_>) -> Result<(), StoreError> {
    match value {
        Value::String(text) => {
            if let Some(new) = work(place, text)? {
                *text = new;
            }
        }
        Value::Array(list) => list.iter_mut().try_for_each(|item| visit_texts(item, place, work))?,
        Value::Object(map) => {
            map.iter_mut().try_for_each(|(key, item)| visit_texts(item, &format!("{place} {key}"), work))?;
        }
        _ => {}
    }
    Ok(())
}

impl ChangesFile {
    pub fn new(keys: KeyPlaces) -> Self {
        Self { path: keys.data_dir.join("changes.json"), keys }
    }

    fn damaged(&self, why: impl std::fmt::Display) -> StoreError {
        StoreError::Damaged {
            path: self.path.display().to_string(),
            reason: tr!(
                spoken(),
                "{why}; correct it, or delete the file to go back to the configuration file",
                "{why}；请更正，或删除该文件以恢复配置文件的值"
            ),
        }
    }

    /// The file as it is; `None` where there is none.
    fn read(&self) -> Result<Option<Value>, StoreError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &self.path, &error)),
        };
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map(Some).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            self.damaged(tr!(
                spoken(),
                "it is no JSON from line {line}, column {column} on",
                "从第 {line} 行第 {column} 列起不是 JSON"
            ))
        })
    }

    /// Seals what an older version, or an operator, left in the clear. Returns whether there was anything.
    ///
    /// # Errors
    /// When the file or the key cannot be used.
    pub fn seal_clear(&self) -> Result<bool, StoreError> {
        let Some(mut file) = self.read()? else { return Ok(false) };
        let mut is_clear = false;
        visit(&mut file, &mut |_, text| {
            is_clear |= !text.starts_with(SEALED) && !text.is_empty();
            Ok(None)
        })?;
        if is_clear {
            self.save(&self.load()?)?;
        }
        Ok(is_clear)
    }
}

fn open(key: &Sealer, place: &str, sealed: &str) -> Result<String, SealError> {
    let bytes = BASE64_STANDARD.decode(sealed).map_err(|_| SealError::Broken)?;
    let plain = key.open(Place("changes", place.as_bytes()), &bytes)?;
    String::from_utf8(plain.to_vec()).map_err(|_| SealError::Broken)
}

impl ChangesStore for ChangesFile {
    fn load(&self) -> Result<Changes, StoreError> {
        let Some(mut file) = self.read()? else { return Ok(Changes::default()) };
        // Only where something is sealed, so that a folder without keys gets none by being looked at.
        let mut key = None;
        visit(&mut file, &mut |place, text| {
            let Some(sealed) = text.strip_prefix(SEALED) else { return Ok(None) };
            let key = match &mut key {
                Some(key) => key,
                none => none.insert(master_key(&self.keys)?),
            };
            let plain = open(key, place, sealed);
            plain.map(Some).map_err(|error| self.damaged(format!("`{place}` cannot be opened: {error}")))
        })?;
        typed::read(&file).map_err(|fault| self.damaged(fault))
    }

    fn save(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut file = serde_json::to_value(changes).unwrap_or_default();
        let mut key = None;
        visit(&mut file, &mut |place, text| {
            if text.is_empty() {
                return Ok(None);
            }
            let key = match &mut key {
                Some(key) => key,
                none => none.insert(master_key(&self.keys)?),
            };
            let sealed = key
                .seal(Place("changes", place.as_bytes()), text.as_bytes())
                .map_err(|error| self.damaged(format!("`{place}` cannot be sealed: {error}")))?;
            Ok(Some(SEALED.to_owned() + &BASE64_STANDARD.encode(sealed)))
        })?;
        let text = serde_json::to_string_pretty(&file).unwrap_or_default();
        let part = self.path.with_extension("json.part");
        write_flushed(&part, &self.path, text.as_bytes())
            .map_err(|error| io_error("write", &self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use url::Url;

    use super::*;

    fn file(folder: &Path) -> ChangesFile {
        ChangesFile::new(KeyPlaces { data_dir: folder.to_path_buf(), key_file: None, credentials_dir: None })
    }

    fn on_disk(folder: &Path) -> String {
        fs::read_to_string(folder.join("changes.json")).unwrap()
    }

    #[test]
    fn changes_come_back_and_a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let changes_file = file(folder.path());
        assert_eq!(changes_file.load().unwrap(), Changes::default());
        let changes = Changes { threshold: Some(85.0), ..Changes::default() };
        changes_file.save(&changes).unwrap();
        assert_eq!(file(folder.path()).load().unwrap(), changes);
        assert!(!folder.path().join("keys").exists(), "nothing to seal needs no key");
        fs::write(folder.path().join("changes.json"), "{").unwrap();
        assert!(changes_file.load().unwrap_err().to_string().contains("changes.json"));
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
            let told = changes_file.load().unwrap_err().to_string();
            assert!(told.contains(expected) && told.contains("delete the file to go back"), "{told}");
        }
    }

    fn with_secrets() -> Changes {
        let url = |text: &str| Url::parse(text).unwrap();
        let device = serde_json::json!({
            "url": "rtsp://admin:s3cretA@10.0.0.5/x", "password": "s3cretB", "ftp_password": "s3cretC", "name": "hall",
            "parameters": { "main_url": "rtsp://admin:s3cretD@10.0.0.5/y" }, "enabled": true,
        });
        Changes {
            dev_sno: Some("UMOs3cretE".into()),
            login_url: Some(url("https://u:s3cretF@p/login")),
            realtime_urls: Some(vec![url("https://h/x?token=s3cretG"), url("https://h/y")]),
            history_urls: Some(vec![url("https://a:s3cretH@h/")]),
            monitor_urls: Some(Vec::new()),
            gate_mode: Some(menshen_domain::tuning::GateMode::Avoid),
            devices: [("10.0.0.5".to_owned(), device.as_object().cloned()), ("gone".to_owned(), None)].into(),
            ..Changes::default()
        }
    }

    #[test]
    fn secrets_are_sealed_and_the_rest_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path()).save(&with_secrets()).unwrap();
        assert_eq!(file(folder.path()).load().unwrap(), with_secrets());
        let text = on_disk(folder.path());
        assert!(!text.contains("s3cret") && text.contains("avoid") && text.contains("hall"), "{text}");
        assert!(!file(folder.path()).seal_clear().unwrap());
        // A text belongs to its place.
        let moved = text.replace("\"password\"", "\"x\"").replace("\"ftp_password\"", "\"password\"");
        fs::write(folder.path().join("changes.json"), moved).unwrap();
        assert!(file(folder.path()).load().unwrap_err().to_string().contains("cannot be opened"));
    }

    #[test]
    fn what_is_in_the_clear_is_read_and_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let clear = serde_json::to_string(&with_secrets()).unwrap();
        fs::write(folder.path().join("changes.json"), clear).unwrap();
        assert_eq!(file(folder.path()).load().unwrap(), with_secrets());
        assert!(file(folder.path()).seal_clear().unwrap());
        assert!(!on_disk(folder.path()).contains("s3cret"));
        assert_eq!(file(folder.path()).load().unwrap(), with_secrets());
    }
}
