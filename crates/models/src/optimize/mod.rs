//! Model preparation: a foreign ONNX file made fast without changing its answers.
//!
//! The prepared file lies beside the original, with a note of what it was made from, its own checksum and
//! how equal its answers were when it was made. It is used when all of that still holds, and made anew when not.
//! Features stay labelled with the original: the answers are the same.
//!
//! For accelerators there is another form, in 8-bit integers (`int8`), whose answers are nearly the same; it is accepted by what
//! it costs in recognition.

mod equivalence;
mod int8;
mod onnx;
mod prelu;
mod quantize_dense;
mod rewrite;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use prost::Message as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::catalogue::{CatalogueError, ModelSpec};
use crate::inference::{InferenceError, InferenceLoader};

pub use equivalence::{COSINE_MIN, cosine, milliseconds_a_run, verify_accelerated, verify_int8};
pub use int8::{CALIBRATION_FILE, Calibration, Calibrator, Loss, Ranges, Rates, write_int8};
pub use rewrite::Rewrites;

/// Raised with every change to the rewrites, so that files of an older version are made anew.
const VERSION: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error("{path} is no ONNX file: {reason}")]
    Format { path: PathBuf, reason: String },
    #[error("{path} cannot be prepared: {reason}")]
    Rewrite { path: PathBuf, reason: String },
    #[error(transparent)]
    Inference(#[from] InferenceError),
    #[error(
        "output `{output}` differs from the original's: cosine {cosine:.6}, at least {cosine_min} needed"
    )]
    Differs { output: String, cosine: f64, cosine_min: f64 },
    #[error("{path}: {reason}; make it with `menshen models prepare NAME --int8 --images DIR`")]
    Calibration { path: PathBuf, reason: String },
    #[error("cannot write {path}: {reason}")]
    Write { path: PathBuf, reason: String },
}

/// What is noted beside a prepared file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub version: u32,
    pub original_sha256: String,
    pub sha256: String,
    /// Least cosine between an output of the original and of the prepared file, over the proof's pictures.
    pub cosine_least: f64,
}

fn prepared_path(model: &ModelSpec) -> PathBuf {
    model.path().with_extension("prepared.onnx")
}

fn note_path(model: &ModelSpec) -> PathBuf {
    model.path().with_extension("prepared.toml")
}

/// The prepared file, if it is there, whole, and made from this original by this version.
pub fn find(model: &ModelSpec) -> Option<(PathBuf, Note)> {
    let text = std::fs::read_to_string(note_path(model)).ok()?;
    let note: Note = toml::from_str(&text).ok()?;
    if note.version != VERSION || note.original_sha256 != model.sha256 {
        return None;
    }
    let path = prepared_path(model);
    let bytes = std::fs::read(&path).ok()?;
    (hex::encode(Sha256::digest(&bytes)) == note.sha256).then_some((path, note))
}

/// The prepared file, made now if there is none. One at a time: whoever comes second finds what the first made.
pub fn ensure(model: &ModelSpec, loader: &dyn InferenceLoader) -> Result<PathBuf, OptimizeError> {
    static PREPARING: Mutex<()> = Mutex::new(());
    let _alone = PREPARING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((path, _)) = find(model) {
        return Ok(path);
    }
    prepare(model, loader)?;
    Ok(prepared_path(model))
}

/// Prepares a model whose checksum is right, proves the result and writes it.
pub fn prepare(model: &ModelSpec, loader: &dyn InferenceLoader) -> Result<(Note, Rewrites), OptimizeError> {
    let mut graph = read(model)?;
    let rewrites = rewrite::rewrite(&mut graph, model.optimize)
        .map_err(|reason| OptimizeError::Rewrite { path: model.path(), reason })?;
    let prepared = graph.encode_to_vec();
    drop(graph);

    // Proved before it gets its name: a file of that name is a proved one.
    let target = prepared_path(model);
    let part = target.with_extension(format!("{}.part", std::process::id()));
    write(&part, &prepared)?;
    let proved = equivalence::verify_equivalence(model, loader, &part);
    if proved.is_err() {
        // Nothing to be done about a file that cannot be removed; it is never used.
        let _ = std::fs::remove_file(&part);
    }
    let note = Note {
        version: VERSION,
        original_sha256: model.sha256.clone(),
        sha256: hex::encode(Sha256::digest(&prepared)),
        cosine_least: proved?,
    };
    rename(&part, &target)?;
    write_note(model, &note)?;
    Ok((note, rewrites))
}

/// The graph of a model whose checksum is right.
fn read(model: &ModelSpec) -> Result<onnx::Model, OptimizeError> {
    model.verify()?;
    let path = model.path();
    let bytes = std::fs::read(&path)
        .map_err(|error| CatalogueError::Read { path: path.clone(), reason: error.to_string() })?;
    onnx::Model::decode(bytes.as_slice())
        .map_err(|error| OptimizeError::Format { path, reason: error.to_string() })
}

fn write_note(model: &ModelSpec, note: &Note) -> Result<(), OptimizeError> {
    let target = note_path(model);
    let text = toml::to_string(note)
        .map_err(|error| OptimizeError::Write { path: target.clone(), reason: error.to_string() })?;
    let part = target.with_extension(format!("{}.part", std::process::id()));
    write(&part, text.as_bytes())?;
    rename(&part, &target)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), OptimizeError> {
    std::fs::write(path, bytes)
        .map_err(|error| OptimizeError::Write { path: path.to_path_buf(), reason: error.to_string() })
}

fn rename(from: &Path, to: &Path) -> Result<(), OptimizeError> {
    std::fs::rename(from, to)
        .map_err(|error| OptimizeError::Write { path: to.to_path_buf(), reason: error.to_string() })
}
