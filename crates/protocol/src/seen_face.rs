//! A face as the published `detect` shows it.

use serde_json::{Map, Value, json};

use super::event::WireHeadPose;
use super::number::rounded;
use menshen_domain::attributes::Attributes;
use menshen_domain::face::{HeadPose, Landmarks};

/// What of a face is asked for, beside its box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WantedParts {
    /// `feature`, always empty: templates do not leave the box.
    pub feature: bool,
    /// `attribute`: age and gender.
    pub attribute: bool,
    /// `headpose`; the answer's name is ours, since none is published.
    pub headpose: bool,
    /// `landmark`: five x, then five y.
    pub landmark: bool,
}

/// One face; `bbox` is `[x1, y1, x2, y2]` in pixels of the picture. What was not measured is null.
pub fn seen_face(
    bbox: [f32; 4],
    landmarks: &Landmarks,
    pose: Option<HeadPose>,
    attributes: Option<&Attributes>,
    wanted: WantedParts,
) -> Value {
    let mut face = Map::new();
    face.insert("bbox".to_owned(), json!(bbox.map(rounded)));
    if wanted.attribute {
        let age = attributes.and_then(|seen| seen.age).map(|guess| guess.years);
        let gender = attributes.and_then(|seen| seen.gender).map(|guess| guess.gender);
        face.insert("attribute".to_owned(), json!({ "age": age, "gender": gender }));
    }
    if wanted.landmark {
        let axis = |axis: usize| landmarks.iter().map(move |point| rounded(point[axis]));
        face.insert("landmark".to_owned(), axis(0).chain(axis(1)).collect());
    }
    if wanted.headpose {
        face.insert("headpose".to_owned(), json!(pose.map(WireHeadPose::from)));
    }
    if wanted.feature {
        face.insert("feature".to_owned(), json!([]));
    }
    Value::Object(face)
}

#[cfg(test)]
mod tests {
    use super::*;
    use menshen_domain::attributes::{Gender, GenderGuess};

    #[test]
    fn only_what_is_asked_for_is_shown() {
        let landmarks = [[1.0, 6.0], [2.0, 7.0], [3.0, 8.0], [4.0, 9.0], [5.0, 10.0]];
        let pose = Some(HeadPose { yaw_deg: 1.0, pitch_deg: 2.0, roll_deg: 3.0 });
        let seen =
            Attributes { age: None, gender: Some(GenderGuess { gender: Gender::Female, confidence: 0.9 }) };
        let all = WantedParts { feature: true, attribute: true, headpose: true, landmark: true };
        let face = |wanted| seen_face([0.0, 1.0, 2.0, 3.0], &landmarks, pose, Some(&seen), wanted);
        assert_eq!(face(WantedParts::default()), json!({ "bbox": [0.0, 1.0, 2.0, 3.0] }));
        assert_eq!(
            face(all),
            json!({
                "bbox": [0.0, 1.0, 2.0, 3.0],
                "attribute": { "age": null, "gender": "female" },
                "landmark": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
                "headpose": { "pitch_angle": 2.0, "roll_angle": 3.0, "yaw_angle": 1.0 },
                "feature": [],
            })
        );
        let unmeasured = seen_face([0.0; 4], &landmarks, None, None, all);
        assert!(unmeasured["headpose"].is_null() && unmeasured["attribute"]["age"].is_null(), "{unmeasured}");
    }
}
