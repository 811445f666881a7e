//! Running a neural network: what the chain asks of the library that does it.

use std::path::Path;

use crate::spec::InputSpec;
pub use crate::tensor::Tensor;

/// A network could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The file is not there, is no model, or the accelerator does not take it.
    #[error("cannot load model {path}: {reason}")]
    Load {
        /// The file.
        path: String,
        /// In the words of the library.
        reason: String,
    },
    /// The graph has no input or output of the name the description gives.
    #[error("model has no {kind} named `{name}`; it has {available}")]
    NoSuchPort {
        /// `input` or `output`.
        kind: &'static str,
        /// The name that was asked for.
        name: String,
        /// Those there are, separated by commas.
        available: String,
    },
    /// It was loaded and does not run, for example because its input has another shape.
    #[error("inference failed: {0}")]
    Run(String),
}

/// One loaded model with fixed input and output names; owned by one worker thread.
pub trait Inference: Send {
    /// Runs the model on `input` (NCHW, f32) and returns the outputs in the order the names were given
    /// when loading. Implementations must not copy `input` more than they need.
    ///
    /// # Errors
    /// [`InferenceError::Run`] with the library's words.
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
    /// Loads the file at `path` with the named input and outputs.
    ///
    /// # Errors
    /// When the file cannot be read or is no model, has no such input or output, or `place` is not there.
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

/// A loaded model with its name and the input it takes.
pub struct Network {
    /// Name in the catalogue, for messages.
    pub name: String,
    /// Size, colour order and normalisation of its input.
    pub input: InputSpec,
    /// The model itself.
    pub inference: Box<dyn Inference>,
}
