//! Running ONNX models with ONNX Runtime, through `ort`.
//!
//! The library is loaded at run time. It is searched for in this order: `runtime.onnxruntime` of the
//! configuration, the environment variable `ORT_DYLIB_PATH`, `.setup/lib` under the working directory (where
//! `scripts/setup` puts it), `lib` beside the executable, and the system's library path. With OpenVINO the build that has
//! it is searched for first, in `.setup/openvino` (`scripts/setup --openvino`) and `openvino` beside the executable.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep::{ArbitrarilyConfigurableExecutionProvider as _, OpenVINO};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;

use menshen_domain::models::Provider;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_vision::inference::{Inference, InferenceError, InferenceLoader, Placement, Tensor};

const LIBRARY: &str = "libonnxruntime.so";

/// Loads models with one shared environment.
pub struct OrtLoader {
    environment: Environment,
    provider: Provider,
}

#[derive(Debug)]
pub struct LibraryError {
    path: PathBuf,
    reason: String,
}

impl std::fmt::Display for LibraryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, reason) = (self.path.display(), &self.reason);
        f.write_str(&tr!(
            spoken(),
            "cannot load ONNX Runtime from {path}: {reason}; run scripts/setup, or set runtime.onnxruntime to the library's path",
            "无法从 {path} 加载 ONNX Runtime：{reason}；请运行 scripts/setup，或将 runtime.onnxruntime 设为该库的路径"
        ))
    }
}

impl std::error::Error for LibraryError {}

impl OrtLoader {
    /// `configured` is an empty path when the configuration names none.
    pub fn new(configured: &Path, provider: &Provider) -> Result<Self, LibraryError> {
        // ONNX Runtime allows one environment a process; later loaders share it.
        static SHARED: Mutex<Option<Environment>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(environment) = shared.as_ref() {
            return Ok(Self { environment: environment.clone(), provider: provider.clone() });
        }
        let path = find_library(configured, provider);
        let wrong = |reason: String| LibraryError { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|error| wrong(error.to_string()))?;
        let environment = builder.with_name("menshen").build().map_err(|error| wrong(error.to_string()))?;
        *shared = Some(environment.clone());
        Ok(Self { environment, provider: provider.clone() })
    }
}

fn find_library(configured: &Path, provider: &Provider) -> PathBuf {
    if !configured.as_os_str().is_empty() {
        return configured.to_path_buf();
    }
    let from_environment = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let exe = std::env::current_exe().ok();
    let beside = |folder: &str| Some(exe.as_deref()?.parent()?.join(folder).join(LIBRARY));
    let set_up = |folder: &str| Some(Path::new(".setup").join(folder).join(LIBRARY));
    let with_openvino = match provider {
        Provider::Cpu => [None, None],
        Provider::OpenVino { .. } => [set_up("openvino"), beside("openvino")],
    };
    [from_environment]
        .into_iter()
        .chain(with_openvino)
        .chain([set_up("lib"), beside("lib")])
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
        place: Placement,
    ) -> Result<Box<dyn Inference>, InferenceError> {
        let wrong = |reason: String| InferenceError::Load {
            path: path.display().to_string(),
            reason: one_line(&reason),
        };
        let mut builder = Session::builder(&self.environment)
            .map_err(|error| wrong(error.to_string()))?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(|error| wrong(error.to_string()))?
            .with_intra_threads(1)
            .map_err(|error| wrong(error.to_string()))?
            // Workers wait for frames most of the time; spinning would burn the cores they share.
            .with_intra_op_spinning(false)
            .map_err(|error| wrong(error.to_string()))?;
        if place == Placement::Accelerator {
            let Provider::OpenVino { device } = &self.provider else {
                return Err(wrong("no accelerator is configured".to_owned()));
            };
            builder = builder
                .with_execution_providers([openvino(device).build().error_on_failure()])
                .map_err(|error| wrong(error.to_string()))?;
        }
        let session = builder.commit_from_file(path).map_err(|error| wrong(error.to_string()))?;
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

    fn accelerator(&self) -> Option<String> {
        match &self.provider {
            Provider::Cpu => None,
            Provider::OpenVino { device } => Some(format!("openvino:{device}")),
        }
    }
}

/// One thread a session, as elsewhere, free to run where the system likes; on processors with matrix units in bfloat16.
fn openvino(device: &str) -> OpenVINO {
    let provider = OpenVINO::default().with_device_type(device);
    if device != "CPU" {
        return provider;
    }
    let settings = serde_json::json!({ "CPU": {
        "INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1", "ENABLE_CPU_PINNING": "NO",
    }});
    provider.with_arbitrary_config("load_config", settings.to_string())
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
