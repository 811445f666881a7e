//! The model catalogue: what `models/*/model.toml` say, checked.
//!
//! Nothing about a particular model is known anywhere else but in its description and its decoder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use menshen_domain::text::spoken;
use menshen_domain::tr;

use crate::description::{DESCRIPTION_FILE, FileError, ModelSpec, RenamedKey};

/// Why a model cannot be had.
#[derive(Debug, Clone)]
pub enum CatalogueError {
    /// A file or description is of no use.
    File(FileError),
    /// Nothing of that name is described.
    NoSuchModel {
        /// The name that was asked for.
        name: String,
        /// Folder of the catalogue.
        folder: PathBuf,
        /// The names there are, separated by commas.
        available: String,
    },
    /// The model is for something else.
    WrongRole {
        /// The model.
        name: String,
        /// Its role.
        found: String,
        /// The role that is needed.
        expected: &'static str,
    },
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::NoSuchModel { name, folder, available } => {
                let folder = folder.display();
                f.write_str(&tr!(
                    spoken(),
                    "no model `{name}` in {folder}; there is {available}",
                    "{folder} 中没有模型 `{name}`；可用的有 {available}"
                ))
            }
            Self::WrongRole { name, found, expected } => f.write_str(&tr!(
                spoken(),
                "model `{name}` is of role {found}; one of role {expected} is needed",
                "模型 `{name}` 的用途是 {found}，此处需要 {expected}"
            )),
        }
    }
}

impl std::error::Error for CatalogueError {}

impl From<FileError> for CatalogueError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// All described models. A description that is wrong concerns that model only: it must not keep a box from starting
/// with another one.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    folder: PathBuf,
    models: BTreeMap<String, ModelSpec>,
    /// By folder name, which is as a rule the model's name.
    broken: BTreeMap<String, FileError>,
    renamed: Vec<RenamedKey>,
}

impl Catalogue {
    /// Reads every description below `folder`.
    ///
    /// # Errors
    /// When the folder cannot be read. What is wrong with one description is kept for [`broken`](Self::broken).
    pub fn read(folder: &Path) -> Result<Self, CatalogueError> {
        let unreadable =
            |error: std::io::Error| FileError::Read { path: folder.to_path_buf(), reason: Arc::new(error) };
        let mut catalogue = Self { folder: folder.to_path_buf(), ..Self::default() };
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let description = entry.path().join(DESCRIPTION_FILE);
            if !description.is_file() {
                continue;
            }
            match ModelSpec::read(&description) {
                Ok((model, renamed)) => {
                    catalogue.models.insert(model.name.clone(), model);
                    catalogue.renamed.extend(renamed);
                }
                Err(error) => {
                    catalogue.broken.insert(entry.file_name().to_string_lossy().into_owned(), error);
                }
            }
        }
        catalogue.renamed.sort_by(|a, b| (&a.path, a.old).cmp(&(&b.path, b.old)));
        Ok(catalogue)
    }

    /// Folder of the models.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Descriptions that cannot be used, and why.
    pub fn broken(&self) -> impl Iterator<Item = &FileError> {
        self.broken.values()
    }

    /// Why the description in the folder of this name cannot be used; `None` where it can, or is not there.
    pub fn broken_named(&self, name: &str) -> Option<&FileError> {
        self.broken.get(name)
    }

    /// Keys that have an old spelling in some description; the old spellings are read for one release more.
    pub fn renamed(&self) -> &[RenamedKey] {
        &self.renamed
    }

    /// Descriptions that can be used, by name.
    pub fn models(&self) -> impl Iterator<Item = &ModelSpec> {
        self.models.values()
    }

    /// The model of this name, which must have this role.
    ///
    /// # Errors
    /// When there is none, its description is wrong, or it has another role.
    pub fn find(&self, name: &str, role: &'static str) -> Result<&ModelSpec, CatalogueError> {
        let unknown = || CatalogueError::NoSuchModel {
            name: name.to_owned(),
            folder: self.folder.clone(),
            available: self.models.keys().cloned().collect::<Vec<_>>().join(", "),
        };
        let missing = || self.broken.get(name).cloned().map_or_else(unknown, CatalogueError::File);
        let model = self.models.get(name).ok_or_else(missing)?;
        if model.role == role {
            return Ok(model);
        }
        Err(CatalogueError::WrongRole { name: name.to_owned(), found: model.role.clone(), expected: role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_descriptions_are_right() {
        let catalogue =
            Catalogue::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models"))).unwrap();
        assert!(catalogue.find("yunet", "detector").is_ok());
        assert_eq!(catalogue.find("sface", "embedder").unwrap().id(), "sface@0ba9fbfa01b5-413559");
        assert!(matches!(catalogue.find("sface", "detector"), Err(CatalogueError::WrongRole { .. })));
        let missing = catalogue.find("facenet", "embedder").unwrap_err();
        assert!(
            missing
                .to_string()
                .contains("age-v1, fr_feature, gender-v1, minifasnet-v1se, minifasnet-v2, sface, yunet"),
            "{missing}"
        );
    }

    #[test]
    fn every_broken_description_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let good =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sface/model.toml"))
                .unwrap();
        let detector =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/yunet/model.toml"))
                .unwrap();
        let bad = [
            good.replace("role = \"embedder\"", "role = \"oracle\""),
            good.replace("licence", "license"),
            good.replace("dimension = 128", "dimension = -1"),
            good.replace("dimension = 128", "dimension = 127"),
            detector.replace("from_deg = 3.0", "from_deg = 200.0"),
            detector.replace("reported_share = 0.33", "reported_share = 0.0"),
            detector.replace("[[refinement_passes]]", "[[looks]]"),
        ];
        for (i, text) in bad.iter().enumerate() {
            let model = folder.path().join(format!("m{i}"));
            std::fs::create_dir(&model).unwrap();
            std::fs::write(model.join("model.toml"), text).unwrap();
        }
        let fine = folder.path().join("sface");
        std::fs::create_dir(&fine).unwrap();
        std::fs::write(fine.join("model.toml"), &good).unwrap();
        let catalogue = Catalogue::read(folder.path()).unwrap();
        assert_eq!(catalogue.broken().count(), bad.len());
        assert!(catalogue.find("sface", "embedder").is_ok(), "the others are of use");
        assert!(catalogue.find("m0", "embedder").unwrap_err().to_string().contains("oracle"));
        let all = catalogue.broken().map(ToString::to_string).collect::<String>();
        for expected in ["oracle", "license", "dimension", "127 values", "tilted: from_deg", "reported_share"]
        {
            assert!(all.contains(expected), "{all}");
        }
    }
}
