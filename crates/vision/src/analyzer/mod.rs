//! The chain for one worker thread: detect → align → measure → embed.

mod coarse_detect;
mod refinement;

pub use refinement::Aligned;

use std::path::PathBuf;

use super::align::{ALIGNED_SIDE, AlignedFace, mirror};
use super::catalogue::{Catalogue, CatalogueError, DetectorSpec, EmbedderSpec, LivenessSpec, ModelSpec};
use super::letterbox::Letterboxer;
use super::optimize::{self, Calibration, OptimizeError, write_int8};
use super::photo::decode_scaled;
use super::quality::measure;
use super::resize::{Resizer, ScaleError};
use super::{embedder, liveness, yunet};
use crate::inference::{Inference, InferenceError, InferenceLoader, Placement, Tensor};
use menshen_domain::attributes::Attributes;
use menshen_domain::event::ShotQuality;
use menshen_domain::face::{Detection, Embedding};
use menshen_domain::frame::Frame;
use menshen_domain::models::Precision;
use menshen_domain::quality::{Judgement, Measurements, QualityLevel, judge};
use menshen_domain::score::Scale;
use menshen_domain::status::{ProtocolError, StatusCode};

#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    #[error(transparent)]
    Inference(#[from] InferenceError),
    #[error("model `{model}`: {reason}")]
    Model { model: String, reason: String },
    #[error("{0}")]
    Frame(String),
}

impl From<ScaleError> for VisionError {
    fn from(error: ScaleError) -> Self {
        Self::Frame(error.to_string())
    }
}

/// A faint face has at least this share of the confidence a face must have: half of it covered costs about that much.
const LOW_SCORE_SHARE: f32 = 0.6;

/// The models a box works with, described and checked but not loaded.
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
    /// The prepared file, once it is known to be good.
    prepared: Option<PathBuf>,
    /// What the accelerator runs, once it is known to give the original's answers: the original, since preparation serves the
    /// CPU's kernels, or its form in 8-bit integers.
    accelerated: Option<PathBuf>,
}

impl ModelFile {
    fn load(&self, loader: &dyn InferenceLoader) -> Result<Box<dyn Inference>, InferenceError> {
        let (path, place) = match (&self.accelerated, &self.prepared) {
            (Some(accelerated), _) => (accelerated.clone(), Placement::Accelerator),
            (None, Some(prepared)) => (prepared.clone(), Placement::Cpu),
            (None, None) => (self.model.path(), Placement::Cpu),
        };
        loader.load(&path, &self.model.input.name, &self.model.outputs.names, place)
    }

    fn use_prepared(&mut self, loader: &dyn InferenceLoader) -> Result<(), OptimizeError> {
        self.prepared = Some(optimize::ensure(&self.model, loader)?);
        Ok(())
    }
}

impl ModelSet {
    /// Picks and checks the descriptions; `score_min` overrides the detector's own.
    pub fn pick(
        catalogue: &Catalogue,
        detector: &str,
        embedder: &str,
        score_min: Option<f32>,
    ) -> Result<Self, VisionError> {
        let detector = catalogue.find(detector, "detector")?.clone();
        let embedder = catalogue.find(embedder, "embedder")?.clone();
        let wrong = |model: &ModelSpec| {
            let model = model.name.clone();
            move |reason| VisionError::Model { model, reason }
        };
        let mut detector_spec = match detector.decoder.as_str() {
            "yunet" => yunet::check(&detector).map_err(wrong(&detector))?,
            other => return Err(wrong(&detector)(format!("no detector decoder `{other}`; there is yunet"))),
        };
        let embedder_spec = match embedder.decoder.as_str() {
            "arcface-112" => embedder::check(&embedder).map_err(wrong(&embedder))?,
            other => {
                return Err(wrong(&embedder)(format!("no embedder decoder `{other}`; there is arcface-112")));
            }
        };
        detector_spec.score_min = score_min.unwrap_or(detector_spec.score_min);
        let original = |model| ModelFile { model, prepared: None, accelerated: None };
        Ok(Self {
            detector: original(detector),
            detector_spec,
            embedder: original(embedder),
            embedder_spec,
            accelerator: None,
            liveness: Vec::new(),
        })
    }

