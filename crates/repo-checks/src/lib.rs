//! Checks on the repository itself: which crate and module may use which, import loops between files,
//! lengths of files and functions, links of the documentation.
//!
//! Each check is a function from source text or manifests to a list of findings; `tests/repository.rs`
//! holds the tables of what is allowed and applies them to the working tree. Nothing here knows any of
//! Menshen's crates: packages are found by reading `Cargo.toml`, files by reading `mod` declarations.

pub mod dependencies;
pub mod lengths;
pub mod links;
pub mod loops;
pub mod modules;
pub mod packages;
pub mod references;
pub mod source;

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a check could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file or folder cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A source file or a manifest is not what it should be.
    #[error("{path}:{line}: {message}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// `git ls-files` failed; without it nobody knows which files belong to the repository.
    #[error("cannot list the repository's files with git: {0}")]
    Git(String),
}

/// Something a check forbids, with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the repository.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Finding {
    /// A finding in `file` at `line`.
    pub fn new(file: impl Into<PathBuf>, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.into(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// The root of the repository this crate is in.
pub fn repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_owned()
}

/// The text of the file at `path`.
///
/// # Errors
/// When the file cannot be read or is not UTF-8.
pub fn read(path: &Path) -> Result<String, CheckError> {
    std::fs::read_to_string(path).map_err(|source| CheckError::Read { path: path.to_owned(), source })
}
