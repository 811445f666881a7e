//! Files of the optimiser: models read, optimised ones written, and what can go wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::Message as _;

use super::onnx::Model;
use crate::description::{FileError, ModelSpec};
use menshen_vision::inference::InferenceError;

/// A model could not be optimised, or its optimised form is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum OptimizeError {
    /// The original is of no use.
    #[error(transparent)]
    File(#[from] FileError),
    /// The original is no ONNX file.
    #[error("{path} is no ONNX file: {reason}")]
    Format {
        /// The original.
        path: PathBuf,
        /// What the decoder found.
        reason: prost::DecodeError,
    },
    /// The graph has a form that cannot be rewritten.
    #[error("{path} cannot be optimised: {reason}")]
    Rewrite {
        /// The original.
        path: PathBuf,
        /// Which form.
        reason: RewriteError,
    },
    /// A form of the model could not be loaded or run.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// The two forms give different answers.
    #[error(
        "output `{output}` differs from the original's: cosine {cosine:.6}, at least {cosine_min} needed"
    )]
    Differs {
        /// Name of the output.
        output: String,
        /// Cosine of the two answers, -1 to 1.
        cosine: f64,
        /// From which on they are equal.
        cosine_min: f64,
    },
    /// There is no calibration for 8-bit integers that may be used.
    #[error("{path}: {reason}; make it with `menshen models optimize NAME --int8 --images DIR`")]
    Calibration {
        /// The calibration.
        path: PathBuf,
        /// What is wrong with it.
        reason: CalibrationError,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// In the system's words.
        reason: io::Error,
    },
    /// What is to be written cannot be said in TOML.
    #[error("cannot write {path}: {reason}")]
    Encode {
        /// The file.
        path: PathBuf,
        /// What cannot be said.
        reason: toml::ser::Error,
    },
}

/// Why a graph cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// There is nothing to rewrite.
    #[error("the file holds no graph")]
    NoGraph,
    /// Nodes inside nodes.
    #[error("the graph has sub-graphs, which may read any value")]
    SubGraphs,
    /// The meaning of its operators is not known.
    #[error("the file names no operator set")]
    NoOperatorSet,
    /// An operator that may have changed its meaning.
    #[error("operator {operator} may mean something else in operator set {set}")]
    Operator {
        /// Its type.
        operator: String,
        /// The operator set the graph would be raised to.
        set: i64,
    },
    /// Operators were different then.
    #[error("its operator set is {found}, at least {needed} is needed")]
    OperatorSet {
        /// That of the graph.
        found: i64,
        /// The first that can be raised.
        needed: i64,
    },
    /// The ranges are those of another graph.
    #[error("{ranges} ranges are known, {layers} layers have such an input")]
    Ranges {
        /// Ranges in the calibration.
        ranges: usize,
        /// Layers with one of these inputs.
        layers: usize,
    },
    /// Nothing that could be rounded.
    #[error("it has no convolution or fully connected layer")]
    NoLayer,
    /// A layer without constant weights.
    #[error("a layer has no weights")]
    NoWeights,
    /// Weights in another format.
    #[error("a layer's weights are not f32")]
    Weights,
    /// Weights without output channels.
    #[error("weight {0} has no channels")]
    NoChannels(String),
}

/// Why a calibration for 8-bit integers may not be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// It cannot be read.
    #[error("{0}")]
    Read(io::Error),
    /// It is no calibration.
    #[error("{0}")]
    Toml(menshen_domain::not_toml::NotToml),
    /// A key is missing or of another kind.
    #[error("{0}")]
    Type(menshen_domain::typed::TypeFault),
    /// It belongs to another model.
    #[error("it was measured on another file")]
    OtherFile,
    /// It costs too much recognition.
    #[error("{0}")]
    Loss(super::int8_loss::Objection),
}

/// The graph of a model whose checksum is right.
pub fn read(model: &ModelSpec) -> Result<Model, OptimizeError> {
    model.verify()?;
    let path = model.path();
    let bytes = std::fs::read(&path)
        .map_err(|error| FileError::Read { path: path.clone(), reason: Arc::new(error) })?;
    Model::decode(bytes.as_slice()).map_err(|reason| OptimizeError::Format { path, reason })
}

/// `target` with an ending of this process, for what is not whole yet.
pub fn part_of(target: &Path, ending: &str) -> PathBuf {
    target.with_extension(format!("{ending}{}.part", std::process::id()))
}

/// Writes a file; it is whole or an error is returned.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), OptimizeError> {
    std::fs::write(path, bytes).map_err(|reason| OptimizeError::Write { path: path.to_path_buf(), reason })
}

/// Gives a whole file its name.
pub fn rename(from: &Path, to: &Path) -> Result<(), OptimizeError> {
    std::fs::rename(from, to).map_err(|reason| OptimizeError::Write { path: to.to_path_buf(), reason })
}
