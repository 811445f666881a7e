//! What a worker does with a photo of a device: the chain a camera's frame goes through, with one shot of each face.

use std::cmp::Ordering;
use std::sync::PoisonError;

use super::draft::ReportDraft;
use super::event_builder::EventBuilder;
use super::message::PhotoAnswer;
use super::photos::{DevicePhotoJob, PhotoDevice, PhotoIntake};
use super::shot::{ShotError, ShotMaker, Unfit};
use super::stage_timer::StageTimer;
use crate::actors::recogniser::Recogniser;
use menshen_domain::candidate::{Candidate, GalleryPerson};
use menshen_domain::decision::{MatchDecision, is_guess_harmless, judge};
use menshen_domain::event::PassageStage;
use menshen_domain::explain::{DecisionBasis, Reason};
use menshen_domain::face::Embedding;
use menshen_domain::limits;
use menshen_domain::passage::{PassageRules, PassageView, Shot};
use menshen_domain::person::PersonKind;
use menshen_domain::photo::{PhotoResult, Repeat};
use menshen_domain::relay;
use menshen_domain::score::Scale;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_vision::FaceAnalyzer;
use menshen_vision::as_seen::as_seen;
use menshen_vision::photo::decode_within;
use menshen_vision::resize::Resizer;

/// A processed photo: what is reported, and the answer.
pub struct ProcessedPhoto {
    pub drafts: Vec<ReportDraft>,
    pub answer: PhotoAnswer,
    /// The largest face, for the door. Absent where no door may act.
    pub face: Option<FaceAtDoor>,
}

/// Whom a door has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaceAtDoor {
    /// What kind of person; `None` for an unknown one.
    pub kind: Option<PersonKind>,
}

/// A shot, and whom it is decided to show.
struct Decided {
    shot: Shot,
    identity: Option<(Candidate, DecisionBasis)>,
    reason: Option<Reason>,
    /// Two people were too close, and one of them is on the blacklist.
    is_risky: bool,
}

/// What became of one face.
struct FaceOutcome {
    result: PhotoResult,
    detail: String,
    who: Option<GalleryPerson>,
    score: f32,
    is_risky: bool,
    /// Reported a moment ago, and the door had its chance.
    is_done: bool,
    draft: Option<Box<ReportDraft>>,
}

impl FaceOutcome {
    fn unfit(reason: Reason, detail: String) -> Self {
        Self {
            result: PhotoResult::Unfit(reason),
            detail,
            who: None,
            score: 0.0,
            is_risky: false,
            is_done: false,
            draft: None,
        }
    }
}

impl From<Unfit> for FaceOutcome {
    fn from(unfit: Unfit) -> Self {
        Self::unfit(unfit.reason(), unfit.to_string())
    }
}

/// The refusal of a photo when a model has failed.
pub fn model_failure(error: &dyn std::error::Error) -> ProtocolError {
    ProtocolError::new(StatusCode::ServerProcessFailed, error.to_string())
}

impl ProcessedPhoto {
    /// Whether it says who it was, or that it was nobody known.
    pub fn is_of_use(&self) -> bool {
        !matches!(self.answer.result, PhotoResult::NoFace | PhotoResult::Unfit(_))
    }

    /// Without a door when it is too late for one. The pictures of a form together may take longer than any of them.
    #[must_use]
    pub fn in_time(mut self, job: &DevicePhotoJob, now_ms: u64) -> Self {
        if now_ms.saturating_sub(job.taken_ms) > limits::DOOR_TTL_MS {
            self.answer.opens = false;
            self.face = None;
            let mut reported = job.device.reported.lock().unwrap_or_else(PoisonError::into_inner);
            reported.missed_door(job.taken_ms);
        }
        self
    }

    /// With what another picture of the same passage gave: all that is reported, and the answer that says more.
    pub fn with(mut self, mut other: Self) -> Self {
        let faces = self.answer.faces + other.answer.faces;
        self.drafts.append(&mut other.drafts);
        if other.answer.result.weight() > self.answer.result.weight() {
            (self.answer, self.face) = (other.answer, other.face);
        }
        self.answer.faces = faces;
        self
    }
}

