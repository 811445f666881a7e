//! A face detected again before it is embedded: steadier landmarks, and a tilted head turned upright.

use super::FaceAnalyzer;
use crate::align::{AlignedFace, align};
use crate::error::VisionError;
use crate::pose::head_pose;
use crate::refine::{mean_landmarks, refine, tilt_deg};
use crate::resize::Resizer;
use crate::spec::{RefinementPass, TiltedSpec};
use menshen_domain::face::{Detection, HeadPose, Landmarks};
use menshen_domain::frame::Frame;

/// How often a tilted face is turned at most: the second time it is nearly upright, and what was left is measured.
const TURNS_MAX: usize = 2;

/// A face brought to its standard place.
pub struct Aligned {
    /// Packed RGB, 112 × 112.
    pub face: AlignedFace,
    /// Where its head was found tilted: the landmarks, which give the head's pose better than those it was detected with.
    pub tilted: Option<Landmarks>,
}

impl Aligned {
    /// Pose of a tilted head.
    pub fn tilted_pose(&self) -> Option<HeadPose> {
        self.tilted.as_ref().and_then(head_pose)
    }
}

impl FaceAnalyzer {
    /// A face as it is to be embedded: brought to its standard place by the best landmarks there are. `None` when
    /// they coincide. `face` is in pixels of the frame.
    ///
    /// # Errors
    /// When a cut-out cannot be scaled, or the detector does not run or gives nonsense.
    pub fn align(&mut self, frame: &Frame, face: &Detection) -> Result<Option<Aligned>, VisionError> {
        let passes = self.detector.refinement_passes.clone();
        let seen = self.refine(frame, face, &passes, 0.0)?;
        let landmarks = mean_landmarks(seen.iter().map(|seen| &seen.landmarks).chain([&face.landmarks]));
        let tilted = self.upright(frame, face, &landmarks)?;
        Ok(align(frame, tilted.as_ref().unwrap_or(&landmarks)).map(|face| Aligned { face, tilted }))
    }

    /// `face` as each of `passes` detects it that finds it.
    pub(super) fn refine(
        &mut self,
        frame: &Frame,
        face: &Detection,
        passes: &[RefinementPass],
        tilt_deg: f32,
    ) -> Result<Vec<Detection>, VisionError> {
        let mut resizer: Resizer = std::mem::take(&mut self.resizer);
        let seen = refine(frame, face, passes, tilt_deg, &mut resizer, |cut_out| self.detect(cut_out));
        self.resizer = resizer;
        seen
    }

    /// The landmarks of a face whose head seems tilted, seen upright; `None` where it is not, or is not found again.
    pub(super) fn upright(
        &mut self,
        frame: &Frame,
        face: &Detection,
        landmarks: &Landmarks,
    ) -> Result<Option<Landmarks>, VisionError> {
        let Some(TiltedSpec { from_deg, sure_score, reported_share, face_px, side_px }) =
            self.detector.tilted
        else {
            return Ok(None);
        };
        let passes = self.detector.refinement_passes.clone();
        let mut tilt = tilt_deg(landmarks);
        // Of a far tilt less is measured again, but the score is lower.
        if tilt.abs() < from_deg && face.score >= sure_score {
            return Ok(None);
        }
        let large = RefinementPass { face_px, side_px, mirrored: false };
        if let Some(seen) = self.refine(frame, face, &[large], 0.0)?.first() {
            tilt = tilt_deg(&seen.landmarks);
        }
        if tilt.abs() < from_deg {
            return Ok(None);
        }
        let mut upright = None;
        for _ in 0..TURNS_MAX {
            let seen = self.refine(frame, face, &passes, tilt)?;
            if seen.is_empty() {
                break;
            }
            let found = mean_landmarks(seen.iter().map(|seen| &seen.landmarks));
            let left = tilt_deg(&found) - tilt;
            upright = Some(found);
            if left.abs() < from_deg / 2.0 {
                break;
            }
            tilt += left / reported_share;
        }
        Ok(upright)
    }

    /// The largest face of a photo, whatever its quality, in pixels of the frame, and aligned; `None` without a face.
    ///
    /// # Errors
    /// When the frame cannot be scaled, or the detector does not run or gives nonsense.
    pub fn largest_face(
        &mut self,
        frame: &Frame,
    ) -> Result<Option<(Detection, Option<AlignedFace>)>, VisionError> {
        if let Some(found) = self.coarse_detect(frame)? {
            return Ok(Some(found));
        }
        let faces = self.detect(frame)?;
        let Some(face) = faces.into_iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area())) else {
            return Ok(None);
        };
        let Some(Aligned { face: aligned, tilted }) = self.align(frame, &face)? else {
            return Ok(Some((face, None)));
        };
        let landmarks = tilted.unwrap_or(face.landmarks);
        Ok(Some((Detection { landmarks, ..face }, Some(aligned))))
    }
}
