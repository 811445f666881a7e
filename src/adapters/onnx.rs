//! Running ONNX models with ONNX Runtime, through `ort`.
//!
//! The library is loaded at run time. It is looked for, in this order: `runtime.onnxruntime` of the
//! configuration, the environment variable `ORT_DYLIB_PATH`, `.setup/lib` under the working directory (where
//! `scripts/setup` puts it), `lib` beside the executable, and the system's library path.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use crate::ports::inference::{Inference, InferenceError, InferenceLoader, Tensor};

const LIBRARY: &str = "libonnxruntime.so";

/// Loads models with one shared environment.
pub struct OrtLoader {
    environment: Environment,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "cannot load ONNX Runtime from {path}: {reason}; run scripts/setup, or set runtime.onnxruntime to the library's path"
)]
pub struct LibraryError {
    path: PathBuf,
    reason: String,
}

impl OrtLoader {
    /// `configured` is an empty path when the configuration names none.
    pub fn new(configured: &Path) -> Result<Self, LibraryError> {
        // ONNX Runtime allows one environment a process; whoever comes later shares it.
        static SHARED: Mutex<Option<Environment>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(environment) = shared.as_ref() {
            return Ok(Self { environment: environment.clone() });
        }
        let path = find_library(configured);
        let wrong = |reason: String| LibraryError { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|error| wrong(error.to_string()))?;
        let environment = builder.with_name("menshen").build().map_err(|error| wrong(error.to_string()))?;
        *shared = Some(environment.clone());
        Ok(Self { environment })
    }
}

fn find_library(configured: &Path) -> PathBuf {
    if !configured.as_os_str().is_empty() {
        return configured.to_path_buf();
    }
    let from_environment = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("lib").join(LIBRARY)));
    [from_environment, Some(Path::new(".setup/lib").join(LIBRARY)), beside]
        .into_iter()
        .flatten()
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| PathBuf::from(LIBRARY))
}

impl InferenceLoader for OrtLoader {
    fn load(
        &self,
        path: &Path,
        input: &str,
        outputs: &[String],
        intra_threads: usize,
    ) -> Result<Box<dyn Inference>, InferenceError> {
        let wrong = |reason: String| InferenceError::Load {
            path: path.display().to_string(),
            reason: one_line(&reason),
        };
        let session = Session::builder(&self.environment)
            .map_err(|error| wrong(error.to_string()))?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(|error| wrong(error.to_string()))?
            .with_intra_threads(intra_threads)
            .map_err(|error| wrong(error.to_string()))?
            // Workers wait for frames most of the time; spinning would burn the cores they share.
            .with_intra_op_spinning(false)
            .map_err(|error| wrong(error.to_string()))?
            .commit_from_file(path)
            .map_err(|error| wrong(error.to_string()))?;
        let names = |outlets: &[ort::value::Outlet]| {
            outlets.iter().map(|outlet| outlet.name().to_owned()).collect::<Vec<_>>()
        };
        let (inputs, available) = (names(session.inputs()), names(session.outputs()));
        let port_error = |kind, name: &str, available: &[String]| InferenceError::NoSuchPort {
            kind,
            name: name.to_owned(),
            available: available.join(", "),
        };
        if !inputs.iter().any(|name| name == input) {
            return Err(port_error("input", input, &inputs));
        }
        if let Some(missing) = outputs.iter().find(|name| !available.contains(name)) {
            return Err(port_error("output", missing, &available));
        }
        Ok(Box::new(OrtModel { session, input: input.to_owned(), outputs: outputs.to_vec() }))
    }
}

/// ONNX Runtime likes to spread over several.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct OrtModel {
    session: Session,
    input: String,
    outputs: Vec<String>,
}

impl Inference for OrtModel {
    fn run(&mut self, input: &Tensor) -> Result<Vec<Tensor>, InferenceError> {
        let wrong = |error: ort::Error| InferenceError::Run(one_line(&error.to_string()));
        let view = TensorRef::from_array_view((input.shape.clone(), input.data.as_slice())).map_err(wrong)?;
        let results = self.session.run(ort::inputs![self.input.as_str() => view]).map_err(wrong)?;
        self.outputs
            .iter()
            .map(|name| {
                let value = results
                    .get(name)
                    .ok_or_else(|| InferenceError::Run(format!("the model gave no output `{name}`")))?;
                let (shape, data) = value.try_extract_tensor::<f32>().map_err(wrong)?;
                Ok(Tensor { shape: shape.iter().map(|n| *n as usize).collect(), data: data.to_vec() })
            })
            .collect()
    }
}
