//! Running a neural network.

use std::path::Path;

/// A dense f32 tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    #[error("cannot load model {path}: {reason}")]
    Load { path: String, reason: String },
    #[error("model has no {kind} named `{name}`; it has {available}")]
    NoSuchPort { kind: &'static str, name: String, available: String },
    #[error("inference failed: {0}")]
    Run(String),
}

/// One loaded model with fixed input and output names; owned by one worker thread.
pub trait Inference: Send {
    /// Runs the model on `input` (NCHW, f32) and returns the outputs in the order the names were given
    /// when loading. Implementations must not copy `input` more than they need.
    fn run(&mut self, input: &Tensor) -> Result<Vec<Tensor>, InferenceError>;
}

/// Loads model files.
pub trait InferenceLoader: Send + Sync {
    /// `intra_threads`: threads inside one run; workers already give parallelism, so usually 1.
    fn load(
        &self,
        path: &Path,
        input: &str,
        outputs: &[String],
        intra_threads: usize,
    ) -> Result<Box<dyn Inference>, InferenceError>;
}
