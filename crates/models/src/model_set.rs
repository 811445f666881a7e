//! The models a box works with: which files they are run from, and loading them for a thread.

use std::path::PathBuf;

use crate::catalogue::Catalogue;
use crate::description::{FileError, ModelSpec};
use crate::equivalence::{verify_accelerated, verify_int8};
use crate::error::ModelError;
use crate::network::load_network;
use crate::optimize::{self, Calibration, OptimizeError, write_int8};
use menshen_domain::models::Precision;
use menshen_domain::score::Scale;
use menshen_domain::text::spoken;
use menshen_domain::tr;
use menshen_vision::analyzer::Detector;
use menshen_vision::embedder::{self, Embedder};
use menshen_vision::inference::{InferenceError, InferenceLoader, Network, Placement, Tensor};
use menshen_vision::letterbox::Letterbox;
use menshen_vision::liveness::{self, LivenessNetwork};
use menshen_vision::spec::{DetectorSpec, EmbedderSpec, LivenessSpec, SpecError};
use menshen_vision::{FaceAnalyzer, VisionError, yunet};

/// Detector, embedder and networks of liveness, described and checked but not loaded.
#[derive(Debug, Clone)]
pub struct ModelSet {
    detector: ModelFile,
    detector_spec: DetectorSpec,
    embedder: ModelFile,
    embedder_spec: EmbedderSpec,
    /// The configured accelerator, and why it is of no use if it is not.
    accelerator: Option<(String, Option<String>)>,
    /// Described; loaded only where a device asks for it.
    liveness: Vec<(ModelFile, LivenessSpec)>,
}

/// A model and the file it is run from.
#[derive(Debug, Clone)]
struct ModelFile {
    model: ModelSpec,
    /// The optimised file, once it is known to be good.
    optimized: Option<PathBuf>,
    /// What the accelerator runs, once it is known to give the original's answers: the original, since optimisation serves the
    /// CPU's kernels, or its form in 8-bit integers.
    accelerated: Option<PathBuf>,
}

impl ModelFile {
    /// The file as it came.
    fn original(model: ModelSpec) -> Self {
        Self { model, optimized: None, accelerated: None }
    }

    fn load(&self, loader: &dyn InferenceLoader) -> Result<Network, InferenceError> {
        let (path, place) = match (&self.accelerated, &self.optimized) {
            (Some(accelerated), _) => (accelerated.clone(), Placement::Accelerator),
            (None, Some(optimized)) => (optimized.clone(), Placement::Cpu),
            (None, None) => (self.model.path(), Placement::Cpu),
        };
        load_network(&self.model, &path, place, loader)
    }

    fn use_optimized(&mut self, loader: &dyn InferenceLoader) -> Result<(), OptimizeError> {
        self.optimized = Some(optimize::ensure(&self.model, loader)?);
        Ok(())
    }

    /// Whether dimensions that `[optimize]` frees are free in the file that is run.
    fn is_free(&self) -> bool {
        self.optimized.is_some() && self.accelerated.is_none()
    }
}

fn detector_spec(model: &ModelSpec) -> Result<DetectorSpec, SpecError> {
    model.check_decoder("detector", yunet::DECODER)?;
    yunet::check(&model.input, &model.outputs)?;
    model.detector.ok_or(SpecError::Needs { decoder: yunet::DECODER, what: "a [detector] section" })
}

fn embedder_spec(model: &ModelSpec) -> Result<EmbedderSpec, SpecError> {
    model.check_decoder("embedder", embedder::DECODER)?;
    embedder::check(&model.input, &model.outputs)?;
    model.embedder.ok_or(SpecError::Needs { decoder: embedder::DECODER, what: "an [embedder] section" })
}

fn liveness_spec(model: &ModelSpec) -> Result<LivenessSpec, SpecError> {
    model.check_decoder("liveness", liveness::DECODER)?;
    liveness::check(&model.outputs)?;
    model.liveness.ok_or(SpecError::Needs { decoder: liveness::DECODER, what: "a [liveness] section" })
}

fn checked<T>(model: &ModelSpec, spec: Result<T, SpecError>) -> Result<T, ModelError> {
    spec.map_err(|reason| ModelError::Spec { model: model.name.clone(), reason })
}

