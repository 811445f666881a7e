//! Tokens of the local API: `tokens.json` in the data folder, which holds their hashes only.
//!
//! The command line changes the file while the box runs; the box looks whether it changed at every call.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::{give_to_owner, write_flushed, write_synced};
use crate::ports::tokens::KnownTokens;
use menshen_domain::access::{BadName, Role, check_name};

/// How a token begins, so that people and tools see what it is.
const PREFIX: &str = "menshen-";
/// Random bytes of a token.
const RANDOM_BYTES: usize = 32;
/// Tokens of a box: one a device and some for people and tools.
const TOKENS_MAX: usize = 1_000;

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub name: String,
    #[serde(flatten)]
    pub role: Role,
    /// SHA-256 of the text. The text is random, so that nobody finds it by trying.
    sha256: String,
    pub created_ms: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Tokens {
    tokens: Vec<Token>,
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("cannot use {path}: {reason}")]
    Io { path: String, reason: io::Error },
    #[error("{path} is damaged ({reason}); delete it and make the tokens anew")]
    Damaged { path: String, reason: serde_json::Error },
    #[error(transparent)]
    Name(#[from] BadName),
    #[error("there is a token `{0}` already; revoke it first, or choose another name")]
    Taken(String),
    #[error("there is no token `{0}`; `menshen token list` names them")]
    Unknown(String),
    #[error("{TOKENS_MAX} tokens are all that a box keeps; revoke some")]
    TooMany,
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// A fresh token's text, and its hash.
fn fresh() -> Result<(String, String), TokenError> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| TokenError::NoRandom)?;
    let text = PREFIX.to_owned() + &base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let hash = hash_of(&text);
    Ok((text, hash))
}

/// The form in which tokens are kept and compared, so that the time taken says nothing about them.
pub fn hash_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The file, as the command line works with it.
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("tokens.json") }
    }

    fn io(&self, reason: io::Error) -> TokenError {
        TokenError::Io { path: self.path.display().to_string(), reason }
    }

    /// All tokens, in the order in which they were made.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self) -> Result<Vec<Token>, TokenError> {
        match fs::read(&self.path) {
            Ok(bytes) => match serde_json::from_slice::<Tokens>(&bytes) {
                Ok(tokens) => Ok(tokens.tokens),
                Err(reason) => Err(TokenError::Damaged { path: self.path.display().to_string(), reason }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(self.io(error)),
        }
    }

    /// Makes a token and returns its text, which is kept nowhere.
    ///
    /// # Errors
    /// When the name is taken or none, or the file cannot be written.
    pub fn add(&self, name: &str, role: Role, created_ms: u64) -> Result<String, TokenError> {
        check_name(name)?;
        let (text, sha256) = fresh()?;
        self.change(|tokens| {
            if tokens.iter().any(|token| token.name == name) {
                return Err(TokenError::Taken(name.to_owned()));
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(TokenError::TooMany);
            }
            tokens.push(Token { name: name.to_owned(), role, sha256, created_ms });
            Ok(())
        })?;
        Ok(text)
    }

    /// # Errors
    /// When there is no such token, or the file cannot be written.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|token| token.name != name);
            if tokens.len() < before { Ok(()) } else { Err(TokenError::Unknown(name.to_owned())) }
        })
    }

    /// One change at a time, whoever makes it.
    fn change(&self, work: impl FnOnce(&mut Vec<Token>) -> Result<(), TokenError>) -> Result<(), TokenError> {
        let lock = self.path.with_extension("json.lock");
        let lock: File = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock)
            .map_err(|error| self.io(error))?;
        give_to_owner(&lock, &self.path).map_err(|error| self.io(error))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| self.io(error.into()))?;
        let mut tokens = self.list()?;
        work(&mut tokens)?;
        let text = serde_json::to_vec_pretty(&Tokens { tokens }).unwrap_or_default();
        write_flushed(&self.path.with_extension("json.part"), &self.path, &text)
            .map_err(|error| self.io(error))
    }
}

/// Which file it was: another one takes its place at every change.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Stamp {
    inode: u64,
    changed_ns: (i64, i64),
    size: u64,
}

enum Seen {
    /// There is no file: no token was ever made.
    None,
    Tokens(Arc<Vec<Token>>),
    /// Nobody knows which tokens there are; none is taken.
    Unreadable,
}

/// The tokens as the running box sees them.
pub struct TokenBook {
    file: TokenFile,
    seen: Mutex<(Option<Stamp>, Seen)>,
}

impl TokenBook {
    pub fn new(data_dir: &Path) -> Self {
        Self { file: TokenFile::new(data_dir), seen: Mutex::new((None, Seen::None)) }
    }

