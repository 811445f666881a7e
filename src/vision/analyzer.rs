//! The chain for one worker thread: detect → measure → align → embed.

use super::align::align;
use super::catalogue::{Catalogue, CatalogueError, DetectorSpec, EmbedderSpec, ModelSpec};
use super::letterbox::Letterboxer;
use super::photo::decode_photo;
use super::quality::measure;
use super::{embedder, yunet};
use crate::core::face::{Detection, Embedding, Landmarks};
use crate::core::frame::Frame;
use crate::core::quality::{Judgement, Measurements, QualityLevel, judge};
use crate::core::status::{Refusal, StatusCode};
use crate::ports::inference::{Inference, InferenceError, InferenceLoader, Tensor};

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

/// The models a box works with, described and checked but not loaded.
#[derive(Debug, Clone)]
pub struct ModelSet {
    detector: ModelSpec,
    detector_spec: DetectorSpec,
    embedder: ModelSpec,
    embedder_spec: EmbedderSpec,
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
        Ok(Self { detector, detector_spec, embedder, embedder_spec })
    }

    /// Compares the files with their checksums.
    pub fn verify(&self) -> Result<(), CatalogueError> {
        self.detector.verify()?;
        self.embedder.verify()
    }

    /// Label of the embedder's features.
    pub fn embedder_id(&self) -> String {
        self.embedder.id()
    }

    pub fn embedder_spec(&self) -> EmbedderSpec {
        self.embedder_spec
    }

    /// Loads both models for one worker thread.
    pub fn load(&self, loader: &dyn InferenceLoader) -> Result<FaceAnalyzer, VisionError> {
        let load = |model: &ModelSpec| loader.load(&model.path(), &model.input.name, &model.outputs.names, 1);
        Ok(FaceAnalyzer {
            letterboxer: Letterboxer::new(self.detector.input.clone()),
            detector: load(&self.detector)?,
            embedder: load(&self.embedder)?,
            embedder_id: self.embedder_id(),
            models: self.clone(),
        })
    }
}

/// One face of a photo, the largest.
#[derive(Debug, Clone)]
pub struct AnalyzedFace {
    pub measurements: Measurements,
    pub judgement: Judgement,
    pub embedding: Embedding,
}

/// Owns its models; one a thread.
pub struct FaceAnalyzer {
    models: ModelSet,
    letterboxer: Letterboxer,
    detector: Box<dyn Inference>,
    embedder: Box<dyn Inference>,
    embedder_id: String,
}

impl FaceAnalyzer {
    /// All faces of a frame, best first, in pixels of the frame.
    pub fn detect(&mut self, frame: &Frame) -> Result<Vec<Detection>, VisionError> {
        let letterbox = self.letterboxer.run(frame).map_err(|error| VisionError::Frame(error.to_string()))?;
        let outputs = self.detector.run(&letterbox.tensor)?;
        yunet::decode(&outputs, &letterbox, self.models.detector_spec)
            .map_err(|reason| VisionError::Model { model: self.models.detector.name.clone(), reason })
    }

    /// The unit-length embedding of one face.
    pub fn embed(&mut self, frame: &Frame, landmarks: &Landmarks) -> Result<Embedding, VisionError> {
        let aligned = align(frame, landmarks).ok_or_else(|| {
            VisionError::Frame("the landmarks coincide, the face cannot be aligned".to_owned())
        })?;
        let tensor = embedder::to_tensor(&aligned, &self.models.embedder.input);
        let mut outputs = self.embedder.run(&tensor)?;
        let raw = outputs.pop().map(|Tensor { data, .. }| data).unwrap_or_default();
        embedder::to_embedding(raw, self.models.embedder_spec.dimension, &self.embedder_id)
            .map_err(|reason| VisionError::Model { model: self.models.embedder.name.clone(), reason })
    }

    /// A registry photo: the largest face counts, and it must pass `level`.
    pub fn analyze_photo(&mut self, bytes: &[u8], level: &QualityLevel) -> Result<AnalyzedFace, Refusal> {
        let frame = decode_photo(bytes)?;
        let internal = |error: VisionError| Refusal::new(StatusCode::ServerProcessFailed, error.to_string());
        let faces = self.detect(&frame).map_err(internal)?;
        let face = faces
            .into_iter()
            .max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()))
            .ok_or_else(|| Refusal::new(StatusCode::NoFace, ""))?;
        let measurements = measure(&frame, &face);
        let judgement = judge(level, &measurements);
        if !judgement.passed {
            return Err(quality_refusal(&measurements, &judgement, level));
        }
        let embedding = self
            .embed(&frame, &face.landmarks)
            .map_err(|error| Refusal::new(StatusCode::BadFeature, error.to_string()))?;
        Ok(AnalyzedFace { measurements, judgement, embedding })
    }
}

/// Says which checks failed and by how much.
fn quality_refusal(face: &Measurements, judgement: &Judgement, level: &QualityLevel) -> Refusal {
    use crate::core::quality::Check;
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
            other => other.name().to_owned(),
        })
        .collect();
    let code =
        if judgement.fails == [Check::FaceSize] { StatusCode::FaceTooSmall } else { StatusCode::LowQuality };
    Refusal::new(code, told.join(", "))
}