/// Whether one model can be had: described, of the right role, whole, and loaded where there is a loader.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_one(
    catalogue: &Catalogue,
    name: &str,
    role: &'static str,
    loader: Option<&dyn InferenceLoader>,
) -> Result<(), ModelError> {
    let model = catalogue.find(name, role)?;
    let fits = match role {
        "detector" => detector_spec(model).map(drop),
        "embedder" => embedder_spec(model).map(drop),
        "liveness" => liveness_spec(model).map(drop),
        "age" => model.age().map(drop),
        _ => model.gender().map(drop),
    };
    checked(model, fits)?;
    model.verify()?;
    let Some(loader) = loader else { return Ok(()) };
    let unfit = |reason: String| ModelError::Unfit { model: model.name.clone(), reason };
    let mut network = load_network(model, &model.path(), Placement::Cpu, loader)
        .map_err(|error| unfit(error.to_string()))?;
    let (width, height) = (model.input.width as usize, model.input.height as usize);
    let shape = vec![1, 3, height, width];
    let black = Tensor { data: vec![0.0; 3 * width * height], shape };
    let outputs = network.inference.run(&black).map_err(|error| unfit(error.to_string()))?;
    check_outputs(model, &outputs, black).map_err(unfit)
}

/// Whether what came out is what the description says.
fn check_outputs(model: &ModelSpec, outputs: &[Tensor], input: Tensor) -> Result<(), String> {
    let values = |wanted: usize| {
        let found = outputs.first().map_or(0, |output| output.data.len());
        (found == wanted).then_some(()).ok_or_else(|| {
            tr!(
                spoken(),
                "its output has {found} values, its model.toml says {wanted}",
                "其输出有 {found} 个值，model.toml 中为 {wanted}"
            )
        })
    };
    match (model.detector, &model.embedder, model.liveness) {
        (Some(spec), ..) => {
            let seen = Letterbox { tensor: input, scale: 1.0 };
            yunet::decode(outputs, &seen, spec).map(drop).map_err(|error| error.to_string())
        }
        (None, Some(spec), _) => values(spec.dimension),
        (None, None, Some(spec)) => values(spec.classes),
        // Age and gender are tried out where they are loaded.
        (None, None, None) => Ok(()),
    }
}

impl ModelSet {
    /// Picks and checks the descriptions; `score_min` (0–1) overrides the detector's own.
    ///
    /// # Errors
    /// When a model is not described, or does not fit its decoder.
    pub fn pick(
        catalogue: &Catalogue,
        detector: &str,
        embedder: &str,
        score_min: Option<f32>,
    ) -> Result<Self, ModelError> {
        let detector = catalogue.find(detector, "detector")?.clone();
        let embedder = catalogue.find(embedder, "embedder")?.clone();
        let mut detector_spec = checked(&detector, detector_spec(&detector))?;
        let embedder_spec = checked(&embedder, embedder_spec(&embedder))?;
        detector_spec.score_min = score_min.unwrap_or(detector_spec.score_min);
        Ok(Self {
            detector: ModelFile::original(detector),
            detector_spec,
            embedder: ModelFile::original(embedder),
            embedder_spec,
            accelerator: None,
            liveness: Vec::new(),
        })
    }

    /// Adds the networks that distinguish living faces from pictures of faces. They are loaded on
    /// [`ready_liveness`](Self::ready_liveness).
    ///
    /// # Errors
    /// When one is not described, or does not fit its decoder.
    pub fn with_liveness(mut self, catalogue: &Catalogue, names: &[String]) -> Result<Self, ModelError> {
        for name in names {
            let model = catalogue.find(name, "liveness")?.clone();
            let spec = checked(&model, liveness_spec(&model))?;
            self.liveness.push((ModelFile::original(model), spec));
        }
        Ok(self)
    }

    /// Compares the files of detector and embedder with their checksums.
    ///
    /// # Errors
    /// When a file is missing, cannot be read, or is another one.
    pub fn verify(&self) -> Result<(), FileError> {
        self.detector.model.verify()?;
        self.embedder.model.verify()
    }

