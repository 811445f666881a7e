//! The model catalogue: what `models/*/model.toml` say, checked.
//!
//! Nothing about a particular model is known anywhere else but in its description and its decoder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::attributes::{AgeSpec, GenderSpec};

#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogueError {
    #[error("cannot read {path}: {reason}")]
    Read { path: PathBuf, reason: String },
    #[error("{path}: {reason}")]
    Description { path: PathBuf, reason: String },
    #[error("no model `{name}` in {folder}; there is {available}")]
    NoSuchModel { name: String, folder: PathBuf, available: String },
    #[error("model `{name}` is a {found}, a {expected} is needed")]
    WrongRole { name: String, found: String, expected: &'static str },
    #[error("{path} is missing; fetch it with `menshen models fetch {name}`, or put the file there yourself")]
    FileMissing { name: String, path: PathBuf },
    #[error(
        "{path} has sha256 {found}, its model.toml says {expected}; fetch it again with `menshen models fetch {name}`"
    )]
    Checksum { name: String, path: PathBuf, found: String, expected: String },
}

/// Order of the colour planes a model expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    Rgb,
    Bgr,
}

/// `[input]`: an NCHW f32 tensor; `value = (pixel − mean) × scale`, per plane in the model's order.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub name: String,
    pub width: u32,
    pub height: u32,
    pub colour: ColourOrder,
    pub mean: [f32; 3],
    pub scale: f32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    pub names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSpec {
    /// Faces below this confidence are not returned, 0–1.
    pub score_min: f32,
    /// Of two boxes that overlap by more than this, the weaker is dropped.
    pub nms_iou: f32,
}

/// `[[refinement_passes]]`: a face that is to be embedded is cut out and looked at again, for steadier landmarks (see
/// `vision::refine`).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefinementPass {
    /// Longer side of the face's box in the cut-out, px.
    pub face_px: u32,
    /// Side of the cut-out where the frame is large enough, px.
    pub side_px: u32,
    #[serde(default)]
    pub mirrored: bool,
}

/// `[tilted]`: a face that seems tilted is looked at once in this size, which tells by how much, turned upright by that, and
/// looked at again as `[[refinement_passes]]` say.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiltedSpec {
    /// Tilt from which on a face is turned, degrees, as the closer looks tell it.
    pub from_deg: f32,
    /// Where the detector is less sure than this, a face may be tilted whatever the closer looks tell.
    pub sure_score: f32,
    /// How much of a tilt the closer looks tell.
    pub share_told: f32,
    /// As in [`RefinementPass`].
    pub face_px: u32,
    pub side_px: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderSpec {
    pub dimension: usize,
    /// Raw similarity that maps to the lowest score.
    pub similarity_min: f32,
    /// The model's own calibrated pass mark.
    pub similarity_threshold: f32,
    /// Every face is embedded a second time, mirrored, and the two are averaged: twice the work, fewer errors.
    #[serde(default)]
    pub mirror: bool,
}

/// `[liveness]`: one network of passive liveness, which looks at a face and what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessSpec {
    /// Side of what is cut out, in sides of the face's box.
    pub crop_scale: f32,
    /// Classes of the output, and which of them says that the face is a living one.
    pub classes: usize,
    pub live_class: usize,
}

/// `[population]`: what features of many different people have in common, which says nothing about any one of them. It is
/// taken out of every feature (centring), which sharpens both verification and search (README, Accuracy).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopulationSpec {
    /// Mean of the unit-length features of the population, as `menshen bench calibrate` prints it.
    pub mean: Vec<f32>,
}

/// `[optimize]`: which dimensions of the file's fixed shapes its graph does not depend on (a prepared file
/// has names there instead of numbers, so that one model takes inputs of any such size), and what may be narrowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizeSpec {
    pub free_batch: bool,
    /// Width and height; `[input]` then gives the largest.
    pub free_size: bool,
    /// Weights of large fully connected layers in 8 bits: a quarter of the memory to go through for every face.
    pub quantize_dense: bool,
}

/// Where the file comes from; read by `scripts/fetch`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    pub kind: String,
    pub package: String,
    pub file: String,
    pub sha256: String,
    pub member: String,
    /// For a file that is converted on the way: by what, and the checksum of what it is made from.
    pub convert: Option<String>,
    pub member_sha256: Option<String>,
    /// Only tests use it; not fetched for a box.
    #[serde(default)]
    pub tests_only: bool,
    /// Of use only where somebody asks for it; fetched with `menshen models fetch`, not by set-up.
    #[serde(default)]
    pub on_demand: bool,
}

