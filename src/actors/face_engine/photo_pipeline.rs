//! What a worker does with a photo of a device: the same chain a camera's frame goes through, with one shot a face.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use super::event_builder::{EventBuilder, pictures};
use super::message::PhotoAnswer;
use super::photos::{PhotoDevice, PhotoIntake, PhotoJob};
use super::report::PassageReport;
use super::stage_timer::StageTimer;
use crate::actors::recogniser::Recogniser;
use menshen_domain::candidate::{Candidate, GalleryPerson};
use menshen_domain::decision::{
    MatchDecision, MatchThresholds, is_guess_harmless, judge as judge_candidates,
};
use menshen_domain::event::PassageStage;
use menshen_domain::explain::{DecisionBasis, Reason};
use menshen_domain::face::{Detection, Embedding};
use menshen_domain::frame::Frame;
use menshen_domain::limits;
use menshen_domain::passage::{Observation, PassageRules, PassageView, Shot};
use menshen_domain::person::PersonKind;
use menshen_domain::photo::PhotoResult;
use menshen_domain::quality::judge;
use menshen_domain::relay;
use menshen_domain::score::Scale;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_vision::align::align;
use menshen_vision::photo::decode_scaled;
use menshen_vision::quality::measure;
use menshen_vision::{FaceAnalyzer, VisionError};

/// A photo looked at: what is told, and the answer.
pub struct Looked {
    pub drafts: Vec<Draft>,
    pub answer: PhotoAnswer,
    /// The largest face, for the door: somebody, or somebody known.
    pub face: Option<Option<PersonKind>>,
}

/// An event without its pictures: whoever waits at a door does not wait for these.
pub struct Draft {
    pub report: PassageReport,
    shot: Shot,
    /// A stranger who is to be known again.
    enrols: bool,
}

impl Draft {
    /// Makes the pictures, and guesses where the device asks.
    pub fn finish(self, photos: &PhotoIntake, lane: &PhotoDevice) -> PassageReport {
        let Self { mut report, shot, enrols } = self;
        report.event.quality.attributes = photos.rules.attributes.of_shot(&lane.device, &shot);
        let id = &report.event.event_id;
        let made = catch_unwind(AssertUnwindSafe(|| pictures(&lane.device, id, &shot)));
        report.pictures = made.unwrap_or_else(|_| {
            metrics::counter!("menshen_vision_errors_total", "kind" => "photo").increment(1);
            tracing::error!(event = id, "encoding panicked; the event goes without pictures");
            Vec::new()
        });
        if enrols {
            let teller = EventBuilder { device: &lane.device, rules: &photos.rules, scales: &[] };
            report.stranger = teller.stranger(&shot, report.event.face_pic.as_deref(), &report.pictures);
        }
        report
    }
}

/// One face, good enough to be searched for.
struct Searched {
    shot: Shot,
    identity: Option<(Candidate, DecisionBasis)>,
    reason: Option<Reason>,
    /// Two were too close, and one of them is on the blacklist.
    is_risky: bool,
}

/// One face, judged.
struct Face {
    result: PhotoResult,
    detail: String,
    who: Option<GalleryPerson>,
    score: f32,
    is_risky: bool,
    draft: Option<Box<Draft>>,
}

impl Face {
    fn unfit(reason: Reason, detail: String) -> Self {
        Self {
            result: PhotoResult::Unfit(reason),
            detail,
            who: None,
            score: 0.0,
            is_risky: false,
            draft: None,
        }
    }
}

/// Looks at one photo. `analyzer` belongs to `recogniser`.
pub fn look(
    photos: &PhotoIntake,
    analyzer: &mut FaceAnalyzer,
    recogniser: &Recogniser,
    job: &PhotoJob,
) -> Result<Looked, ProtocolError> {
    let (mut frame, factor) =
        StageTimer::of_device(&job.lane.device).run("decode_photo", || decode_scaled(&job.photo))?;
    frame.captured_at_ms = job.received_ms;
    let internal =
        |error: VisionError| ProtocolError::new(StatusCode::ServerProcessFailed, error.to_string());
    let mut detections = StageTimer::of_device(&job.lane.device)
        .run("detect", || analyzer.detect(&frame))
        .map_err(internal)?;
    let faces = detections.len();
    metrics::counter!("menshen_faces_total", "device" => job.lane.device.ep_id.clone())
        .increment(faces as u64);
    detections.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
    detections.truncate(if job.lane.device.is_gate() { 1 } else { limits::PHOTO_FACES_MAX });
    let scales = vec![(recogniser.id().to_owned(), recogniser.scale())];
    let own = Own { photos, lane: &job.lane, scales, taken_ms: job.taken_ms };
    let mut searched: Vec<Result<Searched, Face>> = Vec::new();
    for detection in detections {
        let looked = own.search(analyzer, recogniser, &frame, factor, detection).map_err(internal)?;
        searched.push(looked);
    }
    part_namesakes(&mut searched);
    let judged: Vec<Face> =
        searched.into_iter().map(|face| face.map_or_else(|unfit| unfit, |face| own.tell(face))).collect();
    Ok(own.conclude(faces, judged))
}

