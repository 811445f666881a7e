//! Optimisation: a foreign ONNX file made fast without changing its answers.
//!
//! The optimised file lies beside the original (`*.prepared.onnx`), with a note (`*.prepared.toml`) of what it was made from, its own
//! checksum and how equal its answers were when it was made. It is used when all of that still holds, and made again when not.
//! Features stay labelled with the original: the answers are the same.
//!
//! For accelerators there is another form, in 8-bit integers (`int8`), whose answers are nearly the same; it is accepted by what
//! it costs in recognition.

mod file;
mod int8;
mod int8_loss;
mod onnx;
mod prelu;
mod quantize_dense;
mod rewrite;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use prost::Message as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use self::file::{part_of, read, rename, write};
use crate::description::ModelSpec;
use crate::equivalence::verify_equivalence;
use menshen_vision::inference::InferenceLoader;

pub use file::{CalibrationError, OptimizeError, RewriteError};
pub use int8::{CALIBRATION_FILE, Calibration, Calibrator, Ranges, write_int8};
pub use int8_loss::{Loss, Objection, Rates};
pub use rewrite::Rewrites;

/// Raised with every change to the rewrites, so that files of an older version are made again.
const VERSION: u32 = 3;

/// What is noted beside an optimised file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Version of the rewrites.
    pub version: u32,
    /// Checksum of the file it was made from, hex.
    pub original_sha256: String,
    /// Its own checksum, hex.
    pub sha256: String,
    /// Least cosine between an output of the original and of the optimised file, over the made pictures.
    pub cosine_least: f64,
}

/// An optimised file that is whole and made from the right original by this version.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizedModel {
    /// The file.
    pub path: PathBuf,
    /// What is noted of it.
    pub note: Note,
}

fn optimized_path(model: &ModelSpec) -> PathBuf {
    model.path().with_extension("prepared.onnx")
}

fn note_path(model: &ModelSpec) -> PathBuf {
    model.path().with_extension("prepared.toml")
}

/// The optimised file, if it is there, whole, and made from this original by this version.
pub fn find(model: &ModelSpec) -> Option<OptimizedModel> {
    let text = std::fs::read_to_string(note_path(model)).ok()?;
    let note: Note = toml::from_str(&text).ok()?;
    if note.version != VERSION || note.original_sha256 != model.sha256 {
        return None;
    }
    let path = optimized_path(model);
    let bytes = std::fs::read(&path).ok()?;
    (hex::encode(Sha256::digest(&bytes)) == note.sha256).then_some(OptimizedModel { path, note })
}

/// The optimised file, made now if there is none. One at a time: who comes second finds what the first made.
///
/// # Errors
/// As [`optimize`].
pub fn ensure(model: &ModelSpec, loader: &dyn InferenceLoader) -> Result<PathBuf, OptimizeError> {
    static OPTIMIZING: Mutex<()> = Mutex::new(());
    let _alone = OPTIMIZING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = find(model) {
        return Ok(found.path);
    }
    optimize(model, loader)?;
    Ok(optimized_path(model))
}

/// Optimises a model whose checksum is right, compares the result with the original and writes it.
///
/// # Errors
/// When the original is missing or another file, its graph cannot be rewritten, the result gives other answers, or it cannot be
/// written.
pub fn optimize(model: &ModelSpec, loader: &dyn InferenceLoader) -> Result<(Note, Rewrites), OptimizeError> {
    let mut graph = read(model)?;
    let rewrites = rewrite::rewrite(&mut graph, model.optimize)
        .map_err(|reason| OptimizeError::Rewrite { path: model.path(), reason })?;
    let optimized = graph.encode_to_vec();
    drop(graph);

    // Compared before it gets its name: a file of that name gives the original's answers.
    let target = optimized_path(model);
    let part = part_of(&target, "");
    write(&part, &optimized)?;
    let compared = verify_equivalence(model, loader, &part);
    if compared.is_err() {
        // Nothing to be done about a file that cannot be removed; it is never used.
        let _ = std::fs::remove_file(&part);
    }
    let note = Note {
        version: VERSION,
        original_sha256: model.sha256.clone(),
        sha256: hex::encode(Sha256::digest(&optimized)),
        cosine_least: compared?,
    };
    rename(&part, &target)?;
    write_note(model, &note)?;
    Ok((note, rewrites))
}

fn write_note(model: &ModelSpec, note: &Note) -> Result<(), OptimizeError> {
    let target = note_path(model);
    let text =
        toml::to_string(note).map_err(|reason| OptimizeError::Encode { path: target.clone(), reason })?;
    let part = part_of(&target, "");
    write(&part, text.as_bytes())?;
    rename(&part, &target)
}
