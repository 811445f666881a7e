//! Face image quality (FIQA): the protocol's levels as data, and the judgement (protocol section 5).

use serde::{Deserialize, Serialize};

use super::face::{BBox, HeadPose};

/// What can be checked. The names are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Shorter side of the box.
    FaceSize,
    /// Sum of the three angles.
    #[serde(rename = "headpose")]
    HeadPose,
    /// Eyes or mouth covered.
    Occlusion,
    /// Sharpness.
    Clarity,
    /// A mask.
    Mask,
    /// Part of the face outside the picture.
    Partial,
    /// Mean luma.
    Brightness,
}

impl Check {
    /// As bodies and metrics write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FaceSize => "face_size",
            Self::HeadPose => "headpose",
            Self::Occlusion => "occlusion",
            Self::Clarity => "clarity",
            Self::Mask => "mask",
            Self::Partial => "partial",
            Self::Brightness => "brightness",
        }
    }
}

/// Limits of one level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QualityLimits {
    /// The face must be larger than this.
    pub face_size_min_px: f32,
    /// |yaw| + |pitch| + |roll| may be at most this.
    pub pose_sum_max_deg: f32,
    /// Checked besides size and pose.
    pub also: Vec<Check>,
}

/// The level a face must pass.
#[derive(Debug, Clone, PartialEq)]
pub enum QualityLevel {
    /// For enrolment: everything is checked.
    High,
    /// Size, pose, completeness, light.
    Middle,
    /// Size and pose.
    Low,
    /// As configured.
    Custom(QualityLimits),
    /// Everything passes.
    No,
}

/// The levels by name, as the protocol and the configuration write them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LevelName {
    /// [`QualityLevel::High`].
    #[default]
    High,
    /// [`QualityLevel::Middle`].
    Middle,
    /// [`QualityLevel::Low`].
    Low,
    /// [`QualityLevel::Custom`].
    Custom,
    /// [`QualityLevel::No`].
    No,
}

impl LevelName {
    /// Reads a name, whatever its case; `None` for an unknown one.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "high" => Some(Self::High),
            "middle" => Some(Self::Middle),
            "low" => Some(Self::Low),
            "custom" => Some(Self::Custom),
            "no" => Some(Self::No),
            _ => None,
        }
    }
}

impl QualityLevel {
    /// The level of a name, with the configured limits for `custom`.
    pub fn named(name: LevelName, custom: &QualityLimits) -> Self {
        match name {
            LevelName::High => Self::High,
            LevelName::Middle => Self::Middle,
            LevelName::Low => Self::Low,
            LevelName::Custom => Self::Custom(custom.clone()),
            LevelName::No => Self::No,
        }
    }

    /// The protocol's table; `None` for `no`, which everything passes.
    pub fn limits(&self) -> Option<QualityLimits> {
        use Check::{Brightness, Clarity, Mask, Occlusion, Partial};
        let limits = |face_size_min_px, pose_sum_max_deg, also: &[Check]| {
            Some(QualityLimits { face_size_min_px, pose_sum_max_deg, also: also.to_vec() })
        };
        match self {
            Self::High => limits(112.0, 60.0, &[Occlusion, Mask, Partial, Brightness, Clarity]),
            Self::Middle => limits(80.0, 90.0, &[Partial, Brightness]),
            Self::Low => limits(60.0, 120.0, &[]),
            Self::Custom(custom) => Some(custom.clone()),
            Self::No => None,
        }
    }
}

/// What was measured on one face. What no loaded model measures is `None`, never made up.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurements {
    /// In pixels of the picture the face was found in.
    pub bbox: BBox,
    /// Detector's confidence, 0–1.
    pub detector_score: f32,
    /// Shorter side of the box, px.
    pub face_size_px: f32,
    /// Mean luma of the aligned face, 0–1.
    pub brightness: f32,
    /// 0–1, see `vision::quality`.
    pub clarity: f32,
    /// Estimated from the landmarks.
    pub head_pose: HeadPose,
    /// The face leaves the picture.
    pub partial: bool,
    /// Probability of a mask, 0–1.
    pub mask: Option<f32>,
    /// Whether they are covered: left eye, right eye (as seen in the picture), mouth.
    pub occlusion: Option<[bool; 3]>,
}

/// Mean luma an aligned face must have: below, shadows drown the features (a face lit from behind is about
/// 0.1); above, highlights are burnt out.
pub const BRIGHTNESS_RANGE: std::ops::RangeInclusive<f32> = 0.15..=0.90;
/// Least clarity; a portrait blurred by a Gaussian of 4 px in the 112 px crop falls below it (see
/// `vision::quality`'s tests).
pub const CLARITY_MIN: f32 = 0.20;
/// A mask is taken for worn from this probability. The scale is set so that two unmasked faces in a thousand of people it
/// was not learned from reach it (`benches/mask/train.py`): a false alarm refuses an enrolment.
pub const MASK_MAX: f32 = 0.5;