/// Analyses one picture of `job`. `analyzer` is loaded from the models of `recogniser`.
///
/// # Errors
/// The photo cannot be decoded, or a model has failed.
pub fn process_photo(
    photos: &PhotoIntake,
    analyzer: &mut FaceAnalyzer,
    recogniser: &Recogniser,
    job: &DevicePhotoJob,
    photo: &[u8],
    pixels_left: &mut u64,
) -> Result<ProcessedPhoto, ProtocolError> {
    let config = &job.device.config;
    let timer = StageTimer::of_device(config);
    let pixels_max = limits::DEVICE_PHOTO_PIXELS_MAX.min(*pixels_left);
    let (frame, scale) = timer.run("decode_photo", || decode_within(photo, pixels_max))?;
    let pixels = f64::from(frame.width) * f64::from(frame.height) * f64::from(scale * scale);
    *pixels_left = pixels_left.saturating_sub(pixels as u64);
    let seen = as_seen(&frame, &config.view, &mut Resizer::default());
    let mut frame = seen.map_err(|error| model_failure(&error))?;
    frame.captured_at_ms = job.received_ms;
    let mut detections =
        timer.run("detect", || analyzer.detect(&frame)).map_err(|error| model_failure(&error))?;
    let faces = detections.len();
    metrics::counter!("menshen_faces_total", "device" => config.ip.clone()).increment(faces as u64);
    detections.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
    detections.truncate(if config.is_gate() { 1 } else { limits::PHOTO_FACES_MAX });
    let scales = [(recogniser.id().to_owned(), recogniser.scale())];
    let policy = PhotoPolicy { photos, device: &job.device, scales, taken_ms: job.taken_ms };
    let mut maker = ShotMaker { device: config, rules: &photos.rules, analyzer, recogniser, scale };
    let mut decided = Vec::new();
    for face in detections {
        decided.push(match maker.make(&frame, face, job.taken_ms) {
            Ok(shot) => Ok(policy.decide(recogniser, shot)),
            Err(ShotError::Unfit(unfit)) => Err(unfit),
            Err(ShotError::Vision(error)) => return Err(model_failure(&error)),
        });
    }
    keep_best_of_namesakes(&mut decided);
    let outcomes: Vec<FaceOutcome> = decided
        .into_iter()
        .map(|face| face.map_or_else(FaceOutcome::from, |face| policy.report(face)))
        .collect();
    Ok(policy.conclude(faces, outcomes))
}

/// Of two faces in one picture that are taken for the same person, the less similar one is another person.
fn keep_best_of_namesakes(faces: &mut [Result<Decided, Unfit>]) {
    let named = |face: &Result<Decided, Unfit>| {
        let (candidate, _) = face.as_ref().ok()?.identity.as_ref()?;
        Some((candidate.person.id.clone(), candidate.similarity))
    };
    let all: Vec<Option<(String, f32)>> = faces.iter().map(named).collect();
    for (index, face) in faces.iter_mut().enumerate() {
        let Some((id, similarity)) = &all[index] else { continue };
        let is_beaten = all.iter().enumerate().any(|(other, named)| {
            named.as_ref().is_some_and(|(name, more)| {
                name == id
                    && match more.total_cmp(similarity) {
                        Ordering::Greater => true,
                        Ordering::Equal => other < index,
                        Ordering::Less => false,
                    }
            })
        });
        if let (true, Ok(face)) = (is_beaten, face) {
            face.identity = None;
            face.reason = Some(Reason::TooClose);
        }
    }
}

/// What is decided of the faces in one photo: each of them is a passage of one shot.
struct PhotoPolicy<'a> {
    photos: &'a PhotoIntake,
    device: &'a PhotoDevice,
    scales: [(String, Scale); 1],
    taken_ms: u64,
}

