//! What goes into the engine of passages and what comes out.

use crate::candidate::Candidate;
use crate::decision::MatchThresholds;
use crate::explain::{CheckCount, DecisionBasis, Reason};
use crate::face::{Detection, Embedding, HeadPose};
use crate::frame::Frame;
use crate::limits;
use crate::quality::{Judgement, Measurements};
use crate::track::TrackId;

/// Tuning of passages; the defaults and their reasons are in `config/menshen.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageRules {
    /// Unseen for this long, a passage has ended.
    pub gap_ms: u64,
    /// A passage that lasts longer is reported and a new one begins.
    pub max_ms: u64,
    /// A stranger must have been seen in this many processed frames.
    pub stranger_hits_min: u32,
    /// Raw similarity from which a shot may name a person.
    pub match_threshold: f32,
    /// From this much above the threshold one shot is enough.
    pub high_confidence_margin: f32,
    /// Least margin before the second best person, as similarity.
    pub top2_margin_min: f32,
    /// Between two embeddings of the same unidentified face.
    pub embed_interval_ms: u64,
    /// A shot must be this much better than the best so far to be embedded once the person is known.
    pub better_shot_ratio: f32,
    /// Detector's confidence from which a face has a high score; one of a low score can only continue a track.
    pub high_score_min: f32,
    /// Least liveness score of a person who is to be named; `None` where the device does not ask for it.
    pub liveness_min: Option<f32>,
}

impl Default for PassageRules {
    fn default() -> Self {
        Self {
            gap_ms: 2500,
            max_ms: 60_000,
            stranger_hits_min: 3,
            match_threshold: 0.363,
            high_confidence_margin: 0.08,
            top2_margin_min: 0.05,
            embed_interval_ms: 150,
            better_shot_ratio: 1.15,
            high_score_min: 0.7,
            liveness_min: None,
        }
    }
}

impl PassageRules {
    /// The thresholds on raw similarities.
    pub fn thresholds(&self) -> MatchThresholds {
        MatchThresholds {
            match_threshold: self.match_threshold,
            high_confidence_margin: self.high_confidence_margin,
            top2_margin_min: self.top2_margin_min,
        }
    }

    /// Below this, two shots of one track show two people: six tenths of the match threshold, which all but one in twenty
    /// pairs of different people stay below, and which shots of one person taken within seconds stay above.
    pub(super) fn similarity_other(&self) -> f32 {
        self.match_threshold * 0.6
    }

    /// From this, two passages at one camera within `gap_ms`, never seen together, are one person's: lower than the
    /// match threshold, since there are one or two to compare with and not a whole gallery.
    pub fn similarity_rejoin(&self) -> f32 {
        self.match_threshold * 0.8
    }
}

/// Identifies a passage within one camera; never reused.
pub type PassageKey = u64;

/// One face in the frame being processed.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Where the face is.
    pub detection: Detection,
    /// What was measured on it.
    pub measurements: Measurements,
    /// The measurements against the camera's live level.
    pub judgement: Judgement,
}

impl Observation {
    /// With the head pose of the refined landmarks, if they gave one.
    pub fn with_pose(mut self, pose: Option<HeadPose>) -> Self {
        self.measurements.head_pose = pose.unwrap_or(self.measurements.head_pose);
        self
    }
}

/// A face worth an embedding: index into the observations, and the passage it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedRequest {
    /// Place in the slice that was given to [`Passages::observe`](super::Passages::observe).
    pub index: usize,
    /// The passage it belongs to.
    pub passage: PassageKey,
    /// The track it belongs to.
    pub track: TrackId,
}

/// A face with its embedding and its picture.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Owns its pixels.
    pub frame: Frame,
    /// When it was taken, on the clock `observe` is given.
    pub taken_ms: u64,
    /// The face in that frame.
    pub observation: Observation,
    /// Its embedding.
    pub embedding: Embedding,
    /// Liveness score, 0–1; `None` where the device does not ask.
    pub liveness: Option<f32>,
    /// The gallery's best, above or below the threshold, people first (`decision::people_first`).
    pub candidates: Vec<Candidate>,
}

impl Shot {
    /// FIQA score, 0–1.
    pub fn quality(&self) -> f32 {
        self.observation.judgement.score
    }

