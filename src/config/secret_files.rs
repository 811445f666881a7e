//! Secrets in files of their own: for every key that holds one there is `KEY_file`, which names a file that holds the value.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::reader::Findings;
use crate::regular_file::{self, NoFile};
use menshen_domain::text::{Text, spoken};
use menshen_domain::{text, tr};

/// Keys that hold a secret, by section.
pub const SECRETS: [(&str, &[&str]); 3] = [
    ("platform", &["dev_sno"]),
    ("local_api", &["token"]),
    ("devices", &["url", "password", "ftp_password", "action_url"]),
];
/// How a path in systemd's folder of credentials begins.
const CREDENTIALS: &str = "$CREDENTIALS_DIRECTORY/";
/// Longest secret: an address with a login.
const SECRET_BYTES_MAX: u64 = 4096;

/// Why a file is no secret.
#[derive(Debug)]
enum FileError {
    NoPath,
    Both(&'static str),
    NoCredentials,
    Read(Text),
    Empty(String),
    NoText(String),
}

impl FileError {
    fn text(&self) -> Text {
        match self {
            Self::NoPath => text!("must be the path of a file, in quotes", "须为加引号的文件路径"),
            Self::Both(key) => text!("and `{key}` cannot both be given", "不能与 `{key}` 同时填写"),
            Self::NoCredentials => text!(
                "$CREDENTIALS_DIRECTORY is not set: the service needs LoadCredential=",
                "未设置 $CREDENTIALS_DIRECTORY：服务需要 LoadCredential="
            ),
            Self::Read(why) => why.clone(),
            Self::Empty(path) => text!("{path} is empty", "{path} 为空"),
            Self::NoText(path) => text!(
                "{path} is longer than {SECRET_BYTES_MAX} bytes, or no text",
                "{path} 超过 {SECRET_BYTES_MAX} 字节，或不是文本"
            ),
        }
    }
}

/// A file with a secret in it that others on this machine may read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", tr!(
    spoken(),
    "{path} holds secrets, and others on this machine may read it; run: chmod o-rwx {path}",
    "{path} 含有密钥，且本机其他用户可读；请执行：chmod o-rwx {path}"
))]
pub struct OpenFile {
    pub path: String,
}

/// Notes a file that others may read.
pub fn note_open(path: &Path, open: &mut Vec<OpenFile>) {
    let is_open = fs::metadata(path).is_ok_and(|facts| facts.permissions().mode() & 0o007 != 0);
    let file = OpenFile { path: path.display().to_string() };
    if is_open && !open.contains(&file) {
        open.push(file);
    }
}

/// Puts the values of all `KEY_file` into `KEY`; errors are noted, and files that others may read are returned.
pub fn resolve(table: &mut Table, findings: &mut Findings, credentials: Option<&Path>) -> Vec<OpenFile> {
    let mut open = Vec::new();
    for (section, keys) in SECRETS {
        let tables: Vec<(String, &mut Table)> = match table.get_mut(section) {
            Some(Value::Table(table)) => vec![(section.to_owned(), table)],
            Some(Value::Array(list)) => list
                .iter_mut()
                .enumerate()
                .filter_map(|(index, item)| Some((format!("{section}.{index}"), item.as_table_mut()?)))
                .collect(),
            _ => continue,
        };
        for (path, table) in tables {
            for key in keys {
                let file_key = format!("{key}_file");
                let Some(value) = table.remove(&file_key) else { continue };
                findings.alias(&format!("{path}.{file_key}"), &format!("{path}.{key}"));
                match secret(key, &value, table, credentials, &mut open) {
                    Ok(Some(secret)) => drop(table.insert((*key).to_owned(), Value::String(secret))),
                    Ok(None) => {}
                    Err(error) => findings.add(&format!("{path}.{file_key}"), error.text()),
                }
            }
        }
    }
    open
}

fn secret(
    key: &'static str,
    value: &Value,
    table: &Table,
    credentials: Option<&Path>,
    open: &mut Vec<OpenFile>,
) -> Result<Option<String>, FileError> {
    let name = value.as_str().ok_or(FileError::NoPath)?;
    if name.is_empty() {
        return Ok(None);
    }
    if table.get(key).is_some_and(|given| given.as_str() != Some("")) {
        return Err(FileError::Both(key));
    }
    let path = match name.strip_prefix(CREDENTIALS) {
        Some(name) => credentials.ok_or(FileError::NoCredentials)?.join(name),
        None => PathBuf::from(name),
    };
    let shown = path.display().to_string();
    let failed = |why: NoFile| FileError::Read(why.text(&path));
    let mut bytes = Vec::new();
    let file = regular_file::open(&path).map_err(failed)?;
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(NoFile::Io(error)))?;
    note_open(&path, open);
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= SECRET_BYTES_MAX);
    let text = text.ok_or_else(|| FileError::NoText(shown.clone()))?;
    // An editor's last line end is none of it; blanks may be.
    let text = text.trim_end_matches(['\r', '\n']).trim_start_matches('\u{feff}');
    if text.is_empty() { Err(FileError::Empty(shown)) } else { Ok(Some(text.to_owned())) }
}