/// One `model.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    pub name: String,
    pub role: String,
    pub decoder: String,
    pub file: String,
    pub sha256: String,
    pub licence: String,
    pub input: InputSpec,
    pub outputs: OutputSpec,
    pub detector: Option<DetectorSpec>,
    #[serde(default)]
    pub refinement_passes: Vec<RefinementPass>,
    pub tilted: Option<TiltedSpec>,
    pub embedder: Option<EmbedderSpec>,
    pub liveness: Option<LivenessSpec>,
    pub age: Option<AgeSpec>,
    pub gender: Option<GenderSpec>,
    pub population: Option<PopulationSpec>,
    #[serde(default)]
    pub optimize: OptimizeSpec,
    pub source: Option<SourceSpec>,
    /// Folder of the description; not in the file.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl ModelSpec {
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.file)
    }

    /// `name@first-12-hex-digits` of the file, and for centred features `-` and six more of the mean: what features are
    /// labelled with. Features with different labels cannot be compared.
    pub fn id(&self) -> String {
        let file = format!("{}@{}", self.name, &self.sha256[..12]);
        let Some(population) = &self.population else { return file };
        let bytes: Vec<u8> = population.mean.iter().flat_map(|value| value.to_le_bytes()).collect();
        format!("{file}-{}", &hex::encode(Sha256::digest(bytes))[..6])
    }

    /// Reads the whole model file and compares its checksum.
    pub fn verify(&self) -> Result<(), CatalogueError> {
        let path = self.path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CatalogueError::FileMissing { name: self.name.clone(), path });
            }
            Err(error) => return Err(CatalogueError::Read { path, reason: error.to_string() }),
        };
        let found = hex::encode(Sha256::digest(&bytes));
        if found == self.sha256 {
            return Ok(());
        }
        Err(CatalogueError::Checksum { name: self.name.clone(), path, found, expected: self.sha256.clone() })
    }

    fn check(&self) -> Result<(), String> {
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("sha256 must be 64 hex digits".to_owned());
        }
        if self.file.contains(['/', '\\']) {
            return Err("file must be a plain file name in the model's folder".to_owned());
        }
        if !(16..=4096).contains(&self.input.width) || !(16..=4096).contains(&self.input.height) {
            return Err("input.width and input.height must be 16 to 4096".to_owned());
        }
        let is_sound =
            |look: &RefinementPass| look.face_px >= 16 && (look.face_px..=1024).contains(&look.side_px);
        if !self.refinement_passes.iter().all(is_sound) {
            return Err("refinement_passes: face_px must be at least 16, side_px face_px to 1024".to_owned());
        }
        if let Some(TiltedSpec { from_deg, sure_score, share_told, face_px, side_px }) = self.tilted {
            if self.refinement_passes.is_empty() {
                return Err("tilted: needs refinement_passes".to_owned());
            }
            let is_sound = is_sound(&RefinementPass { face_px, side_px, mirrored: false });
            let are_shares = [sure_score, share_told].iter().all(|share| (0.1..=1.0).contains(share));
            if !is_sound || !(0.5..90.0).contains(&from_deg) || !are_shares {
                return Err("tilted: from_deg must be 0.5 to 90, sure_score and share_told 0.1 to 1, face_px at least 16, side_px face_px to 1024"
                    .to_owned());
            }
        }
        match self.role.as_str() {
            "detector" if self.detector.is_none() => Err("a detector needs a [detector] section".to_owned()),
            "embedder" => match &self.embedder {
                None => Err("an embedder needs an [embedder] section".to_owned()),
                Some(spec) if spec.similarity_min >= spec.similarity_threshold => {
                    Err("embedder.similarity_min must be below similarity_threshold".to_owned())
                }
                Some(spec) if !(-1.0..1.0).contains(&spec.similarity_threshold) => {
                    Err("embedder.similarity_threshold must be between -1 and 1".to_owned())
                }
                Some(spec) => self.population.as_ref().map_or(Ok(()), |population| population.check(*spec)),
            },
            "liveness" => match self.liveness {
                None => Err("a liveness model needs a [liveness] section".to_owned()),
                Some(spec) if !(1.0..=8.0).contains(&spec.crop_scale) => {
                    Err("liveness.crop_scale must be 1 to 8".to_owned())
                }
                Some(spec) if spec.live_class >= spec.classes => {
                    Err("liveness.live_class must be one of the classes, counted from 0".to_owned())
                }
                Some(_) => Ok(()),
            },
            "age" => AgeSpec::of(self).map(drop),
            "gender" => GenderSpec::of(self).map(drop),
            "detector" => Ok(()),
            other => {
                Err(format!("role `{other}` is unknown; there is detector, embedder, liveness, age, gender"))
            }
        }
    }
}