/// Who is in the picture beside a more similar namesake is somebody else.
fn part_namesakes(faces: &mut [Result<Searched, Face>]) {
    let named = |face: &Result<Searched, Face>| {
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

/// The device, as far as one photo needs it.
struct Own<'a> {
    photos: &'a PhotoIntake,
    lane: &'a PhotoDevice,
    scales: Vec<(String, Scale)>,
    taken_ms: u64,
}

impl Own<'_> {
    fn teller(&self) -> EventBuilder<'_> {
        EventBuilder { device: &self.lane.device, rules: &self.photos.rules, scales: &self.scales }
    }

    /// The rules with the pass mark as it is tuned now.
    fn passage_rules(&self, recogniser: &Recogniser) -> PassageRules {
        let tuning = self.photos.rules.tuning.load();
        PassageRules {
            similarity_pass: recogniser.similarity_pass(&tuning),
            ..self.photos.rules.passages.clone()
        }
    }

    /// Measures, embeds and searches one face; a face that is not good enough ends here.
    fn search(
        &self,
        analyzer: &mut FaceAnalyzer,
        recogniser: &Recogniser,
        frame: &Frame,
        factor: f32,
        detection: Detection,
    ) -> Result<Result<Searched, Face>, VisionError> {
        let rules = &self.photos.rules;
        let mut measurements = StageTimer::of_device(&self.lane.device)
            .run("measure", || measure(frame, &detection, align(frame, &detection.landmarks).as_deref()));
        // In the photo's own pixels, as it came.
        measurements.face_size_px *= factor;
        measurements.bbox = measurements.bbox.scaled(factor);
        if measurements.face_size_px < self.lane.device.view.face_min_px.unwrap_or(rules.face_min_px) {
            let detail = format!("face_size {:.0} px", measurements.face_size_px);
            return Ok(Err(Face::unfit(Reason::TooSmall, detail)));
        }
        let judgement = judge(&rules.live_level, &measurements);
        if let Some(check) = judgement.fails.first() {
            for check in &judgement.fails {
                metrics::counter!("menshen_faces_refused_total",
                    "device" => self.lane.device.ep_id.clone(), "check" => check.name())
                .increment(1);
            }
            let names: Vec<_> = judgement.fails.iter().map(|check| check.name()).collect();
            let detail = format!("{}, face_size {:.0} px", names.join(", "), measurements.face_size_px);
            return Ok(Err(Face::unfit(Reason::of_check(*check), detail)));
        }
        let Some(aligned) =
            StageTimer::of_device(&self.lane.device).run("align", || analyzer.align(frame, &detection))?
        else {
            return Ok(Err(Face::unfit(Reason::NoShot, "the face cannot be aligned".to_owned())));
        };
        let embedding =
            StageTimer::of_device(&self.lane.device).run("embed", || analyzer.embed(&aligned.face))?;
        let asks = self.lane.device.liveness;
        let liveness = if asks {
            StageTimer::of_device(&self.lane.device)
                .run("liveness", || analyzer.liveness(frame, &detection))?
        } else {
            None
        };
        let (candidates, _) = self.teller().search(recogniser, &embedding, None);
        let MatchThresholds { pass, high_confidence_margin, top2_margin_min } =
            self.passage_rules(recogniser).marks();
        let verdict =
            judge_candidates(&candidates, MatchThresholds { pass, high_confidence_margin, top2_margin_min });
        let is_risky = matches!(verdict, MatchDecision::Ambiguous(_))
            && !is_guess_harmless(&candidates, top2_margin_min);
        // One shot above the mark is enough, and of two who are too close it is the more similar one: there will be no
        // second photo.
        let identity = match verdict {
            MatchDecision::Confident(who) => Some((who, DecisionBasis::OneShot)),
            MatchDecision::Match(who) => Some((who, DecisionBasis::LastShot)),
            MatchDecision::Ambiguous(who) => Some((who, DecisionBasis::MoreSimilar)),
            MatchDecision::NoMatch => None,
        };
        let reason = identity.is_none().then_some(Reason::BelowThreshold);
        let observation = Observation { detection, measurements, judgement }.with_pose(aligned.tilted_pose());
        let shot = Shot {
            frame: frame.clone(),
            taken_ms: self.taken_ms,
            observation,
            embedding,
            liveness,
            candidates,
        };
        Ok(Ok(Searched { shot, identity, reason, is_risky }))
    }

    /// Makes the event of one face, or says why there is none.
    fn tell(&self, Searched { shot, identity, reason, is_risky }: Searched) -> Face {
        let rules = &self.photos.rules;
        let enrols_strangers = rules.tuning.load().enrol_strangers;
        let looks_like = shot.embedding.clone();
        let is_partial = shot.observation.measurements.partial;
        let liveness_min = rules.passages.liveness_min.filter(|_| self.lane.device.liveness);
        let view = PassageView::of_photo(shot, identity, reason, liveness_min);
        let is_picture = view.liveness.is_some_and(|liveness| !liveness.is_live);
        let person = view.identity.as_ref().map(|candidate| candidate.person.clone());
        let is_stranger = person.as_ref().is_none_or(|who| who.kind == PersonKind::Stranger);
        let teller = self.teller();
        let why = teller.explain(&view);
        let guessed = (why.ground == DecisionBasis::MoreSimilar).then_some(Reason::TooClose);
        let mut event = teller.event(uuid::Uuid::now_v7().to_string(), &view);
        let mut face = Face {
            result: match (is_picture, is_stranger) {
                (true, _) => PhotoResult::NotLive,
                (false, true) => PhotoResult::Stranger,
                (false, false) => PhotoResult::Recognised,
            },
            detail: String::new(),
            who: person,
            score: event.score,
            // A picture of somebody opens no door, not even one that opens for anyone.
            is_risky: is_risky || is_picture,
            draft: None,
        };
        if view.identity.is_none() && is_partial {
            return Face::unfit(Reason::Partial, "partial".to_owned());
        }
        if is_stranger && !rules.report_strangers && !enrols_strangers {
            face.result = PhotoResult::StrangerNotKept;
            return face;
        }
        if self.was_told(face.who.as_ref(), &looks_like) {
            face.result = PhotoResult::Duplicate;
            return face;
        }
        if let Some(reason) = why.reason.or(guessed) {
            teller.count_unrecognised(reason);
        }
        if !is_stranger {
            metrics::counter!("menshen_matches_total", "device" => self.lane.device.ep_id.clone())
                .increment(1);
        }
        event.why = Some(Box::new(why));
        let enrols = enrols_strangers && view.identity.is_none() && !is_picture;
        let decided_ms = rules.clock.monotonic_ms();
        let report = PassageReport {
            event,
            pictures: Vec::new(),
            stage: if is_stranger { PassageStage::Closed } else { PassageStage::Whole },
            decided_ms,
            stranger: None,
            is_present: self.is_fresh(decided_ms),
            stored: None,
        };
        face.draft = Some(Box::new(Draft { report, shot: view.shot, enrols }));
        face
    }

    fn was_told(&self, who: Option<&GalleryPerson>, looks_like: &Embedding) -> bool {
        let recogniser = self.photos.rules.in_force.get();
        let same = self.passage_rules(&recogniser).similarity_rejoin();
        let window_ms = self.lane.device.photos.dedup_ms;
        let mut told = self.lane.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.is_repeat(who.map(|who| who.id.as_str()), looks_like, self.taken_ms, window_ms, same)
    }

    /// Whether whoever was photographed still stands there.
    fn is_fresh(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.taken_ms) <= limits::DOOR_TTL_MS
    }

    /// The photo is told of as its weightiest face; the answer is about the largest.
    fn conclude(&self, faces: usize, mut judged: Vec<Face>) -> Looked {
        let Some(first) = judged.first() else {
            return Looked {
                drafts: Vec::new(),
                answer: PhotoAnswer::without(PhotoResult::NoFace, ""),
                face: None,
            };
        };
        let result = judged.iter().map(|face| face.result).max_by_key(|result| result.weight());
        let device = &self.lane.device;
        let kind = first.who.as_ref().map(|who| who.kind);
        let gate_mode = self.photos.rules.tuning.load().gate_mode;
        let asks = relay::on_face(gate_mode, device.photos.pass_mode, device.kind, kind);
        // Where only living faces count, one that was not looked at is none.
        let is_unproven = device.liveness && matches!(first.result, PhotoResult::Unfit(_));
        let may_act =
            !first.is_risky && !is_unproven && self.is_fresh(self.photos.rules.clock.monotonic_ms());
        // Whoever was told of a moment ago has been let in already.
        let acts = may_act && first.result != PhotoResult::Duplicate;
        let answer = PhotoAnswer {
            result: result.unwrap_or(first.result),
            faces,
            who: first.who.clone(),
            score: first.score,
            event_id: first.draft.as_ref().map(|draft| draft.report.event.event_id.clone()),
            opens: may_act && asks == Some(relay::ActionMode::OpenDoor),
            detail: first.detail.clone(),
            stored: Vec::new(),
        };
        let face = acts.then_some(kind);
        Looked {
            drafts: judged.iter_mut().filter_map(|face| face.draft.take().map(|draft| *draft)).collect(),
            answer,
            face,
        }
    }
}
