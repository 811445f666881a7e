//! The chain for one worker thread: detect → align → measure → embed.

mod coarse_detect;
mod orientation;
mod photo_faces;
mod refinement;

pub use orientation::Orientation;
pub use photo_faces::SeenFace;
pub use refinement::{Aligned, FoundFace};

use crate::align::AlignedFace;
use crate::embedder::{self, Embedder};
use crate::error::{Misaligned, VisionError};
use crate::inference::{Network, Tensor};
use crate::letterbox::Letterboxer;
use crate::liveness::{self, LivenessNetwork};
use crate::photo::{PhotoError, decode_scaled};
use crate::quality::{QualityFailure, measure};
use crate::resize::Resizer;
use crate::spec::{DetectorSpec, RefinementPass, TiltedSpec, TurnedSpec};
use crate::yunet;
use menshen_domain::attributes::Attributes;
use menshen_domain::event::ShotQuality;
use menshen_domain::face::{Detection, Embedding};
use menshen_domain::frame::Frame;
use menshen_domain::quality::{Judgement, Measurements, QualityLevel, judge};
use menshen_domain::score::Scale;

/// A low-score face has at least this share of the confidence a face must have: half of it covered costs about that much.
const LOW_SCORE_SHARE: f32 = 0.6;

/// A loaded detector.
pub struct Detector {
    /// The network.
    pub network: Network,
    /// Its thresholds.
    pub spec: DetectorSpec,
    /// How a face that is to be embedded is detected again.
    pub refinement_passes: Vec<RefinementPass>,
    /// How a face that seems tilted is turned upright; `None`: it is not.
    pub tilted: Option<TiltedSpec>,
    /// How a face that stands on its head is told; `None`: it is taken for upright.
    pub turned: Option<TurnedSpec>,
    /// Whether the network takes smaller inputs than its description says.
    pub free_size: bool,
}

/// One face of a photo, the largest.
#[derive(Debug, Clone)]
pub struct AnalyzedFace {
    /// In pixels of the photo.
    pub measurements: Measurements,
    /// How it does at the level it had to pass.
    pub judgement: Judgement,
    /// Its feature.
    pub embedding: Embedding,
}

/// The largest face of a photo, judged.
struct MeasuredFace {
    /// The photo as it was processed, maybe smaller than it came.
    frame: Frame,
    /// In pixels of `frame`.
    face: Detection,
    aligned: Result<AlignedFace, Misaligned>,
    /// In pixels of the photo.
    measurements: Measurements,
    judgement: Judgement,
}

/// The chain with its networks loaded; one a thread.
pub struct FaceAnalyzer {
    letterboxer: Letterboxer,
    /// Makes the cut-outs of the refinement passes.
    resizer: Resizer,
    detector: Detector,
    embedder: Embedder,
    liveness: Vec<LivenessNetwork>,
}

impl FaceAnalyzer {
    /// A chain of networks that are loaded, without any for liveness.
    pub fn new(detector: Detector, embedder: Embedder) -> Self {
        Self {
            letterboxer: Letterboxer::new(detector.network.input.clone(), detector.free_size),
            resizer: Resizer::default(),
            detector,
            embedder,
            liveness: Vec::new(),
        }
    }

    /// The embedder's calibration.
    pub fn scale(&self) -> Scale {
        let spec = self.embedder.spec;
        Scale { similarity_min: spec.similarity_min, similarity_threshold: spec.similarity_threshold }
    }

    /// Label of the features it makes.
    pub fn embedder_id(&self) -> &str {
        &self.embedder.id
    }

    /// All faces of a frame, best first, in pixels of the frame.
    ///
    /// # Errors
    /// When the frame cannot be scaled, or the detector does not run or gives nonsense.
    pub fn detect(&mut self, frame: &Frame) -> Result<Vec<Detection>, VisionError> {
        self.detect_from(frame, self.high_score_min())
    }

    /// As [`detect`](Self::detect), and low-score faces too: good for following somebody whose face was clear a moment ago.
    ///
    /// # Errors
    /// As [`detect`](Self::detect).
    pub fn detect_low_score(&mut self, frame: &Frame) -> Result<Vec<Detection>, VisionError> {
        self.detect_from(frame, self.high_score_min() * LOW_SCORE_SHARE)
    }

    /// Detector's confidence from which a face is one, 0–1.
    pub fn high_score_min(&self) -> f32 {
        self.detector.spec.score_min
    }