impl PopulationSpec {
    fn check(&self, embedder: EmbedderSpec) -> Result<(), String> {
        if self.mean.len() != embedder.dimension {
            return Err(format!(
                "population.mean must have {} values, it has {}",
                embedder.dimension,
                self.mean.len()
            ));
        }
        let length = self.mean.iter().map(|value| value * value).sum::<f32>().sqrt();
        // Also what is no number: the mean of vectors of length 1 is shorter.
        if length < 1.0 { Ok(()) } else { Err("population.mean must be shorter than 1".to_owned()) }
    }
}

/// All described models. A description that is wrong is out of the game for itself: it must not keep a box from starting
/// with another model.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    folder: PathBuf,
    models: BTreeMap<String, ModelSpec>,
    /// By folder name, which is the model's name where somebody did not mean to confuse.
    broken: BTreeMap<String, CatalogueError>,
}

impl Catalogue {
    /// Reads every description.
    pub fn read(folder: &Path) -> Result<Self, CatalogueError> {
        let unreadable = |error: std::io::Error| CatalogueError::Read {
            path: folder.to_path_buf(),
            reason: error.to_string(),
        };
        let mut catalogue = Self { folder: folder.to_path_buf(), ..Self::default() };
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let description = entry.path().join("model.toml");
            if !description.is_file() {
                continue;
            }
            match read_description(&description) {
                Ok(model) => {
                    catalogue.models.insert(model.name.clone(), model);
                }
                Err(error) => {
                    catalogue.broken.insert(entry.file_name().to_string_lossy().into_owned(), error);
                }
            }
        }
        Ok(catalogue)
    }

    /// Descriptions that cannot be used, and why.
    pub fn broken(&self) -> impl Iterator<Item = &CatalogueError> {
        self.broken.values()
    }

    pub fn broken_named(&self, name: &str) -> Option<&CatalogueError> {
        self.broken.get(name)
    }

    pub fn models(&self) -> impl Iterator<Item = &ModelSpec> {
        self.models.values()
    }

    pub fn find(&self, name: &str, role: &'static str) -> Result<&ModelSpec, CatalogueError> {
        let unknown = || CatalogueError::NoSuchModel {
            name: name.to_owned(),
            folder: self.folder.clone(),
            available: self.models.keys().cloned().collect::<Vec<_>>().join(", "),
        };
        let missing = || self.broken.get(name).cloned().unwrap_or_else(unknown);
        let model = self.models.get(name).ok_or_else(missing)?;
        if model.role == role {
            return Ok(model);
        }
        Err(CatalogueError::WrongRole { name: name.to_owned(), found: model.role.clone(), expected: role })
    }
}

fn read_description(path: &Path) -> Result<ModelSpec, CatalogueError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CatalogueError::Read { path: path.to_path_buf(), reason: error.to_string() })?;
    let wrong = |reason: String| CatalogueError::Description { path: path.to_path_buf(), reason };
    let mut model: ModelSpec = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    model.folder = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    model.check().map_err(wrong)?;
    Ok(model)
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
    fn every_broken_description_is_told() {
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
            detector.replace("share_told = 0.33", "share_told = 0.0"),
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
        for expected in ["oracle", "license", "dimension", "127 values", "tilted: from_deg", "share_told"] {
            assert!(all.contains(expected), "{all}");
        }
    }

    #[test]
    fn a_damaged_model_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = read_description(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../models/sface/model.toml"
        )))
        .unwrap();
        model.folder = folder.path().to_path_buf();
        assert!(matches!(model.verify(), Err(CatalogueError::FileMissing { .. })));
        std::fs::write(model.path(), b"rubbish").unwrap();
        assert!(matches!(model.verify(), Err(CatalogueError::Checksum { .. })));
    }
}
