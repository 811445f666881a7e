//! Why a model's file, or its description, is of no use.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use menshen_domain::not_toml::NotToml;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_domain::typed::TypeFault;
use menshen_vision::spec::SpecError;

/// Why a model's file, or its description, is of no use.
#[derive(Debug, Clone)]
pub enum FileError {
    /// It cannot be read.
    Read {
        /// The file or folder.
        path: PathBuf,
        /// In the system's words.
        reason: Arc<std::io::Error>,
    },
    /// The description makes no sense.
    Description {
        /// The description.
        path: PathBuf,
        /// What is wrong with it.
        reason: DescriptionError,
    },
    /// The model was not fetched.
    Missing {
        /// Name of the model.
        name: String,
        /// Where its file belongs.
        path: PathBuf,
    },
    /// The model's file is another one than its description is of.
    Checksum {
        /// Name of the model.
        name: String,
        /// The file.
        path: PathBuf,
        /// Its checksum, hex.
        found: String,
        /// The one the description names.
        expected: String,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Read { path, reason } => {
                let path = path.display();
                tr!(spoken(), "cannot read {path}: {reason}", "无法读取 {path}：{reason}")
            }
            Self::Description { path, reason } => format!("{}: {reason}", path.display()),
            Self::Missing { name, path } => {
                let path = path.display();
                tr!(
                    spoken(),
                    "{path} is missing; fetch it with `menshen models fetch {name}`, or put the file there yourself",
                    "缺少 {path}；请用 menshen models fetch {name} 下载，或自行放入该文件"
                )
            }
            Self::Checksum { name, path, found, expected } => {
                let path = path.display();
                tr!(
                    spoken(),
                    "{path} has sha256 {found}, its model.toml says {expected}; fetch it again with `menshen models fetch {name}`",
                    "{path} 的 sha256 为 {found}，model.toml 中为 {expected}；请用 menshen models fetch {name} 重新下载"
                )
            }
        };
        f.write_str(&text)
    }
}

impl std::error::Error for FileError {}

/// Why a description is of no use.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DescriptionError {
    /// It is no TOML.
    #[error("{0}")]
    Toml(NotToml),
    /// A key is missing, unknown or of another kind.
    #[error("{0}")]
    Type(TypeFault),
    /// The model does not fit its decoder.
    #[error("{0}")]
    Spec(SpecError),
    /// Values break a rule.
    #[error("{0}")]
    Rule(&'static str),
    /// The population's mean has another length than a feature.
    #[error("population.mean must have {expected} values, it has {found}")]
    Population {
        /// Values of a feature.
        expected: usize,
        /// Values of the mean.
        found: usize,
    },
    /// There is nothing a model of this role is for.
    #[error("role `{0}` is unknown; there is detector, embedder, liveness, age, gender")]
    Role(String),
    /// A key is given in its old and its new spelling.
    #[error("`{old}` is the old spelling of `{new}`, which is given as well; remove the old one")]
    BothSpellings {
        /// The old spelling.
        old: &'static str,
        /// The new one.
        new: &'static str,
    },
}