    /// The best candidate.
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.first()
    }

    /// Its weight in the fusion: quality × the embedding's length before normalisation, the best signal of how well a face
    /// was seen.
    pub(super) fn weight(&self) -> f32 {
        self.quality() * self.embedding.norm
    }
}

/// What is remembered of a shot.
#[derive(Debug, Clone)]
pub struct ShotNote {
    pub(super) tag: u64,
    /// When it was taken, on the clock `observe` is given.
    pub taken_ms: u64,
    /// FIQA score, 0–1.
    pub quality: f32,
    /// The best candidates, at most [`limits::EXPLAINED_BEST`].
    pub best: Vec<Candidate>,
    /// Liveness score, 0–1; `None` where the device does not ask.
    pub liveness: Option<f32>,
    /// Whether it agreed with the other shots.
    pub used: bool,
}

/// How the decision about a passage came about.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// Frames in which the face was found.
    pub looks: u32,
    /// Frames in which it passed the live level.
    pub passed: u32,
    /// How often each check failed.
    pub checks: Vec<CheckCount>,
    /// The shots that were kept.
    pub shots: Vec<ShotNote>,
    /// Best candidates of the fused embedding, at most [`limits::EXPLAINED_BEST`].
    pub fused: Vec<Candidate>,
    /// What the name rests on.
    pub basis: DecisionBasis,
    /// Why no name was given.
    pub reason: Option<Reason>,
}

/// The result of a passage's liveness check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Liveness {
    /// Mean of the shots, 0–1.
    pub score: f32,
    /// Whether the score was enough.
    pub is_live: bool,
}

/// A passage as far as it is known.
#[derive(Debug, Clone)]
pub struct PassageView {
    /// The passage.
    pub key: PassageKey,
    /// Clock of `observe`.
    pub first_seen_ms: u64,
    /// Clock of `observe`.
    pub last_seen_ms: u64,
    /// The shot that is reported.
    pub shot: Shot,
    /// The person; `None` for a stranger.
    pub identity: Option<Candidate>,
    /// The person who would have been named had the liveness check passed.
    pub not_live: Option<Candidate>,
    /// `None` where the device does not ask.
    pub liveness: Option<Liveness>,
    /// The fused embedding.
    pub looks_like: Embedding,
    /// How the decision came about.
    pub trace: Trace,
}

impl PassageView {
    /// A photo is a passage by itself, of one shot. `key` is 0: there is no second fact of it.
    ///
    /// `liveness_min`: where the device asks for liveness, the person found is named only when the shot's score reaches it;
    /// a shot without a score does not.
    pub fn of_photo(
        shot: Shot,
        found: Option<(Candidate, DecisionBasis)>,
        reason: Option<Reason>,
        liveness_min: Option<f32>,
    ) -> Self {
        let is_live = liveness_min.is_none_or(|least| shot.liveness.is_some_and(|score| score >= least));
        let liveness = liveness_min.map(|_| Liveness { score: shot.liveness.unwrap_or(0.0), is_live });
        let (found, basis) = found.map_or((None, DecisionBasis::None), |(who, basis)| (Some(who), basis));
        let (identity, not_live) = if is_live { (found, None) } else { (None, found) };
        let (basis, reason) = match &not_live {
            Some(_) => (DecisionBasis::None, Some(Reason::NotLive)),
            None => (basis, reason),
        };
        let note = ShotNote {
            tag: 0,
            taken_ms: shot.taken_ms,
            quality: shot.quality(),
            best: shot.candidates.iter().take(limits::EXPLAINED_BEST).cloned().collect(),
            liveness: shot.liveness,
            used: true,
        };
        Self {
            key: 0,
            first_seen_ms: shot.taken_ms,
            last_seen_ms: shot.taken_ms,
            looks_like: shot.embedding.clone(),
            identity,
            not_live,
            liveness,
            trace: Trace { looks: 1, passed: 1, shots: vec![note], basis, reason, ..Trace::default() },
            shot,
        }
    }
}

/// What has become certain.
#[derive(Debug, Clone)]
pub enum PassageFact {
    /// The person is known and still there: to be reported at once.
    Identified(PassageView),
    /// Over. Follows an `Identified` of the same key, or comes alone for a stranger.
    Ended(PassageView),
    /// Over, and not to be reported: too little was seen.
    Missed(Reason),
}