    /// Adds the networks that tell living faces from pictures of faces. They are loaded on
    /// [`FaceAnalyzer::ready_liveness`].
    pub fn with_liveness(mut self, catalogue: &Catalogue, names: &[String]) -> Result<Self, VisionError> {
        for name in names {
            let model = catalogue.find(name, "liveness")?.clone();
            let spec = liveness::check(&model)
                .map_err(|reason| VisionError::Model { model: model.name.clone(), reason })?;
            self.liveness.push((ModelFile { model, prepared: None, accelerated: None }, spec));
        }
        Ok(self)
    }

    /// Compares the files with their checksums.
    pub fn verify(&self) -> Result<(), CatalogueError> {
        self.detector.model.verify()?;
        self.embedder.model.verify()
    }

    /// As [`verify`](Self::verify), of the networks for liveness.
    pub fn verify_liveness(&self) -> Result<(), CatalogueError> {
        self.liveness.iter().try_for_each(|(chosen, _)| chosen.model.verify())
    }

    /// Goes over to the prepared files, which are made now where there are none. A model that cannot be
    /// prepared is run as it came; why is returned.
    pub fn use_prepared(&mut self, loader: &dyn InferenceLoader) -> Vec<OptimizeError> {
        [&mut self.detector, &mut self.embedder]
            .into_iter()
            .filter_map(|chosen| chosen.use_prepared(loader).err())
            .collect()
    }

    /// As [`use_prepared`](Self::use_prepared), of the networks for liveness.
    pub fn use_prepared_liveness(&mut self, loader: &dyn InferenceLoader) -> Vec<OptimizeError> {
        self.liveness.iter_mut().filter_map(|(chosen, _)| chosen.use_prepared(loader).err()).collect()
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
        let proved = path.and_then(|path| match precision {
            Precision::Full => Ok((optimize::verify_accelerated(model, loader)?, path)),
            Precision::Int8 => Ok((optimize::verify_int8(model, loader, &path)?, path)),
        });
        self.embedder.accelerated = proved.as_ref().ok().map(|(_, path)| path.clone());
        let proved = proved.map(|(cosine, _)| cosine);
        self.accelerator = Some((name, proved.as_ref().err().map(ToString::to_string)));
        Some(proved)
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

    /// Features as they are before anything is taken out of them, for calibration.
    pub fn uncentred(mut self) -> Self {
        self.embedder.model.population = None;
        self
    }

    /// Whether both models are run from their prepared files.
    pub fn is_prepared(&self) -> bool {
        self.detector.prepared.is_some() && self.embedder.prepared.is_some()
    }

    /// Label of the embedder's features.
    pub fn embedder_id(&self) -> String {
        self.embedder.model.id()
    }

    pub fn embedder_name(&self) -> &str {
        &self.embedder.model.name
    }

    pub fn embedder_spec(&self) -> EmbedderSpec {
        self.embedder_spec
    }

    /// The embedder's calibration.
    pub fn scale(&self) -> Scale {
        let EmbedderSpec { similarity_min, similarity_threshold, .. } = self.embedder_spec;
        Scale { similarity_min, similarity_threshold }
    }

    /// Loads the models for one worker thread.
    pub fn load(&self, loader: &dyn InferenceLoader) -> Result<FaceAnalyzer, VisionError> {
        let free = |chosen: &ModelFile, wanted: bool| {
            wanted && chosen.prepared.is_some() && chosen.accelerated.is_none()
        };
        Ok(FaceAnalyzer {
            letterboxer: Letterboxer::new(
                self.detector.model.input.clone(),
                free(&self.detector, self.detector.model.optimize.free_size),
            ),
            closer: Resizer::default(),
            detector: self.detector.load(loader)?,
            embedder: self.embedder.load(loader)?,
            liveness: Vec::new(),
            embeds_batches: free(&self.embedder, self.embedder.model.optimize.free_batch),
            embedder_id: self.embedder_id(),
            models: self.clone(),
        })
    }

    fn load_liveness(&self, loader: &dyn InferenceLoader) -> Result<Vec<liveness::Net>, InferenceError> {
        let load = |(chosen, spec): &(ModelFile, LivenessSpec)| {
            Ok(liveness::Net {
                name: chosen.model.name.clone(),
                input: chosen.model.input.clone(),
                spec: *spec,
                inference: chosen.load(loader)?,
            })
        };
        self.liveness.iter().map(load).collect()
    }
}

/// One face of a photo, the largest.
#[derive(Debug, Clone)]
pub struct AnalyzedFace {
    pub measurements: Measurements,
    pub judgement: Judgement,
    pub embedding: Embedding,
}

/// The largest face of a photo, judged.
struct MeasuredFace {
    /// As it was looked at, maybe smaller than the photo.
    frame: Frame,
    /// In pixels of `frame`.
    face: Detection,
    aligned: Option<AlignedFace>,
    /// In pixels of the photo.
    measurements: Measurements,
    judgement: Judgement,
}

/// Owns its models; one a thread.
pub struct FaceAnalyzer {
    models: ModelSet,
    letterboxer: Letterboxer,
    /// Makes the cut-outs of closer looks.
    closer: Resizer,
    detector: Box<dyn Inference>,
    embedder: Box<dyn Inference>,
    liveness: Vec<liveness::Net>,
    embedder_id: String,
    /// Whether the embedder takes several faces in one run.
    embeds_batches: bool,
}

impl FaceAnalyzer {
    pub fn scale(&self) -> Scale {
        self.models.scale()
    }

