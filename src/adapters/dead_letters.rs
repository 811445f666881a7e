//! The dead-letter log: `dead-letters.jsonl` in the data folder, one sealed JSON object a line, and an
//! operator's requests to carry letters out again: empty files in `replay/`, named by the letter.
//!
//! Commands hold names and photos, so a wipe of people makes the letters kept before it unreadable too.
//!
//! The box appends, and reads only the letters that are to be replayed; the command line reads, and only makes
//! requests. So both work side by side, and a request made while the box is down is found when it starts.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::files::{io_error, write_flushed};
use super::line_file::LineFile;
use super::vault::Vault;
use crate::ports::dead_letters::{DeadLetters, Replay};
use crate::ports::store::StoreError;
use menshen_domain::limits;

/// What its lines are bound to.
const PLACE: &str = "dead-letters";

/// One line of the log.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Letter(Letter),
    /// A letter was carried out again.
    Replayed {
        id: String,
        at_ms: u64,
        code: i64,
    },
}

/// A kept message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub id: String,
    pub at_ms: u64,
    pub code: i64,
    pub reason: String,
    /// Size of the message as it came; the body is shorter when that was too large to keep.
    pub bytes: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// For a body that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl Letter {
    fn new(at_ms: u64, code: i64, reason: &str, message: &[u8]) -> Self {
        let kept = &message[..message.len().min(limits::DEAD_LETTER_BODY_BYTES_MAX)];
        let text = std::str::from_utf8(kept).ok().map(str::to_owned);
        Self {
            // Sorts by time, and differs within a millisecond.
            id: format!("{at_ms:x}-{:04x}", rand::random::<u16>()),
            at_ms,
            code,
            reason: reason.to_owned(),
            bytes: message.len(),
            body_base64: text.is_none().then(|| BASE64_STANDARD.encode(kept)),
            body: text,
        }
    }

    pub fn body(&self) -> Vec<u8> {
        match (&self.body, &self.body_base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).unwrap_or_default(),
            (None, None) => Vec::new(),
        }
    }

    /// Whether the whole message was kept, so that it can be carried out again.
    pub fn is_whole(&self) -> bool {
        self.body().len() == self.bytes
    }
}

/// What a list shows of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterState {
    /// Without its body.
    pub letter: Letter,
    /// An operator wants it carried out again, and it was not yet.
    pub waits: bool,
    /// The reply's code when it was carried out again.
    pub replayed: Option<i64>,
}

pub struct DeadLetterFile {
    log: LineFile,
    requests: PathBuf,
    vault: Arc<Vault>,
    writing: Mutex<()>,
}

impl DeadLetterFile {
    pub fn new(data_dir: &Path, vault: Arc<Vault>) -> Self {
        Self {
            log: LineFile::new(data_dir.join("dead-letters.jsonl"), limits::DEAD_LETTER_FILE_BYTES_MAX),
            requests: data_dir.join("replay"),
            vault,
            writing: Mutex::new(()),
        }
    }

    fn append(&self, line: &Line) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sealed = self.vault.seal_line(PLACE, &serde_json::to_vec(line)?).map_err(io::Error::other)?;
        self.log.append(&[sealed])
    }

    /// Writes a file of the log anew, without some letters. Lines that cannot be read stay as they are.
    fn rewrite_without(&self, path: &Path, gone: &BTreeSet<String>) -> Result<(), StoreError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error("read", path, &error)),
        };
        let is_kept = |text: &&[u8]| {
            let line = std::str::from_utf8(text).ok().and_then(|text| self.vault.open_line(PLACE, text).ok());
            let line = line.and_then(|plain| serde_json::from_slice(&plain).ok());
            !line.is_some_and(|line| match line {
                Line::Letter(Letter { id, .. }) | Line::Replayed { id, .. } => gone.contains(&id),
            })
        };
        let kept: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').filter(is_kept).collect();
        write_flushed(&path.with_extension("part"), path, &kept.concat())
            .map_err(|error| io_error("write", path, &error))
    }

    /// Every line, oldest first; what a crash tore and what was sealed before a wipe is passed over.
    fn for_each(&self, mut visit: impl FnMut(Line)) -> Result<(), StoreError> {
        self.log.for_each(|text| {
            let Ok(plain) = self.vault.open_line(PLACE, text) else { return };
            if let Ok(line) = serde_json::from_slice(&plain) {
                visit(line);
            }
        })
    }

    /// All letters without their bodies, oldest first.
    pub fn list(&self) -> Result<Vec<LetterState>, StoreError> {
        let requests = self.requests()?;
        let mut states: Vec<LetterState> = Vec::new();
        self.for_each(|line| match line {
            Line::Letter(letter) => {
                let letter = Letter { body: None, body_base64: None, ..letter };
                states.push(LetterState { waits: requests.contains(&letter.id), letter, replayed: None });
            }
            Line::Replayed { id, code, .. } => {
                if let Some(state) = states.iter_mut().rev().find(|state| state.letter.id == id) {
                    state.replayed = Some(code);
                }
            }
        })?;
        Ok(states)
    }

    /// One letter with its body.
    pub fn find(&self, id: &str) -> Result<Option<Letter>, StoreError> {
        let mut found = None;
        self.for_each(|line| match line {
            Line::Letter(letter) if letter.id == id => found = Some(letter),
            _ => {}
        })?;
        Ok(found)
    }

    /// Asks the box, running or not, to carry a letter out again.
    pub fn ask_replay(&self, letter: &Letter) -> Result<(), StoreError> {
        let path = self.requests.join(&letter.id);
        fs::create_dir_all(&self.requests)
            .and_then(|()| File::create(&path)?.sync_all())
            .map_err(|error| io_error("write", &path, &error))
    }

    /// Ids of the letters that wait to be carried out again, oldest letter first.
    fn requests(&self) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(&self.requests) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("read", &self.requests, &error)),
        };
        let mut ids: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        ids.sort();
        Ok(ids)
    }

    fn forget_wish(&self, id: &str) -> Result<(), StoreError> {
        let path = self.requests.join(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("delete", &path, &error)),
            _ => Ok(()),
        }
    }
}