impl PhotoPolicy<'_> {
    fn event_builder(&self) -> EventBuilder<'_> {
        EventBuilder { device: &self.device.config, rules: &self.photos.rules, scales: &self.scales }
    }

    /// The rules with the match threshold as it is tuned now.
    fn passage_rules(&self, recogniser: &Recogniser) -> PassageRules {
        let tuning = self.photos.rules.tuning.load();
        PassageRules {
            match_threshold: recogniser.match_threshold(&tuning),
            ..self.photos.rules.passages.clone()
        }
    }

    /// One shot above the threshold is enough, and of two people who are too close it is the more similar one: there will be
    /// no second photo.
    fn decide(&self, recogniser: &Recogniser, shot: Shot) -> Decided {
        let thresholds = self.passage_rules(recogniser).thresholds();
        let decision = judge(&shot.candidates, thresholds);
        let is_risky = matches!(decision, MatchDecision::Ambiguous(_))
            && !is_guess_harmless(&shot.candidates, thresholds.top2_margin_min);
        let identity = match decision {
            MatchDecision::Confident(who) => Some((who, DecisionBasis::OneShot)),
            MatchDecision::Match(who) => Some((who, DecisionBasis::LastShot)),
            MatchDecision::Ambiguous(who) => Some((who, DecisionBasis::MoreSimilar)),
            MatchDecision::NoMatch => None,
        };
        let reason = identity.is_none().then_some(Reason::BelowThreshold);
        Decided { shot, identity, reason, is_risky }
    }

    /// Drafts the report of one face, or says why there is none.
    fn report(&self, Decided { shot, identity, reason, is_risky }: Decided) -> FaceOutcome {
        let rules = &self.photos.rules;
        let is_partial = shot.observation.measurements.partial;
        let liveness_min = rules.passages.liveness_min.filter(|_| self.device.config.liveness);
        let view = PassageView::of_photo(shot, identity, reason, liveness_min);
        if view.identity.is_none() && is_partial {
            return FaceOutcome::unfit(Reason::Partial, "partial".to_owned());
        }
        let builder = self.event_builder();
        let findings = builder.findings(&view);
        let is_stranger = findings.is_stranger;
        let mut face = FaceOutcome {
            result: match (findings.is_spoof, is_stranger) {
                (true, _) => PhotoResult::NotLive,
                (false, true) => PhotoResult::Stranger,
                (false, false) => PhotoResult::Recognised,
            },
            detail: String::new(),
            who: view.identity.as_ref().map(|candidate| candidate.person.clone()),
            score: builder.score(&view),
            // A picture of a face opens no door, not even one that opens for anyone.
            is_risky: is_risky || findings.is_spoof,
            is_done: false,
            draft: None,
        };
        if is_stranger && !rules.keeps_strangers() {
            face.result = PhotoResult::StrangerNotKept;
            return face;
        }
        let repeat = self.repeat(face.who.as_ref(), &view.looks_like);
        if repeat != Repeat::No {
            face.result = PhotoResult::Duplicate;
            face.is_done = repeat == Repeat::Reported;
            return face;
        }
        if let Some(reason) = findings.unrecognised() {
            builder.count_unrecognised(reason);
        }
        let stage = if is_stranger { PassageStage::Closed } else { PassageStage::Whole };
        let event_id = uuid::Uuid::now_v7().to_string();
        face.draft = Some(Box::new(builder.draft(event_id, view, findings, stage)));
        face
    }

    /// Whether this person was reported a moment ago; if not, it is noted that they are now.
    fn repeat(&self, who: Option<&GalleryPerson>, looks_like: &Embedding) -> Repeat {
        let recogniser = self.photos.rules.recogniser.get();
        let same = self.passage_rules(&recogniser).similarity_rejoin();
        let window_ms = self.device.config.photos.dedup_ms;
        let mut reported = self.device.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.repeat(who.map(|who| who.id.as_str()), looks_like, self.taken_ms, window_ms, same)
    }

    /// Whether the photographed person is still there.
    fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.taken_ms) <= limits::DOOR_TTL_MS
    }

    /// The result of the photo is that of its weightiest face; the answer is about the largest.
    fn conclude(&self, faces: usize, mut outcomes: Vec<FaceOutcome>) -> ProcessedPhoto {
        let Some(first) = outcomes.first() else {
            return ProcessedPhoto {
                drafts: Vec::new(),
                answer: PhotoAnswer::without(PhotoResult::NoFace, ""),
                face: None,
            };
        };
        let result = outcomes.iter().map(|face| face.result).max_by_key(|result| result.weight());
        let device = &self.device.config;
        let kind = first.who.as_ref().map(|who| who.kind);
        let tuning = self.photos.rules.tuning.load();
        let pass_mode = tuning.pass_mode.at(device.photos.pass_mode);
        let asks = relay::on_face(tuning.gate_mode, pass_mode, device.kind, kind);
        // Where only living faces count, one whose liveness was not measured is none.
        let is_unproven = device.liveness && matches!(first.result, PhotoResult::Unfit(_));
        let may_act =
            !first.is_risky && !is_unproven && self.is_fresh(self.photos.rules.clock.monotonic_ms());
        // A person who was reported a moment ago has been let in already.
        let acts = may_act && !first.is_done;
        let answer = PhotoAnswer {
            result: result.unwrap_or(first.result),
            faces,
            who: first.who.clone(),
            score: first.score,
            event_id: first.draft.as_ref().map(|draft| draft.event_id().to_owned()),
            opens: may_act && asks == Some(relay::ActionMode::OpenDoor),
            detail: first.detail.clone(),
            stored: Vec::new(),
        };
        let face = acts.then_some(FaceAtDoor { kind });
        ProcessedPhoto {
            drafts: outcomes.iter_mut().filter_map(|face| face.draft.take().map(|draft| *draft)).collect(),
            answer,
            face,
        }
    }
}
