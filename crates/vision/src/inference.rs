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

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The library's own kernels: exact to f32, and always there.
    Cpu,
    /// What [`InferenceLoader::accelerator`] names. A load fails where it is not there; nothing falls back silently.
    Accelerator,
}

/// Loads model files. One thread a run: workers already give parallelism.
pub trait InferenceLoader: Send + Sync {
    fn load(
        &self,
        path: &Path,
        input: &str,
        outputs: &[String],
        place: Placement,
    ) -> Result<Box<dyn Inference>, InferenceError>;

    /// The configured accelerator, for logs; `None`: everything runs on the CPU.
    fn accelerator(&self) -> Option<String> {
        None
    }
}