    fn token(&self, text: &str) -> Option<Token> {
        let hash = hash_of(text);
        match &self.now().1 {
            Seen::Tokens(tokens) => tokens.iter().find(|token| token.sha256 == hash).cloned(),
            Seen::None | Seen::Unreadable => None,
        }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, (Option<Stamp>, Seen)> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = match fs::metadata(&self.file.path) {
            Ok(facts) => Some(Stamp {
                inode: facts.ino(),
                changed_ns: (facts.ctime(), facts.ctime_nsec()),
                size: facts.size(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                if !matches!(seen.1, Seen::Unreadable) {
                    tracing::error!(%error, "the tokens cannot be looked at; none is taken");
                }
                *seen = (None, Seen::Unreadable);
                return seen;
            }
        };
        if stamp == seen.0 && (stamp.is_some() || matches!(seen.1, Seen::None)) {
            return seen;
        }
        let tokens = match (stamp, self.file.list()) {
            (None, _) => Seen::None,
            (Some(_), Ok(tokens)) => {
                tracing::info!(tokens = tokens.len(), "the tokens of the local API were read");
                Seen::Tokens(Arc::new(tokens))
            }
            (Some(_), Err(error)) => {
                tracing::error!(%error, "the tokens cannot be read; none is taken");
                Seen::Unreadable
            }
        };
        *seen = (stamp, tokens);
        seen
    }
}

impl KnownTokens for TokenBook {
    fn find(&self, text: &str) -> Option<(String, Role)> {
        self.token(text).map(|token| (token.name, token.role))
    }

    /// Also where nobody knows which there are.
    fn is_any(&self) -> bool {
        match &self.now().1 {
            Seen::Tokens(tokens) => !tokens.is_empty(),
            Seen::None => false,
            Seen::Unreadable => true,
        }
    }
}

/// The command line's own token, new at every start of the box: whoever may read the file may change the data folder anyway.
pub struct CommandLineToken {
    path: PathBuf,
}

impl CommandLineToken {
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join("cli-token") }
    }

    /// Makes a new one and returns its hash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn renew(&self) -> Result<String, TokenError> {
        let (text, hash) = fresh()?;
        let io = |reason| TokenError::Io { path: self.path.display().to_string(), reason };
        // A file from somewhere else might belong to others.
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        write_synced(&self.path, text.as_bytes()).map_err(io)?;
        Ok(hash)
    }

    /// The one of the running box, for who may read it.
    pub fn read(&self) -> Option<String> {
        fs::read_to_string(&self.path).ok().filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn gate() -> Role {
        Role::Device { device: "10.0.0.5".into() }
    }

    #[test]
    fn tokens_are_made_found_and_revoked_while_the_box_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (file, book) = (TokenFile::new(folder.path()), TokenBook::new(folder.path()));
        assert!(!book.is_any() && book.find("").is_none());
        let admin = file.add("ops", Role::Admin, 1).unwrap();
        let device = file.add("gate", gate(), 2).unwrap();
        assert!(admin.starts_with("menshen-") && admin.len() == 51 && admin != device);
        assert_eq!(book.find(&admin).unwrap().1, Role::Admin);
        assert_eq!(book.find(&device).unwrap().1, gate());
        assert!(book.is_any() && book.find(&admin[..50]).is_none() && book.find("").is_none());
        assert!(matches!(file.add("ops", Role::Admin, 3), Err(TokenError::Taken(_))));
        assert!(matches!(file.add("o p s", Role::Admin, 3), Err(TokenError::Name(_))));
        file.revoke("ops").unwrap();
        assert!(book.find(&admin).is_none() && book.find(&device).is_some());
        assert!(matches!(file.revoke("ops"), Err(TokenError::Unknown(_))));
        let kept = fs::read_to_string(folder.path().join("tokens.json")).unwrap();
        assert!(!kept.contains(&device) && kept.contains("10.0.0.5"), "{kept}");
        let mode = fs::metadata(folder.path().join("tokens.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_opens_nothing_and_nothing_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let (file, book) = (TokenFile::new(folder.path()), TokenBook::new(folder.path()));
        let admin = file.add("ops", Role::Admin, 1).unwrap();
        assert!(book.find(&admin).is_some());
        let path = folder.path().join("tokens.json");
        let whole = fs::read(&path).unwrap();
        for broken in [
            &b"{"[..],
            b"",
            b"{\"tokens\":[{\"name\":\"x\",\"role\":\"king\",\"sha256\":\"\",\"created_ms\":1}]}",
        ] {
            fs::write(&path, broken).unwrap();
            assert!(book.find(&admin).is_none() && book.is_any());
            assert!(file.list().unwrap_err().to_string().contains("tokens.json"));
        }
        fs::write(&path, whole).unwrap();
        assert!(book.find(&admin).is_some());
    }

    #[test]
    fn the_command_line_has_a_token_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let own = CommandLineToken::new(folder.path());
        assert_eq!(own.read(), None);
        let first = own.renew().unwrap();
        assert_eq!(hash_of(&own.read().unwrap()), first);
        assert_ne!(own.renew().unwrap(), first, "another one at each start");
    }
}
