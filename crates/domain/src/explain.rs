//! Why an event says what it says: what was seen of a passage, from the first detection to the decision. Kept with the
//! event, inside the same sealed record, and shown by `menshen why`.

use serde::{Deserialize, Serialize};

use super::limits;
use super::quality::Check;
use super::status::Language;

/// Why a person was not recognised, counted by kind (`menshen_unrecognised_total`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Smaller than the level allows.
    TooSmall,
    /// Turned or tilted further than the level allows.
    TurnedAway,
    /// Not sharp enough.
    Blurred,
    /// Too dark or too bright.
    Lighting,
    /// Part of the face is outside the picture.
    Partial,
    /// A mask, or covered eyes or mouth.
    Covered,
    /// Seen in too few pictures.
    TooBrief,
    /// Good enough, and gone before an embedding was made.
    NoShot,
    /// No candidate reaches the match threshold.
    BelowThreshold,
    /// Two people of the registry are equally similar.
    TooClose,
    /// Known, but not in the registry group or a permission group of this camera.
    NotInGroup,
    /// Known, but before or after the time they may come.
    Expired,
    /// The face, whosever it is, was not taken for a living one.
    NotLive,
}

impl Reason {
    /// All reasons, for metrics.
    pub const ALL: [Self; 13] = [
        Self::TooSmall,
        Self::TurnedAway,
        Self::Blurred,
        Self::Lighting,
        Self::Partial,
        Self::Covered,
        Self::TooBrief,
        Self::NoShot,
        Self::BelowThreshold,
        Self::TooClose,
        Self::NotInGroup,
        Self::Expired,
        Self::NotLive,
    ];

    /// Label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooSmall => "too_small",
            Self::TurnedAway => "turned_away",
            Self::Blurred => "blurred",
            Self::Lighting => "lighting",
            Self::Partial => "partial",
            Self::Covered => "covered",
            Self::TooBrief => "too_brief",
            Self::NoShot => "no_shot",
            Self::BelowThreshold => "below_threshold",
            Self::TooClose => "too_close",
            Self::NotInGroup => "not_in_group",
            Self::Expired => "expired",
            Self::NotLive => "not_live",
        }
    }

    /// For people.
    pub fn text(self, language: Language) -> &'static str {
        let (en, zh) = match self {
            Self::TooSmall => ("the face was too small", "人脸过小"),
            Self::TurnedAway => ("the head was turned away", "姿态过大"),
            Self::Blurred => ("the face was blurred", "人脸模糊"),
            Self::Lighting => ("too dark or too bright", "光照不合格"),
            Self::Partial => ("part of the face was outside the picture", "人脸不完整"),
            Self::Covered => ("the face was covered", "人脸被遮挡"),
            Self::TooBrief => ("seen too briefly", "出现时间过短"),
            Self::NoShot => ("gone before it was looked at closely", "未取得抓拍"),
            Self::BelowThreshold => ("nobody of the registry is similar enough", "低于识别阈值"),
            Self::TooClose => ("two people of the registry are equally similar", "两人相似度过近"),
            Self::NotInGroup => ("known, but not in a group of this camera", "不在本设备的权限组或底库组"),
            Self::Expired => ("known, but outside the time they may come", "不在有效期内"),
            Self::NotLive => ("the face was not taken for a living one", "未通过活体检测"),
        };
        if language == Language::Zh { zh } else { en }
    }

    /// The reason for a failed check.
    pub fn of_check(check: Check) -> Self {
        match check {
            Check::FaceSize => Self::TooSmall,
            Check::HeadPose => Self::TurnedAway,
            Check::Clarity => Self::Blurred,
            Check::Brightness => Self::Lighting,
            Check::Partial => Self::Partial,
            Check::Occlusion | Check::Mask => Self::Covered,
        }
    }
}

/// What the name, or that there is none, rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionBasis {
    /// No name was given.
    #[default]
    None,
    /// One shot above the match threshold by the high-confidence margin.
    OneShot,
    /// Two shots above the threshold that name the same person.
    TwoShots,
    /// Several shots fused.
    Fusion,
    /// One shot above the threshold, and the person was gone before a second.
    LastShot,
    /// Two people were too similar to decide; the more similar one at the end.
    MoreSimilar,
}

impl DecisionBasis {
    /// For people.
    pub fn text(self, language: Language) -> &'static str {
        let (en, zh) = match self {
            Self::None => ("nobody was named", "未识别"),
            Self::OneShot => ("one shot well above the threshold", "单张确认"),
            Self::TwoShots => ("two shots that agree", "两张一致"),
            Self::Fusion => ("several shots fused", "多张融合"),
            Self::LastShot => ("one shot above the threshold, at the end", "结束时单张"),
            Self::MoreSimilar => ("the more similar of two close people, at the end", "结束时取更相似者"),
        };
        if language == Language::Zh { zh } else { en }
    }
}

/// A person of the registry and the similarity to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The platform's id, shortened to [`limits::EXPLAINED_ID_CHARS_MAX`].
    pub id: String,
    /// Raw similarity, −1 to 1.
    pub similarity: f32,
}

impl Ranked {
    /// A person with a raw similarity; a long id is shortened.
    pub fn new(id: &str, similarity: f32) -> Self {
        Self { id: id.chars().take(limits::EXPLAINED_ID_CHARS_MAX).collect(), similarity }
    }
}

