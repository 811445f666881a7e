//! The face result of `fiqa` (protocol section 5).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::attributes::FaceAttributes;
use super::event::FaceInfo;
use super::number::rounded;
use menshen_domain::event::ShotQuality;
use menshen_domain::report_options::OcclusionTrue;

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

/// The same for the published `FIQA`, whose example has other names for some measurements: both are there. `occlusion` is as
/// the platform understands it.
pub fn published(face: &ShotQuality, occlusion: OcclusionTrue) -> Value {
    let mut judged = FaceResult::from(face);
    judged.info.say_occlusion(occlusion);
    let mut result = serde_json::to_value(judged).unwrap_or_default();
    let pose = face.head_pose;
    let angles = [pose.pitch_deg, pose.yaw_deg, pose.roll_deg].map(rounded);
    let info = &mut result["info"];
    // The order is not published; it is that of the sizes and signs of the example.
    info["face_angle"] = json!(angles);
    info["face_location"] = face.partial.into();
    info["face_color"] = rounded(face.brightness).into();
    info["image_quality"] = u8::from(face.passed).into();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::face::HeadPose;

    #[test]
    fn both_names_of_a_measurement_are_there() {
        let face = ShotQuality {
            head_pose: HeadPose { yaw_deg: 1.0, pitch_deg: 2.0, roll_deg: 3.0 },
            brightness: 0.5,
            passed: true,
            ..ShotQuality::default()
        };
        let shown = published(&face, OcclusionTrue::Free);
        assert_eq!(shown["info"]["face_angle"], json!([2.0, 1.0, 3.0]));
        assert_eq!(shown["info"]["headpose"]["pitch_angle"], json!(2.0));
        assert_eq!((&shown["info"]["face_color"], &shown["info"]["brightness"]), (&json!(0.5), &json!(0.5)));
        assert_eq!(
            (&shown["info"]["image_quality"], &shown["info"]["face_location"]),
            (&json!(1), &json!(false))
        );
        assert_eq!(shown["fiqa_result"], true);
    }
}