    /// As [`verify`](Self::verify), of the networks for liveness.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub fn verify_liveness(&self) -> Result<(), FileError> {
        self.liveness.iter().try_for_each(|(file, _)| file.model.verify())
    }

    /// Runs detector and embedder from their optimised files, which are made now where there are none. A model that cannot be
    /// optimised is run as it came; why is returned.
    pub fn use_optimized(&mut self, loader: &dyn InferenceLoader) -> Vec<OptimizeError> {
        [&mut self.detector, &mut self.embedder]
            .into_iter()
            .filter_map(|file| file.use_optimized(loader).err())
            .collect()
    }

    /// As [`use_optimized`](Self::use_optimized), of the networks for liveness.
    pub fn use_optimized_liveness(&mut self, loader: &dyn InferenceLoader) -> Vec<OptimizeError> {
        self.liveness.iter_mut().filter_map(|(file, _)| file.use_optimized(loader).err()).collect()
    }

    /// Runs the embedder on the loader's accelerator, if there is one and it gives the same answers, in 8-bit integers if that
    /// is wanted; returns their least cosine. The detector stays on the CPU: its input changes size from camera to
    /// camera, and landmarks want all their bits.
    pub fn use_accelerator(
        &mut self,
        loader: &dyn InferenceLoader,
        precision: Precision,
    ) -> Option<Result<f64, OptimizeError>> {
        let name = match precision {
            Precision::Full => loader.accelerator()?,
            Precision::Int8 => format!("{} (int8)", loader.accelerator()?),
        };
        let model = &self.embedder.model;
        let path = match precision {
            Precision::Full => Ok(model.path()),
            Precision::Int8 => Calibration::read(model).and_then(|found| write_int8(model, &found.ranges)),
        };
        let compared = path.and_then(|path| match precision {
            Precision::Full => Ok((verify_accelerated(model, loader)?, path)),
            Precision::Int8 => Ok((verify_int8(model, loader, &path)?, path)),
        });
        self.embedder.accelerated = compared.as_ref().ok().map(|(_, path)| path.clone());
        let compared = compared.map(|(cosine, _)| cosine);
        self.accelerator = Some((name, compared.as_ref().err().map(ToString::to_string)));
        Some(compared)
    }

    /// Name of the accelerator that is configured, and why it is of no use if it is not.
    pub fn accelerator(&self) -> Option<(&str, Option<&str>)> {
        self.accelerator.as_ref().map(|(name, fault)| (name.as_str(), fault.as_deref()))
    }

    /// Runs the embedder from another file on the accelerator, whatever it answers: for measuring that.
    pub fn accelerated_by(mut self, path: PathBuf) -> Self {
        self.embedder.accelerated = Some(path);
        self
    }

    /// Description of the embedder.
    pub fn embedder_model(&self) -> &ModelSpec {
        &self.embedder.model
    }

    /// Features as they are before anything is subtracted from them, for calibration.
    pub fn uncentred(mut self) -> Self {
        self.embedder.model.population = None;
        self
    }

    /// Whether detector and embedder are run from their optimised files.
    pub fn is_optimized(&self) -> bool {
        self.detector.optimized.is_some() && self.embedder.optimized.is_some()
    }

    /// Label of the embedder's features.
    pub fn embedder_id(&self) -> String {
        self.embedder.model.id()
    }

    /// Name of the embedder in the catalogue.
    pub fn embedder_name(&self) -> &str {
        &self.embedder.model.name
    }

    /// Length and calibration of the embedder's features.
    pub fn embedder_spec(&self) -> EmbedderSpec {
        self.embedder_spec
    }

    /// The embedder's calibration.
    pub fn scale(&self) -> Scale {
        let EmbedderSpec { similarity_min, similarity_threshold, .. } = self.embedder_spec;
        Scale { similarity_min, similarity_threshold }
    }

    /// Loads detector and embedder for one thread.
    ///
    /// # Errors
    /// When a file cannot be loaded.
    pub fn load(&self, loader: &dyn InferenceLoader) -> Result<FaceAnalyzer, VisionError> {
        let model = &self.detector.model;
        let detector = Detector {
            network: self.detector.load(loader)?,
            spec: self.detector_spec,
            refinement_passes: model.refinement_passes.clone(),
            tilted: model.tilted,
            turned: model.turned,
            free_size: model.optimize.free_size && self.detector.is_free(),
        };
        let model = &self.embedder.model;
        let embedder = Embedder {
            network: self.embedder.load(loader)?,
            spec: self.embedder_spec,
            population: model.population.as_ref().map(|population| population.mean.clone()),
            id: self.embedder_id(),
            takes_batches: model.optimize.free_batch && self.embedder.is_free(),
        };
        Ok(FaceAnalyzer::new(detector, embedder))
    }

    /// Gives an analyser the networks for liveness, if it has none yet: a device asks for them, maybe since a moment ago.
    ///
    /// # Errors
    /// When a file is missing, is another one, or cannot be loaded.
    pub fn ready_liveness(
        &self,
        analyzer: &mut FaceAnalyzer,
        loader: &dyn InferenceLoader,
    ) -> Result<(), ModelError> {
        if analyzer.has_liveness() || self.liveness.is_empty() {
            return Ok(());
        }
        self.verify_liveness()?;
        let load = |(file, spec): &(ModelFile, LivenessSpec)| {
            Ok(LivenessNetwork { network: file.load(loader)?, spec: *spec })
        };
        let networks: Result<Vec<_>, InferenceError> = self.liveness.iter().map(load).collect();
        analyzer.set_liveness(networks?);
        Ok(())
    }
}
