//! Coarse detection: the face of a photo in a small copy of it.
//!
//! A photo for the registry mostly shows one face, and a large one: a small copy is enough to find it, and the refinement
//! passes then measure where exactly it is. Detecting it in the whole photo is several times the work
//! (docs/measurements/performance.md).

use super::FaceAnalyzer;
use super::refinement::{FoundFace, best_score};
use crate::align::align;
use crate::error::{Misaligned, VisionError};
use crate::refine::mean_landmarks;
use menshen_domain::face::{BBox, Detection};
use menshen_domain::frame::Frame;

/// Longer side of the small copy, px: a face that is a fifth of the photo has 32 px there, which the detector knows well. On LFW
/// sides from 128 to 208 gave the same within chance.
const SIDE: u32 = 160;
/// Longer side of photos that are processed as they are, px: a copy would save little.
const PHOTO_MIN: u32 = SIDE * 5 / 4;
/// Longer side of a face that is large enough, px of the copy.
const FACE_MIN: f32 = 32.0;
/// The detector's confidence must be this; above its usual threshold, since the whole photo is searched for what is missed here.
const SCORE_MIN: f32 = 0.8;
/// A refinement pass adds something when the face is larger in it than in the copy by this factor.
const ENLARGED_MIN: f32 = 1.3;

impl FaceAnalyzer {
    /// The largest face, if it is plainly there; `None`: the whole photo must be searched.
    pub(super) fn coarse_detect(&mut self, frame: &Frame) -> Result<Option<FoundFace>, VisionError> {
        let mut passes = self.detector.refinement_passes.clone();
        let longer = frame.width.max(frame.height);
        if passes.is_empty() || longer < PHOTO_MIN {
            return Ok(None);
        }
        let fit = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(longer)) as u32 / 2 * 2;
        let (w, h) = (fit(frame.width).max(2), fit(frame.height).max(2));
        let small = self.resizer.run(frame, w, h)?;
        // Low-score ones too: a larger face that is turned away must not lose to a small one.
        let faces = self.detect_low_score(&small)?;
        let largest = faces.into_iter().max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()));
        let Some(found) = largest
            .filter(|face| face.score >= SCORE_MIN && face.bbox.width().max(face.bbox.height()) >= FACE_MIN)
        else {
            return Ok(None);
        };
        // The largest in any case.
        let size = found.bbox.width().max(found.bbox.height());
        let most = passes.iter().map(|pass| pass.face_px).max().unwrap_or_default();
        passes.retain(|pass| pass.face_px == most || pass.face_px as f32 >= size * ENLARGED_MIN);
        let rough = enlarged(&found, [frame.width as f32 / w as f32, frame.height as f32 / h as f32]);
        let mut seen = self.refine(frame, &rough, &passes, 0.0)?;
        if seen.len() < passes.len() {
            return Ok(None);
        }
        let score = best_score(&seen);
        seen.push(rough);
        let face = mean(&seen);
        Ok(Some(match self.upright(frame, &face, &face.landmarks, score)? {
            Ok(tilted) => {
                let aligned = align(frame, tilted.as_ref().unwrap_or(&face.landmarks));
                let face = Detection { landmarks: tilted.unwrap_or(face.landmarks), ..face };
                (face, aligned.ok_or(Misaligned::Landmarks))
            }
            Err(misaligned) => (face, Err(misaligned)),
        }))
    }
}

/// In pixels of the photo. Pixels are squares: the middle of the first lies at a half.
fn enlarged(face: &Detection, scale: [f32; 2]) -> Detection {
    let BBox { x1, y1, x2, y2 } = face.bbox;
    Detection {
        bbox: BBox { x1: x1 * scale[0], y1: y1 * scale[1], x2: x2 * scale[0], y2: y2 * scale[1] },
        landmarks: face.landmarks.map(|[x, y]| [(x + 0.5) * scale[0] - 0.5, (y + 0.5) * scale[1] - 0.5]),
        score: face.score,
    }
}

/// One face detected several times; its score is the lowest of them.
fn mean(seen: &[Detection]) -> Detection {
    let of = |value: fn(&Detection) -> f32| seen.iter().map(value).sum::<f32>() / seen.len() as f32;
    Detection {
        bbox: BBox {
            x1: of(|face| face.bbox.x1),
            y1: of(|face| face.bbox.y1),
            x2: of(|face| face.bbox.x2),
            y2: of(|face| face.bbox.y2),
        },
        landmarks: mean_landmarks(seen.iter().map(|face| &face.landmarks)),
        score: seen.iter().map(|face| face.score).fold(1.0, f32::min),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, score: f32) -> Detection {
        let bbox = BBox { x1: x, y1: 10.0, x2: x + 20.0, y2: 40.0 };
        Detection { bbox, landmarks: [[x, 20.0]; 5], score }
    }

    #[test]
    fn a_face_seen_twice_is_where_it_is_on_average() {
        let face = mean(&[face(10.0, 0.8), face(14.0, 1.0)]);
        assert_eq!(face.bbox, BBox { x1: 12.0, y1: 10.0, x2: 32.0, y2: 40.0 });
        assert_eq!(face.landmarks, [[12.0, 20.0]; 5]);
        assert!((face.score - 0.8).abs() < 1e-6);
    }

    #[test]
    fn what_is_found_in_the_copy_is_given_in_pixels_of_the_photo() {
        let large = enlarged(&face(10.0, 0.9), [4.0, 2.0]);
        assert_eq!(large.bbox, BBox { x1: 40.0, y1: 20.0, x2: 120.0, y2: 80.0 });
        let [x, y] = large.landmarks[0];
        assert!((x - 41.5).abs() < 1e-4 && (y - 40.5).abs() < 1e-4);
    }
}