/// One face an embedding was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShotRecord {
    /// After the passage began.
    pub after_ms: u64,
    /// FIQA score, 0–1.
    pub quality: f32,
    /// The most similar people, at most [`limits::EXPLAINED_BEST`].
    pub best: Vec<Ranked>,
    /// Whether it agreed with the other shots and is part of the fused embedding.
    pub used: bool,
    /// Liveness score, 0–1; absent where the device does not ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<f32>,
}

/// How often a check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckCount {
    /// The check.
    pub check: Check,
    /// Pictures in which it failed.
    pub failed: u32,
}

/// The whole chain of one passage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    /// Pictures in which the face was found, and of those the ones in which it passed the live level.
    pub looks: u32,
    /// Pictures in which the face passed the live level.
    pub passed: u32,
    /// How often each check failed.
    pub checks: Vec<CheckCount>,
    /// At most [`limits::SHOTS_KEPT`], the best ones.
    pub shots: Vec<ShotRecord>,
    /// The people most similar to the fused embedding.
    pub fused: Vec<Ranked>,
    /// Raw similarity (cosine) of the match threshold.
    pub threshold: f32,
    /// Above the threshold, what one shot alone needs. Events stored by 0.1 have the alias.
    #[serde(alias = "sure_margin")]
    pub high_confidence_margin: f32,
    /// Least margin before the second most similar person. Events stored by 0.1 have the alias.
    #[serde(alias = "lead_min")]
    pub top2_margin_min: f32,
    /// Least liveness, where the device asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_min: Option<f32>,
    /// Permission groups of the camera.
    pub groups: Vec<String>,
    /// And the registry group the face was compared with; empty in events of older versions.
    pub registry_group: String,
    /// Events stored by 0.1 have the alias.
    #[serde(alias = "ground")]
    pub basis: DecisionBasis,
    /// Why no name was given.
    pub reason: Option<Reason>,
    /// A person of the registry who may not pass here, or not now, or whose picture the face was judged to be.
    pub not_here: Option<Ranked>,
}

/// Counts which checks fail.
#[derive(Debug, Clone, Default)]
pub struct CheckTally(Vec<CheckCount>);

impl CheckTally {
    /// Counts the failed checks of one picture.
    pub fn note(&mut self, fails: &[Check]) {
        for check in fails {
            match self.0.iter_mut().find(|count| count.check == *check) {
                Some(count) => count.failed += 1,
                None => self.0.push(CheckCount { check: *check, failed: 1 }),
            }
        }
    }

    /// Adds the counts of another passage.
    pub fn absorb(&mut self, other: &Self) {
        for CheckCount { check, failed } in &other.0 {
            match self.0.iter_mut().find(|count| count.check == *check) {
                Some(count) => count.failed += failed,
                None => self.0.push(CheckCount { check: *check, failed: *failed }),
            }
        }
    }

    /// The check that failed most often.
    pub fn worst(&self) -> Option<Check> {
        self.0.iter().max_by_key(|count| count.failed).map(|count| count.check)
    }

    /// All counts, in the order of first failure.
    pub fn counts(&self) -> Vec<CheckCount> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own_and_is_read_back() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        for reason in Reason::ALL {
            let text = serde_json::to_string(&reason).unwrap();
            assert_eq!(text, format!("\"{}\"", reason.name()));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn the_check_that_fails_most_is_the_reason() {
        let mut tally = CheckTally::default();
        assert_eq!(tally.worst(), None);
        tally.note(&[Check::FaceSize, Check::HeadPose]);
        tally.note(&[Check::HeadPose]);
        let mut other = CheckTally::default();
        other.note(&[Check::Partial]);
        tally.absorb(&other);
        assert_eq!(tally.worst().map(Reason::of_check), Some(Reason::TurnedAway));
        assert_eq!(tally.counts().len(), 3);
    }

    #[test]
    fn an_explanation_is_small_and_one_of_a_later_version_can_be_read() {
        let id = "x".repeat(500);
        let best = vec![Ranked::new(&id, 0.123_456_7); limits::EXPLAINED_BEST];
        let shot = ShotRecord {
            after_ms: 60_000,
            quality: 0.5,
            best: best.clone(),
            used: true,
            liveness: Some(0.123_456_7),
        };
        let written = Explanation {
            shots: vec![shot; limits::SHOTS_KEPT],
            fused: best,
            reason: Some(Reason::BelowThreshold),
            ..Explanation::default()
        };
        let text = serde_json::to_string(&written).unwrap();
        assert!(text.len() < 5000, "{}", text.len());
        assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), written);
        assert_eq!(serde_json::from_str::<Explanation>(r#"{"new":1}"#).unwrap(), Explanation::default());
    }

    #[test]
    fn an_explanation_of_version_0_1_is_read() {
        let old = r#"{"sure_margin":0.25,"lead_min":0.125,"ground":"two_shots"}"#;
        let read: Explanation = serde_json::from_str(old).unwrap();
        assert_eq!((read.high_confidence_margin, read.top2_margin_min), (0.25, 0.125));
        assert_eq!(read.basis, DecisionBasis::TwoShots);
    }
}