    /// Label of the features it makes.
    pub fn embedder_id(&self) -> &str {
        &self.embedder_id
    }

    /// All faces of a frame, best first, in pixels of the frame.
    pub fn detect(&mut self, frame: &Frame) -> Result<Vec<Detection>, VisionError> {
        self.detect_from(frame, self.high_score_min())
    }

    /// As [`detect`](Self::detect), and faint faces too: good for following somebody who was a face a moment ago.
    pub fn detect_low_score(&mut self, frame: &Frame) -> Result<Vec<Detection>, VisionError> {
        self.detect_from(frame, self.high_score_min() * LOW_SCORE_SHARE)
    }

    /// Detector's confidence from which a face is one.
    pub fn high_score_min(&self) -> f32 {
        self.models.detector_spec.score_min
    }

    fn detect_from(&mut self, frame: &Frame, score_min: f32) -> Result<Vec<Detection>, VisionError> {
        let letterbox = self.letterboxer.run(frame)?;
        let outputs = self.detector.run(&letterbox.tensor)?;
        let spec = DetectorSpec { score_min, ..self.models.detector_spec };
        yunet::decode(&outputs, &letterbox, spec)
            .map_err(|reason| VisionError::Model { model: self.models.detector.model.name.clone(), reason })
    }

    /// The unit-length embedding of one aligned face; averaged with its mirrored self's where the model's
    /// description says so.
    pub fn embed(&mut self, aligned: &AlignedFace) -> Result<Embedding, VisionError> {
        let input = &self.models.embedder.model.input;
        let mut faces = vec![embedder::to_tensor(aligned, input)];
        if self.models.embedder_spec.mirror {
            faces.push(embedder::to_tensor(&mirror(aligned, ALIGNED_SIDE), input));
        }
        if self.embeds_batches {
            faces = vec![embedder::batch(faces)];
        }
        let mut raw = Vec::new();
        for face in &faces {
            raw.extend(self.embedder.run(face)?.pop().map(|Tensor { data, .. }| data).unwrap_or_default());
        }
        let views = if self.models.embedder_spec.mirror { 2 } else { 1 };
        let population = self.models.embedder.model.population.as_ref();
        let population = population.map(|population| population.mean.as_slice());
        embedder::to_embedding(&raw, views, self.models.embedder_spec, population, &self.embedder_id)
            .map_err(|reason| VisionError::Model { model: self.models.embedder.model.name.clone(), reason })
    }

    /// The aligned face as the embedder gets it.
    pub fn embedder_input(&self, aligned: &AlignedFace) -> Tensor {
        embedder::to_tensor(aligned, &self.models.embedder.model.input)
    }

    /// Loads the networks for liveness, if they are not loaded yet: a device asks for them, maybe since a moment ago.
    pub fn ready_liveness(&mut self, loader: &dyn InferenceLoader) -> Result<(), VisionError> {
        if self.liveness.is_empty() && !self.models.liveness.is_empty() {
            self.models.verify_liveness()?;
            self.liveness = self.models.load_liveness(loader)?;
        }
        Ok(())
    }

