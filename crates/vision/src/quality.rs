//! Measuring one face for the quality checks.

use std::fmt;

use crate::align::{ALIGNED_SIDE, REFERENCE, Similarity};
use crate::occlusion::occlusion;
use crate::pose::head_pose;
use menshen_domain::face::{Detection, HeadPose};
use menshen_domain::frame::Frame;
use menshen_domain::quality::{Check, Judgement, Measurements, QualityLevel};

/// Laplacian variance (of 0–255 luma in the aligned crop) that counts as half clear.
const HALF_CLEAR_VARIANCE: f32 = 120.0;

/// A face that does not pass a level: which checks failed, and by how much.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityFailure {
    /// What was measured, in pixels of the photo.
    pub measurements: Measurements,
    /// The checks of the level that it passed and failed.
    pub judgement: Judgement,
    /// The level it had to pass.
    pub level: QualityLevel,
}

impl QualityFailure {
    /// Whether the face is too small and nothing else is wrong with it.
    pub fn is_size_only(&self) -> bool {
        self.judgement.fails == [Check::FaceSize]
    }
}

impl fmt::Display for QualityFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let face = &self.measurements;
        let limits = self.level.limits();
        let (size_min, pose_max) =
            limits.map_or((0.0, 0.0), |limits| (limits.face_size_min_px, limits.pose_sum_max_deg));
        for (index, check) in self.judgement.fails.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match check {
                Check::FaceSize => {
                    write!(f, "face_size {:.0} px, more than {size_min:.0} needed", face.face_size_px)
                }
                Check::HeadPose => {
                    let sum = face.head_pose.deviation_deg();
                    write!(f, "headpose {sum:.0} degrees in sum, at most {pose_max:.0}")
                }
                Check::Clarity => write!(f, "clarity {:.2}", face.clarity),
                Check::Brightness => write!(f, "brightness {:.2}", face.brightness),
                Check::Mask => write!(f, "mask {:.2}, take it off", face.mask.unwrap_or_default()),
                Check::Occlusion => write!(f, "occlusion: {} covered", covered_parts(face)),
                Check::Partial => write!(f, "partial, the face leaves the picture"),
            }?;
        }
        Ok(())
    }
}

impl std::error::Error for QualityFailure {}

fn covered_parts(face: &Measurements) -> String {
    let parts = ["left eye", "right eye", "mouth"].into_iter().zip(face.occlusion.unwrap_or_default());
    parts.filter(|(_, covered)| *covered).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

/// Measures brightness, clarity, size, pose and completeness of a face, in pixels of `frame`, and what
/// covers it. `aligned` is the face as it will be embedded (packed RGB, 112 × 112); without it, brightness and clarity are 0 and what
/// covers the face is not known.
pub fn measure(frame: &Frame, face: &Detection, aligned: Option<&[u8]>) -> Measurements {
    let cover = aligned.and_then(occlusion);
    let luma = aligned.map(luma_of).unwrap_or_default();
    let (w, h) = (frame.width as f32, frame.height as f32);
    // A face on the border: the detector extrapolates a box over the edge.
    let slack = face.bbox.width() * 0.02;
    let partial = face.bbox.x1 < -slack
        || face.bbox.y1 < -slack
        || face.bbox.x2 > w + slack
        || face.bbox.y2 > h + slack
        || face.landmarks.iter().any(|p| p[0] < 0.0 || p[1] < 0.0 || p[0] >= w || p[1] >= h)
        || share_outside(face, w, h) > OUTSIDE_MAX;
    Measurements {
        bbox: face.bbox,
        detector_score: face.score,
        face_size_px: face.bbox.width().min(face.bbox.height()),
        brightness: luma.iter().sum::<f32>() / luma.len().max(1) as f32 / 255.0,
        clarity: clarity(&luma),
        // Landmarks without a pose are no face one could recognise: as turned away as can be.
        head_pose: head_pose(&face.landmarks).unwrap_or(HeadPose {
            yaw_deg: 180.0,
            pitch_deg: 0.0,
            roll_deg: 0.0,
        }),
        partial,
        mask: cover.map(|cover| cover.mask),
        occlusion: cover.map(|cover| cover.parts),
    }
}

/// Of the inner face (eyebrows to chin, cheek to cheek in the aligned crop), this share may lie outside the picture. A
/// detector's box ends at the edge of the picture together with the face, so the box alone does not show it.
const OUTSIDE_MAX: f32 = 0.1;

/// How much of where the inner face must be, going by the landmarks, lies outside the picture.
fn share_outside(face: &Detection, width: f32, height: f32) -> f32 {
    const STEPS: u8 = 10;
    let Some(back) = Similarity::fit(&face.landmarks, &REFERENCE).and_then(|fit| fit.inverse()) else {
        return 0.0;
    };
    let at = |from: f32, to: f32, step: u8| from + (to - from) * f32::from(step) / f32::from(STEPS - 1);
    let mut outside = 0u8;
    for row in 0..STEPS {
        for column in 0..STEPS {
            let [x, y] = back.apply(at(18.0, 94.0, column), at(24.0, 106.0, row));
            outside += u8::from(x < 0.0 || y < 0.0 || x >= width || y >= height);
        }
    }
    f32::from(outside) / f32::from(STEPS * STEPS)
}

/// ITU-R BT.601 luma.
fn luma_of(face: &[u8]) -> Vec<f32> {
    face.chunks_exact(3)
        .map(|p| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]))
        .collect()
}

/// Variance of the Laplacian (Pech-Pacheco et al., ICPR 2000) over the inner face, mapped to 0–1 by
/// `v / (v + HALF_CLEAR_VARIANCE)`.
fn clarity(luma: &[f32]) -> f32 {
    if luma.len() != ALIGNED_SIDE * ALIGNED_SIDE {
        return 0.0;
    }
    let at = |x: usize, y: usize| luma[y * ALIGNED_SIDE + x];
    let inner = ALIGNED_SIDE / 8..ALIGNED_SIDE * 7 / 8;
    let (mut sum, mut squares, mut count) = (0.0f32, 0.0f32, 0.0f32);
    for y in inner.clone() {
        for x in inner.clone() {
            let value = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y);
            sum += value;
            squares += value * value;
            count += 1.0;
        }
    }
    let mean = sum / count;
    let variance = (squares / count - mean * mean).max(0.0);
    variance / (variance + HALF_CLEAR_VARIANCE)
}