    fn detect_from(&mut self, frame: &Frame, score_min: f32) -> Result<Vec<Detection>, VisionError> {
        let letterbox = self.letterboxer.run(frame)?;
        let Network { name, inference, .. } = &mut self.detector.network;
        let outputs = inference.run(&letterbox.tensor)?;
        let spec = DetectorSpec { score_min, ..self.detector.spec };
        yunet::decode(&outputs, &letterbox, spec)
            .map_err(|reason| VisionError::Output { model: name.clone(), reason })
    }

    /// The unit-length embedding of one aligned face; averaged with its mirrored self's where the model's
    /// description says so.
    ///
    /// # Errors
    /// When the embedder does not run, or gives no usable feature.
    pub fn embed(&mut self, aligned: &AlignedFace) -> Result<Embedding, VisionError> {
        self.embedder.embed(aligned)
    }

    /// The aligned face as the embedder gets it: 1 × 3 × 112 × 112.
    pub fn embedder_input(&self, aligned: &AlignedFace) -> Tensor {
        embedder::to_tensor(aligned, &self.embedder.network.input)
    }

    /// Whether networks for liveness are loaded.
    pub fn has_liveness(&self) -> bool {
        !self.liveness.is_empty()
    }

    /// Uses these networks for liveness from now on.
    pub fn set_liveness(&mut self, networks: Vec<LivenessNetwork>) {
        self.liveness = networks;
    }

    /// How sure it is that a face is a living one, 0–1; `None` where no network for that is loaded.
    ///
    /// # Errors
    /// When a network does not run or gives nonsense.
    pub fn liveness(&mut self, frame: &Frame, face: &Detection) -> Result<Option<f32>, VisionError> {
        liveness::score(&mut self.liveness, frame, &face.bbox)
    }

    /// The largest face of a photo, measured in the photo's own pixels.
    fn measured_face(&mut self, bytes: &[u8], level: &QualityLevel) -> Result<MeasuredFace, PhotoError> {
        let (frame, factor) = decode_scaled(bytes)?;
        let found = self.largest_face(&frame).map_err(PhotoError::Detection)?;
        let (face, aligned) = found.ok_or(PhotoError::NoFace)?;
        let mut measurements = measure(&frame, &face, aligned.as_deref().ok());
        measurements.face_size_px *= factor;
        measurements.bbox = measurements.bbox.scaled(factor);
        let judgement = judge(level, &measurements);
        Ok(MeasuredFace { frame, face, aligned, measurements, judgement })
    }

    /// How good the largest face of a photo is, whether or not it passes `level`.
    ///
    /// # Errors
    /// When the photo cannot be decoded, or no face is found on it.
    pub fn judge_photo(&mut self, bytes: &[u8], level: &QualityLevel) -> Result<ShotQuality, PhotoError> {
        self.judge_photo_and(bytes, level, |_, _| None)
    }

    /// The same, with what `estimate` makes of the face, whose place is in pixels of the frame.
    ///
    /// # Errors
    /// As [`judge_photo`](Self::judge_photo).
    pub fn judge_photo_and(
        &mut self,
        bytes: &[u8],
        level: &QualityLevel,
        estimate: impl FnOnce(&Frame, &Detection) -> Option<Attributes>,
    ) -> Result<ShotQuality, PhotoError> {
        let MeasuredFace { frame, face, measurements, judgement, .. } = self.measured_face(bytes, level)?;
        let attributes = estimate(&frame, &face);
        Ok(ShotQuality { attributes, ..ShotQuality::new(&measurements, &judgement) })
    }

    /// A registry photo: the largest face counts, and it must pass `level`.
    ///
    /// # Errors
    /// When the photo cannot be decoded, no face is found on it, the face does not pass, or no feature can be made of it.
    pub fn analyze_photo(&mut self, bytes: &[u8], level: &QualityLevel) -> Result<AnalyzedFace, PhotoError> {
        let MeasuredFace { aligned, measurements, judgement, .. } = self.measured_face(bytes, level)?;
        if !judgement.passed {
            let failure = QualityFailure { measurements, judgement, level: level.clone() };
            return Err(PhotoError::Quality(Box::new(failure)));
        }
        let aligned = aligned.map_err(PhotoError::Misaligned)?;
        let embedding = self.embed(&aligned).map_err(PhotoError::Feature)?;
        Ok(AnalyzedFace { measurements, judgement, embedding })
    }
}