    /// How sure it is that a face is a living one, 0–1; `None` where no network for that is loaded.
    pub fn liveness(&mut self, frame: &Frame, face: &Detection) -> Result<Option<f32>, VisionError> {
        liveness::score(&mut self.liveness, frame, &face.bbox)
    }

    /// The largest face of a photo, measured in the photo's own pixels.
    fn measured_face(&mut self, bytes: &[u8], level: &QualityLevel) -> Result<MeasuredFace, ProtocolError> {
        let (frame, factor) = decode_scaled(bytes)?;
        let internal =
            |error: VisionError| ProtocolError::new(StatusCode::ServerProcessFailed, error.to_string());
        let (face, aligned) = self
            .largest_face(&frame)
            .map_err(internal)?
            .ok_or_else(|| ProtocolError::new(StatusCode::NoFace, ""))?;
        let mut measurements = measure(&frame, &face, aligned.as_deref());
        measurements.face_size_px *= factor;
        measurements.bbox = measurements.bbox.scaled(factor);
        let judgement = judge(level, &measurements);
        Ok(MeasuredFace { frame, face, aligned, measurements, judgement })
    }

    /// How good the largest face of a photo is, whether or not it passes `level`.
    pub fn judge_photo(&mut self, bytes: &[u8], level: &QualityLevel) -> Result<ShotQuality, ProtocolError> {
        self.judge_photo_and(bytes, level, |_, _| None)
    }

    /// The same, with what `guess` makes of the face.
    pub fn judge_photo_and(
        &mut self,
        bytes: &[u8],
        level: &QualityLevel,
        guess: impl FnOnce(&Frame, &Detection) -> Option<Attributes>,
    ) -> Result<ShotQuality, ProtocolError> {
        let MeasuredFace { frame, face, measurements, judgement, .. } = self.measured_face(bytes, level)?;
        let attributes = guess(&frame, &face);
        Ok(ShotQuality { attributes, ..ShotQuality::new(&measurements, &judgement) })
    }

    /// A registry photo: the largest face counts, and it must pass `level`.
    pub fn analyze_photo(
        &mut self,
        bytes: &[u8],
        level: &QualityLevel,
    ) -> Result<AnalyzedFace, ProtocolError> {
        let MeasuredFace { aligned, measurements, judgement, .. } = self.measured_face(bytes, level)?;
        if !judgement.passed {
            return Err(quality_refusal(&measurements, &judgement, level));
        }
        let unusable = |reason: String| ProtocolError::new(StatusCode::BadFeature, reason);
        let aligned = aligned.ok_or_else(|| unusable("the face cannot be aligned".to_owned()))?;
        let embedding = self.embed(&aligned).map_err(|error| unusable(error.to_string()))?;
        Ok(AnalyzedFace { measurements, judgement, embedding })
    }
}

fn covered_parts(face: &Measurements) -> String {
    let parts = ["left eye", "right eye", "mouth"].into_iter().zip(face.occlusion.unwrap_or_default());
    parts.filter(|(_, covered)| *covered).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// Says which checks failed and by how much.
fn quality_refusal(face: &Measurements, judgement: &Judgement, level: &QualityLevel) -> ProtocolError {
    use menshen_domain::quality::Check;
    let limits = level.limits();
    let (size_min, pose_max) =
        limits.map_or((0.0, 0.0), |limits| (limits.face_size_min_px, limits.pose_sum_max_deg));
    let told: Vec<String> = judgement
        .fails
        .iter()
        .map(|check| match check {
            Check::FaceSize => {
                format!("face_size {:.0} px, more than {size_min:.0} needed", face.face_size_px)
            }
            Check::HeadPose => {
                format!(
                    "headpose {:.0} degrees in sum, at most {pose_max:.0}",
                    face.head_pose.deviation_deg()
                )
            }
            Check::Clarity => format!("clarity {:.2}", face.clarity),
            Check::Brightness => format!("brightness {:.2}", face.brightness),
            Check::Mask => format!("mask {:.2}, take it off", face.mask.unwrap_or_default()),
            Check::Occlusion => format!("occlusion: {} covered", covered_parts(face)),
            Check::Partial => "partial, the face leaves the picture".to_owned(),
        })
        .collect();
    let code =
        if judgement.fails == [Check::FaceSize] { StatusCode::FaceTooSmall } else { StatusCode::LowQuality };
    ProtocolError::new(code, told.join(", "))
}
