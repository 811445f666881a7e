//! The face result of `fiqa` (protocol section 5).

use serde::{Deserialize, Serialize};

use super::attributes::FaceAttributes;
use super::event::FaceInfo;
use super::number::rounded;
use menshen_domain::event::ShotQuality;

/// One judged face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceResult {
    /// `[x1, y1, x2, y2]` in pixels of the upright picture.
    pub bbox: [f64; 4],
    /// Whether the face passed the level.
    pub fiqa_result: bool,
    /// 0–1.
    pub score: f64,
    /// Names of the checks that passed.
    pub success: Vec<String>,
    /// Names of the checks that failed.
    pub fails: Vec<String>,
    /// What was measured.
    pub info: FaceInfo,
    /// Here our own addition, with `recognition.attributes_in_fiqa`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognize_face_attr: Option<FaceAttributes>,
}

impl From<&ShotQuality> for FaceResult {
    fn from(face: &ShotQuality) -> Self {
        let bbox = &face.bbox;
        Self {
            bbox: [bbox.x1, bbox.y1, bbox.x2, bbox.y2].map(rounded),
            fiqa_result: face.passed,
            score: rounded(face.score),
            success: face.success.clone(),
            fails: face.fails.clone(),
            info: face.into(),
            recognize_face_attr: face.attributes.as_ref().map(Into::into),
        }
    }
}
