//! A face detected again before it is embedded: steadier landmarks, and a tilted head turned upright.

use super::{FaceAnalyzer, Orientation};
use crate::align::{AlignedFace, align};
use crate::error::{Misaligned, VisionError};
use crate::pose::head_pose;
use crate::refine::{mean_landmarks, refine, tilt_deg};
use crate::resize::Resizer;
use crate::spec::{RefinementPass, TiltedSpec};
use menshen_domain::face::{Detection, HeadPose, Landmarks};
use menshen_domain::frame::Frame;

/// How often a tilted face is turned at most: the second time it is nearly upright, and what was left is measured.
const TURNS_MAX: usize = 2;

/// A face in pixels of the frame, and brought to its standard place, or why it cannot be.
pub type FoundFace = (Detection, Result<AlignedFace, Misaligned>);

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
    /// A face as it is to be embedded: brought to its standard place by the best landmarks there are, or why it cannot be. `face` is in
    /// pixels of the frame.
    ///
    /// # Errors
    /// When a cut-out cannot be scaled, or the detector does not run or gives nonsense.
    pub fn align(
        &mut self,
        frame: &Frame,
        face: &Detection,
    ) -> Result<Result<Aligned, Misaligned>, VisionError> {
        let passes = self.detector.refinement_passes.clone();
        let seen = self.refine(frame, face, &passes, 0.0)?;
        let landmarks = mean_landmarks(seen.iter().map(|seen| &seen.landmarks).chain([&face.landmarks]));
        let upright = self.upright(frame, face, &landmarks, best_score(&seen))?;
        Ok(upright.and_then(|tilted| {
            let face = align(frame, tilted.as_ref().unwrap_or(&landmarks)).ok_or(Misaligned::Landmarks)?;
            Ok(Aligned { face, tilted })
        }))
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

    /// The landmarks of a face that is tilted or turned, seen upright; `None` where it is upright, or is not found again.
    /// `score` is what it scores as an upright one.
    pub(super) fn upright(
        &mut self,
        frame: &Frame,
        face: &Detection,
        landmarks: &Landmarks,
        score: f32,
    ) -> Result<Result<Option<Landmarks>, Misaligned>, VisionError> {
        let straightened = self.straightened(frame, face, landmarks)?;
        let score = straightened.map_or(score, |(_, straightened)| straightened.max(score));
        Ok(match self.orientation(frame, face, score)? {
            Orientation::Upright => Ok(straightened.map(|(landmarks, _)| landmarks)),
            Orientation::Unclear => Err(Misaligned::Orientation),
            Orientation::Turned(tilt) => {
                let turned = self.turned_back(frame, face, tilt)?;
                turned.map(|(landmarks, _)| Some(landmarks)).ok_or(Misaligned::Orientation)
            }
        })
    }

    /// The landmarks of a face whose head seems tilted, and its best score, seen upright; `None` where it is not tilted, or is not found
    /// again.
    fn straightened(
        &mut self,
        frame: &Frame,
        face: &Detection,
        landmarks: &Landmarks,
    ) -> Result<Option<(Landmarks, f32)>, VisionError> {
        let Some(TiltedSpec { from_deg, sure_score, face_px, side_px, .. }) = self.detector.tilted else {
            return Ok(None);
        };
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
        self.turned_back(frame, face, tilt)
    }

    /// The landmarks of a face that is tilted by about `tilt` degrees, and its best score; `None` where it is not found upright then.
    fn turned_back(
        &mut self,
        frame: &Frame,
        face: &Detection,
        mut tilt: f32,
    ) -> Result<Option<(Landmarks, f32)>, VisionError> {
        let passes = self.detector.refinement_passes.clone();
        let mut upright = None;
        for _ in 0..TURNS_MAX {
            let seen = self.refine(frame, face, &passes, tilt)?;
            if seen.is_empty() {
                break;
            }
            let found = mean_landmarks(seen.iter().map(|seen| &seen.landmarks));
            let left = within_half_turn(tilt_deg(&found) - tilt);
            upright = Some((found, best_score(&seen)));
            let Some(TiltedSpec { from_deg, reported_share, .. }) = self.detector.tilted else { break };
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
    pub fn largest_face(&mut self, frame: &Frame) -> Result<Option<FoundFace>, VisionError> {
        if let Some(found) = self.coarse_detect(frame)? {
            return Ok(Some(found));
        }
        let faces = self.detect(frame)?;
        let Some(face) = faces.into_iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area())) else {
            return Ok(None);
        };
        let Aligned { face: aligned, tilted } = match self.align(frame, &face)? {
            Ok(aligned) => aligned,
            Err(misaligned) => return Ok(Some((face, Err(misaligned)))),
        };
        let landmarks = tilted.unwrap_or(face.landmarks);
        Ok(Some((Detection { landmarks, ..face }, Ok(aligned))))
    }
}

/// The best of several detections; 0 where there is none.
pub(super) fn best_score(seen: &[Detection]) -> f32 {
    seen.iter().map(|face| face.score).fold(0.0, f32::max)
}

/// The same angle, −180 to 180 degrees.
fn within_half_turn(degrees: f32) -> f32 {
    (degrees + 180.0).rem_euclid(360.0) - 180.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_angle_goes_the_short_way_round() {
        for (given, expected) in [(0.0, 0.0), (-350.0, 10.0), (190.0, -170.0), (359.0, -1.0)] {
            assert!((within_half_turn(given) - expected).abs() < 1e-4, "{given}");
        }
    }
}