/// Whether a configuration holds a secret itself.
pub fn holds_secret(table: &Table) -> bool {
    let of_table = |table: &Table, keys: &[&str]| {
        keys.iter().any(|key| match table.get(*key).and_then(Value::as_str) {
            None | Some("") => false,
            // An address is one when there is a login in it.
            Some(url) if key.ends_with("url") => {
                url.contains('@') || menshen_domain::secrets::mask_url(url) != url
            }
            Some(_) => true,
        })
    };
    SECRETS.iter().any(|(section, keys)| match table.get(*section) {
        Some(Value::Table(table)) => of_table(table, keys),
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_table).any(|table| of_table(table, keys))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn resolved(text: &str, credentials: Option<&Path>) -> (Table, Vec<String>, Vec<OpenFile>) {
        let mut table: Table = toml::from_str(text).unwrap();
        let mut findings = Findings::new("m.toml", HashMap::new());
        let open = resolve(&mut table, &mut findings, credentials);
        (table, findings.into_errors().iter().map(ToString::to_string).collect(), open)
    }

    fn file(folder: &Path, name: &str, text: &str, mode: u32) -> String {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }

    #[test]
    fn every_secret_may_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let token = file(folder.path(), "token", "Zq8-fW2k_vN5tR7xLm3B\r\n", 0o600);
        let password = file(folder.path(), "cam", " p@ss w0rd#\n", 0o640);
        file(folder.path(), "sno", "UMOTRU1", 0o400);
        let text = format!(
            "[platform]\ndev_sno = \"\"\ndev_sno_file = \"$CREDENTIALS_DIRECTORY/sno\"\n[local_api]\ntoken_file = {token:?}\n\
             [[devices]]\nip = \"a\"\npassword_file = {password:?}\n[[devices]]\nip = \"b\"\nftp_password_file = {password:?}\n\
             url_file = {token:?}\naction_url_file = {token:?}\n"
        );
        let (table, errors, open) = resolved(&text, Some(folder.path()));
        assert_eq!((errors, open), (Vec::new(), Vec::new()));
        assert_eq!(table["platform"]["dev_sno"].as_str(), Some("UMOTRU1"));
        assert_eq!(table["local_api"]["token"].as_str(), Some("Zq8-fW2k_vN5tR7xLm3B"));
        assert_eq!(table["devices"][0]["password"].as_str(), Some(" p@ss w0rd#"));
        assert_eq!(table["devices"][1]["ftp_password"].as_str(), Some(" p@ss w0rd#"));
        assert!(!format!("{table}").contains("_file"));
        assert!(holds_secret(&table));
    }

    #[test]
    fn what_is_no_secret_file_is_named_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let empty = file(folder.path(), "empty", "\n", 0o600);
        let long = file(folder.path(), "long", &"x".repeat(5000), 0o600);
        let secret = file(folder.path(), "secret", "s3cret-value", 0o644);
        for (text, told) in [
            ("token_file = 7".to_owned(), "path of a file"),
            ("token_file = \"/nowhere/at/all\"".to_owned(), "there is no file /nowhere"),
            ("token_file = \"/dev/zero\"".to_owned(), "is a device"),
            (format!("token_file = {:?}", folder.path()), "is a folder"),
            ("token_file = \"$CREDENTIALS_DIRECTORY/x\"".to_owned(), "LoadCredential"),
            (format!("token_file = {empty:?}"), "is empty"),
            (format!("token_file = {long:?}"), "longer than"),
            (format!("token = \"other-s3cret\"\ntoken_file = {secret:?}"), "cannot both be given"),
        ] {
            let (_, errors, _) = resolved(&format!("[local_api]\n{text}\n"), None);
            assert_eq!(errors.len(), 1, "{text}");
            assert!(errors[0].contains(told) && errors[0].contains("local_api.token_file"), "{errors:?}");
            assert!(!errors[0].contains("s3cret-value") && !errors[0].contains("other-s3cret"));
        }
        let (_, errors, open) = resolved(&format!("[local_api]\ntoken_file = {secret:?}\n"), None);
        assert_eq!((errors.len(), open.len()), (0, 1), "others may read it");
        assert!(open[0].to_string().contains("chmod o-rwx"));
    }

    #[test]
    fn a_configuration_that_holds_secrets_is_known() {
        for (text, holds) in [
            ("[platform]\ndev_sno = \"UMO\"", true),
            ("[local_api]\ntoken = \"\"", false),
            ("[[devices]]\nurl = \"rtsp://10.0.0.5/x\"", false),
            ("[[devices]]\nurl = \"rtsp://u:p@10.0.0.5/x\"", true),
            ("[[devices]]\nip = \"a\"\n[[devices]]\nftp_password = \"x\"", true),
            ("[web]\nlisten = \"127.0.0.1:1\"", false),
        ] {
            assert_eq!(holds_secret(&toml::from_str(text).unwrap()), holds, "{text}");
        }
    }
}