/// The outcome of a level's checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Whether no check failed.
    pub passed: bool,
    /// Overall score, 0–1.
    pub score: f32,
    /// Checks that passed.
    pub success: Vec<Check>,
    /// Checks that failed.
    pub fails: Vec<Check>,
}

/// Judges a face. A check that could not be measured is in neither list and fails no face.
pub fn judge(level: &QualityLevel, face: &Measurements) -> Judgement {
    let mut judgement =
        Judgement { passed: true, score: overall_score(face), success: Vec::new(), fails: Vec::new() };
    let Some(limits) = level.limits() else { return judgement };
    let mut results = vec![
        (Check::FaceSize, Some(face.face_size_px > limits.face_size_min_px)),
        (Check::HeadPose, Some(face.head_pose.deviation_deg() <= limits.pose_sum_max_deg)),
    ];
    for check in limits.also {
        let result = match check {
            Check::FaceSize | Check::HeadPose => continue,
            Check::Clarity => Some(face.clarity >= CLARITY_MIN),
            // A face without contours shows neither eyes nor mouth: whether they are covered cannot be said.
            Check::Mask | Check::Occlusion if face.clarity < CLARITY_MIN => None,
            Check::Mask => face.mask.map(|probability| probability < MASK_MAX),
            Check::Occlusion => face.occlusion.map(|parts| !parts.contains(&true)),
            Check::Partial => Some(!face.partial),
            Check::Brightness => Some(BRIGHTNESS_RANGE.contains(&face.brightness)),
        };
        results.push((check, result));
    }
    for (check, result) in results {
        match result {
            Some(true) => judgement.success.push(check),
            Some(false) => judgement.fails.push(check),
            None => {}
        }
    }
    judgement.passed = judgement.fails.is_empty();
    judgement
}

/// Ranks shots of one face: the detector's confidence, then size up to the enrolment size, then how frontal.
/// Sharpness and yaw alone did not predict recognition (docs/recognition/quality.md); the detector's score did.
fn overall_score(face: &Measurements) -> f32 {
    const FULL_SIZE_PX: f32 = 112.0;
    let size = (face.face_size_px / FULL_SIZE_PX).clamp(0.0, 1.0);
    let frontal = 1.0 - (face.head_pose.deviation_deg() / 180.0).clamp(0.0, 1.0);
    (face.detector_score.clamp(0.0, 1.0) * (0.4 + 0.3 * size + 0.3 * frontal)).clamp(0.0, 1.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn good_face() -> Measurements {
        Measurements {
            bbox: BBox { x1: 0.0, y1: 0.0, x2: 150.0, y2: 190.0 },
            detector_score: 0.9,
            face_size_px: 150.0,
            brightness: 0.5,
            clarity: 0.8,
            head_pose: HeadPose::default(),
            partial: false,
            mask: None,
            occlusion: None,
        }
    }

    fn check(level: &QualityLevel, face: &Measurements, expect_fails: &[Check]) {
        let judgement = judge(level, face);
        assert_eq!(judgement.fails, expect_fails, "{level:?}");
        assert_eq!(judgement.passed, expect_fails.is_empty());
    }

    #[test]
    fn the_levels_are_the_protocols() {
        use Check::{Brightness, Clarity, FaceSize, HeadPose as Pose, Mask, Occlusion, Partial};
        let good = good_face();
        check(&QualityLevel::High, &good, &[]);
        let small = Measurements { face_size_px: 112.0, ..good.clone() };
        check(&QualityLevel::High, &small, &[FaceSize]);
        check(&QualityLevel::Middle, &small, &[]);
        let turned = Measurements {
            head_pose: HeadPose { yaw_deg: -50.0, pitch_deg: 20.0, roll_deg: 0.0 },
            ..good.clone()
        };
        check(&QualityLevel::High, &turned, &[Pose]);
        check(&QualityLevel::Middle, &turned, &[]);
        let poor = Measurements { brightness: 0.05, partial: true, mask: Some(0.9), ..good.clone() };
        check(&QualityLevel::High, &poor, &[Mask, Partial, Brightness]);
        let blurred =
            Measurements { clarity: 0.0, mask: Some(0.9), occlusion: Some([true; 3]), ..good.clone() };
        check(&QualityLevel::High, &blurred, &[Clarity]);
        for covered in 0..3 {
            let occlusion = Some(std::array::from_fn(|part| part == covered));
            let face = Measurements { occlusion, ..good.clone() };
            check(&QualityLevel::High, &face, &[Occlusion]);
            check(&QualityLevel::Middle, &face, &[]);
        }
        check(&QualityLevel::Middle, &poor, &[Partial, Brightness]);
        check(&QualityLevel::Low, &poor, &[]);
        check(&QualityLevel::No, &poor, &[]);
    }

    #[test]
    fn what_was_not_measured_is_in_neither_list() {
        let judgement = judge(&QualityLevel::High, &good_face());
        assert!(!judgement.success.contains(&Check::Mask) && !judgement.success.contains(&Check::Occlusion));
    }
}