impl DeadLetters for DeadLetterFile {
    fn keep(&self, at_ms: u64, code: i64, reason: &str, body: &[u8]) {
        if let Err(error) = self.append(&Line::Letter(Letter::new(at_ms, code, reason, body))) {
            tracing::error!(%error, path = %self.log.path().display(), "a dead letter could not be kept");
        }
    }

    fn replays(&self) -> Result<Vec<Replay>, StoreError> {
        let mut replays = Vec::new();
        for id in self.requests()? {
            match self.find(&id)? {
                Some(letter) if letter.is_whole() => {
                    replays.push(Replay { id, body: letter.body().into() });
                }
                _ => {
                    tracing::warn!(id, "there is no whole dead letter of this name to carry out again");
                    self.forget_wish(&id)?;
                }
            }
            if replays.len() == limits::REPLAYS_AT_ONCE {
                break;
            }
        }
        Ok(replays)
    }

    fn for_each_body(&self, visit: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        self.for_each(|line| {
            if let Line::Letter(letter) = line {
                visit(&letter.body());
            }
        })
    }

    fn erase(&self, is_gone: &dyn Fn(&[u8]) -> bool) -> Result<u64, StoreError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = BTreeSet::new();
        self.for_each(|line| {
            if let Line::Letter(letter) = line
                && is_gone(&letter.body())
            {
                gone.insert(letter.id);
            }
        })?;
        if gone.is_empty() {
            return Ok(0);
        }
        for path in [self.log.old_path(), self.log.path().to_path_buf()] {
            self.rewrite_without(&path, &gone)?;
        }
        for id in &gone {
            self.forget_wish(id)?;
        }
        Ok(gone.len() as u64)
    }

    fn replayed(&self, id: &str, at_ms: u64, code: i64) -> Result<(), StoreError> {
        self.append(&Line::Replayed { id: id.to_owned(), at_ms, code })
            .map_err(|error| io_error("write", self.log.path(), &error))?;
        self.forget_wish(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::vault::KeyPlaces;

    fn log_in(folder: &Path) -> DeadLetterFile {
        let places = KeyPlaces { data_dir: folder.to_path_buf(), key_file: None, credentials_dir: None };
        DeadLetterFile::new(folder, Arc::new(Vault::open(places).unwrap()))
    }

    #[test]
    fn letters_are_kept_whole_and_replayed_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = log_in(folder.path());
        assert!(file.list().unwrap().is_empty() && file.replays().unwrap().is_empty());
        let long = vec![b'x'; limits::DEAD_LETTER_BODY_BYTES_MAX + 1];
        for body in [&br#"{"method":"fly"}"#[..], b"\xFF\xFEno text", &long] {
            file.keep(1_700_000_000_000, 50100, "fly", body);
        }
        let letters = file.list().unwrap();
        let whole: Vec<_> =
            letters.iter().map(|state| file.find(&state.letter.id).unwrap().unwrap()).collect();
        assert_eq!(whole[0].body(), br#"{"method":"fly"}"#);
        assert_eq!(whole[1].body(), b"\xFF\xFEno text");
        assert_eq!(whole.iter().map(Letter::is_whole).collect::<Vec<_>>(), [true, true, false]);

        file.ask_replay(&whole[1]).unwrap();
        file.ask_replay(&whole[2]).unwrap();
        assert!(file.list().unwrap()[1].waits);
        let replays = file.replays().unwrap();
        assert_eq!(replays.len(), 1, "half a message is not carried out");
        assert_eq!((&replays[0].id, &replays[0].body[..]), (&whole[1].id, &b"\xFF\xFEno text"[..]));
        file.replayed(&replays[0].id, 5, 0).unwrap();
        assert!(file.replays().unwrap().is_empty());
        let state = &file.list().unwrap()[1];
        assert_eq!((state.waits, state.replayed), (false, Some(0)));
    }

    #[test]
    fn a_torn_line_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = log_in(folder.path());
        fs::write(folder.path().join("dead-letters.jsonl"), "half a sealed li").unwrap();
        file.keep(1, 40071, "broken", b"{");
        let letters = file.list().unwrap();
        assert_eq!((letters.len(), letters[0].letter.reason.as_str()), (1, "broken"));
    }

    #[test]
    fn the_log_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let file = log_in(folder.path());
        let body = vec![b'x'; limits::DEAD_LETTER_BODY_BYTES_MAX];
        for _ in 0..20 {
            file.keep(1, 40071, "large", &body);
        }
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        let line = 3 * body.len() as u64;
        assert!(
            size(file.log.path()) + size(&file.log.old_path())
                < 2 * (limits::DEAD_LETTER_FILE_BYTES_MAX + line)
        );
        assert!((4..20).contains(&file.list().unwrap().len()));
    }
}
