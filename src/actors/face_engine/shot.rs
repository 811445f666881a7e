//! From a detected face to a shot: measure, judge, align, embed, liveness, search. Frames of cameras and photos of devices
//! go through the same chain.

use super::rules::CameraRules;
use super::stage_timer::StageTimer;
use crate::actors::recogniser::Recogniser;
use menshen_domain::candidate::Candidate;
use menshen_domain::decision::people_first;
use menshen_domain::device::DeviceConfig;
use menshen_domain::explain::Reason;
use menshen_domain::face::{Detection, Embedding, HeadPose};
use menshen_domain::frame::Frame;
use menshen_domain::passage::{Observation, Shot};
use menshen_domain::quality::{Check, judge};
use menshen_vision::align::align;
use menshen_vision::quality::measure;
use menshen_vision::{FaceAnalyzer, Misaligned, VisionError};

/// Why a detected face makes no shot.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// Smaller than the device analyses.
    #[error("face_size {face_size_px:.0} px")]
    TooSmall { face_size_px: f32 },
    /// It fails checks of the live level.
    #[error("{}, face_size {face_size_px:.0} px", names(checks))]
    BelowLevel { checks: Vec<Check>, face_size_px: f32 },
    /// It cannot be brought to its standard place.
    #[error(transparent)]
    Misaligned(#[from] Misaligned),
}

impl Unfit {
    /// How it is counted and reported.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooSmall { .. } => Reason::TooSmall,
            Self::BelowLevel { checks, .. } => {
                checks.first().map_or(Reason::NoShot, |check| Reason::of_check(*check))
            }
            Self::Misaligned(Misaligned::Landmarks) => Reason::NoShot,
            Self::Misaligned(Misaligned::Orientation) => Reason::TurnedAway,
        }
    }
}

fn names(checks: &[Check]) -> String {
    checks.iter().map(|check| check.name()).collect::<Vec<_>>().join(", ")
}

/// Why there is no shot.
#[derive(Debug, thiserror::Error)]
pub enum ShotError {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// Makes shots of the faces in one frame or photo.
pub struct ShotMaker<'a> {
    pub device: &'a DeviceConfig,
    pub rules: &'a CameraRules,
    /// Loaded from the models of `recogniser`.
    pub analyzer: &'a mut FaceAnalyzer,
    pub recogniser: &'a Recogniser,
    /// Pixels of the picture as it came for one pixel of the frame: 1, but for a photo that was decoded smaller.
    pub scale: f32,
}

impl<'a> ShotMaker<'a> {
    /// The whole chain, for a face that is seen once.
    ///
    /// # Errors
    /// [`Unfit`] when the face is too small, below the live level or cannot be aligned; else a model has failed.
    pub fn make(&mut self, frame: &Frame, face: Detection, taken_ms: u64) -> Result<Shot, ShotError> {
        if !self.is_large_enough(&face) {
            return Err(Unfit::TooSmall { face_size_px: self.size_px(&face) }.into());
        }
        let observation = self.observe(frame, face);
        if !observation.judgement.passed {
            self.count_refused(&observation);
            let checks = observation.judgement.fails;
            return Err(
                Unfit::BelowLevel { checks, face_size_px: observation.measurements.face_size_px }.into()
            );
        }
        self.shoot(frame, observation, taken_ms, |_, _| None).map(|(shot, _)| shot)
    }

    /// Whether the device analyses faces of this size.
    pub fn is_large_enough(&self, face: &Detection) -> bool {
        self.size_px(face) >= self.device.view.face_min_px.unwrap_or(self.rules.face_min_px)
    }

    fn size_px(&self, face: &Detection) -> f32 {
        face.bbox.width().min(face.bbox.height()) * self.scale
    }

    /// Measures a face, in pixels of the picture as it came, and judges it by the live level.
    pub fn observe(&self, frame: &Frame, detection: Detection) -> Observation {
        let mut measurements = self
            .timer()
            .run("measure", || measure(frame, &detection, align(frame, &detection.landmarks).as_deref()));
        measurements.face_size_px *= self.scale;
        measurements.bbox = measurements.bbox.scaled(self.scale);
        let judgement = judge(&self.rules.live_level, &measurements);
        Observation { detection, measurements, judgement }
    }

    /// Counts the checks a face fails.
    pub fn count_refused(&self, face: &Observation) {
        for check in &face.judgement.fails {
            metrics::counter!("menshen_faces_refused_total",
                "device" => self.device.ip.clone(), "check" => check.name())
            .increment(1);
        }
    }

    /// Aligns, embeds and searches an observed face. `fuse` makes a second probe from the embedding and the face's quality;
    /// the candidates for it are returned beside the shot, which shares the pixels of `frame`.
    ///
    /// # Errors
    /// [`Unfit::Misaligned`]; else a model has failed.
    pub fn shoot(
        &mut self,
        frame: &Frame,
        observation: Observation,
        taken_ms: u64,
        fuse: impl FnOnce(&Embedding, f32) -> Option<Embedding>,
    ) -> Result<(Shot, Vec<Candidate>), ShotError> {
        let (embedding, pose) = self.embed(frame, &observation.detection)?;
        let observation = observation.with_pose(pose);
        let liveness = self.liveness(frame, &observation.detection)?;
        let fused_probe = fuse(&embedding, observation.judgement.score);
        let (candidates, fused) = self.search(&embedding, fused_probe.as_ref());
        let shot = Shot { frame: frame.clone(), taken_ms, observation, embedding, liveness, candidates };
        Ok((shot, fused))
    }

    /// The same picture, embedded and searched with the present model after a swap.
    ///
    /// # Errors
    /// [`Unfit::Misaligned`]; else a model has failed.
    pub fn renew(&mut self, shot: &Shot) -> Result<Shot, ShotError> {
        let (embedding, _) = self.embed(&shot.frame, &shot.observation.detection)?;
        let (candidates, _) = self.search(&embedding, None);
        Ok(Shot { embedding, candidates, ..shot.clone() })
    }

    /// The embedding of the aligned face, and the head pose where alignment found a tilted head.
    fn embed(&mut self, frame: &Frame, face: &Detection) -> Result<(Embedding, Option<HeadPose>), ShotError> {
        let timer = self.timer();
        let aligned = timer.run("align", || self.analyzer.align(frame, face))?.map_err(Unfit::from)?;
        let embedding = timer.run("embed", || self.analyzer.embed(&aligned.face))?;
        Ok((embedding, aligned.tilted_pose()))
    }

    /// How sure it is that the face is a living one, 0–1, where the device asks for it.
    fn liveness(&mut self, frame: &Frame, face: &Detection) -> Result<Option<f32>, VisionError> {
        if !self.device.liveness {
            return Ok(None);
        }
        self.timer().run("liveness", || self.analyzer.liveness(frame, face))
    }

    /// The most similar people who may pass here, for a shot and for the shots of its passage fused.
    fn search(&self, shot: &Embedding, fused: Option<&Embedding>) -> (Vec<Candidate>, Vec<Candidate>) {
        let match_threshold = self.recogniser.match_threshold(&self.rules.tuning.load());
        let probes: Vec<&Embedding> = std::iter::once(shot).chain(fused).collect();
        let scope = self.device.scope();
        let found = self.timer().run("search", || self.recogniser.search(&probes, scope, self.rules.now()));
        let found = found.unwrap_or_else(|error| {
            // The analyzer and the gallery are swapped as one, so this is a defect: it is counted, to be noticed.
            metrics::counter!("menshen_mixed_features_total").increment(1);
            tracing::error!(%error, "a probe was searched in the gallery of another model; nobody is recognised");
            Vec::new()
        });
        let mut found = found.into_iter();
        let mut next = || people_first(found.next().unwrap_or_default(), match_threshold);
        (next(), next())
    }

    fn timer(&self) -> StageTimer<'a> {
        StageTimer::of_device(self.device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfit_face_says_why() {
        let small = Unfit::TooSmall { face_size_px: 31.6 };
        assert_eq!((small.to_string().as_str(), small.reason()), ("face_size 32 px", Reason::TooSmall));
        let checks = vec![Check::HeadPose, Check::Clarity];
        let below = Unfit::BelowLevel { checks, face_size_px: 80.0 };
        let names = format!("{}, {}", Check::HeadPose.name(), Check::Clarity.name());
        assert_eq!(below.to_string(), format!("{names}, face_size 80 px"));
        assert_eq!(below.reason(), Reason::TurnedAway);
        assert_eq!(Unfit::from(Misaligned::Landmarks).reason(), Reason::NoShot);
        assert_eq!(Unfit::from(Misaligned::Orientation).reason(), Reason::TurnedAway);
    }
}
