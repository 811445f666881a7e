//! One camera's eyes: a frame in, what has become certain out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::forwarder::PassageReport;
use crate::actors::recogniser::{InForce, Recogniser};
use crate::actors::registry::message::EnrolStranger;
use crate::actors::reporter::message::{EventPicture, PassageStage};
use crate::actors::tuning::SharedTuning;
use crate::core::attention::{Attention, AttentionRules, Presence};
use crate::core::decision::people_first;
use crate::core::device::DeviceConfig;
use crate::core::event::{EventDevice, EventIdentity, EventRecord, ShotQuality, WantAction};
use crate::core::explain::{Explanation, Ground, Ranked, Reason, ShotTold};
use crate::core::face::{Detection, Embedding};
use crate::core::frame::Frame;
use crate::core::gallery::Candidate;
use crate::core::limits;
use crate::core::passage::{Observation, PassageFact, PassageKey, PassageRules, PassageView, Passages, Shot};
use crate::core::person::PersonKind;
use crate::core::quality::{QualityLevel, judge};
use crate::core::score::{Scale, ScoreMap};
use crate::core::validity::Moment;
use crate::ports::clock::Clock;
use crate::vision::align::align;
use crate::vision::motion::glance;
use crate::vision::picture::{crop_jpeg, scene_jpeg};
use crate::vision::quality::measure;
use crate::vision::{FaceAnalyzer, VisionError};

/// What every camera shares.
#[derive(Clone)]
pub struct CameraRules {
    pub in_force: InForce,
    pub clock: Arc<dyn Clock>,
    pub tuning: SharedTuning,
    /// Minutes the box's time zone is ahead of UTC: for dates that name none.
    pub utc_offset_min: i32,
    pub passages: PassageRules,
    pub attention: AttentionRules,
    /// Level a live face must pass to be embedded.
    pub live_level: QualityLevel,
    /// Smaller faces are not followed at all.
    pub face_min_px: f32,
    /// Whether passages of people the registry does not know become events.
    pub report_strangers: bool,
    /// Level a stranger must pass to be enrolled.
    pub stranger_level: QualityLevel,
}

/// Candidates looked at per search: somebody who was a stranger first may be enrolled both ways.
const CANDIDATES: usize = 4;

/// Calibrations a camera remembers: passages last a minute, so more than one swap back is nobody's any more.
const SCALES_KEPT: usize = 3;

fn scales_of(recogniser: &Recogniser) -> Vec<(String, Scale)> {
    vec![(recogniser.id().to_owned(), recogniser.scale())]
}

/// The event of a passage that has been told already.
struct Told {
    event_id: String,
    /// When the told shot was taken; a better one at the end is worth new pictures.
    shot_taken_ms: u64,
}

pub struct CameraSession {
    device: DeviceConfig,
    rules: CameraRules,
    passages: Passages,
    attention: Attention,
    told: HashMap<PassageKey, Told>,
    /// Calibrations by model id, the present one last: a passage that ends without a shot of the present model is
    /// scored by the one that judged it.
    scales: Vec<(String, Scale)>,
}

impl CameraSession {
    pub fn new(device: DeviceConfig, rules: CameraRules) -> Self {
        let liveness_min = rules.passages.liveness_min.filter(|_| device.liveness);
        let passages = Passages::new(PassageRules { liveness_min, ..rules.passages.clone() });
        let attention = Attention::new(rules.attention.clone());
        let scales = scales_of(&rules.in_force.get());
        Self { device, rules, passages, attention, told: HashMap::new(), scales }
    }

    /// What is configured now; open passages go on under it.
    pub fn set_device(&mut self, device: DeviceConfig) {
        self.device = device;
    }

    /// Looks at one frame. `analyzer` belongs to `recogniser`.
    pub fn look(
        &mut self,
        analyzer: &mut FaceAnalyzer,
        recogniser: &Recogniser,
        frame: &Frame,
    ) -> Result<Vec<PassageReport>, VisionError> {
        let now_ms = self.rules.clock.monotonic_ms();
        if !self.wants_look(frame, now_ms) {
            return Ok(self.collect());
        }
        self.follow_swap(analyzer, recogniser);
        self.passages.set_similarity_pass(recogniser.similarity_pass(&self.rules.tuning.load()));
        self.passages.set_firm_score(analyzer.firm_score());
        let detections = timed("detect", || analyzer.detect_faint(frame))?;
        let observations: Vec<Observation> = detections
            .into_iter()
            .filter(|face| face.bbox.width().min(face.bbox.height()) >= self.rules.face_min_px)
            .map(|detection| {
                let measurements = timed("measure", || {
                    measure(frame, &detection, align(frame, &detection.landmarks).as_deref())
                });
                let judgement = judge(&self.rules.live_level, &measurements);
                Observation { detection, measurements, judgement }
            })
            .collect();
        self.count_faces(&observations, analyzer.firm_score());
        let requests = self.passages.observe(now_ms, &observations);
        // One copy for all faces of this frame, and none when nobody is embedded.
        let kept = if requests.is_empty() { None } else { Some(frame.detached()) };
        for request in requests {
            let Some(frame) = &kept else { break };
            let observation = &observations[request.index];
            let aligned = timed("align", || analyzer.align(frame, &observation.detection))?;
            let Some(aligned) = aligned else { continue };
            let embedding = timed("embed", || analyzer.embed(&aligned))?;
            let liveness = self.liveness(analyzer, frame, &observation.detection)?;
            let together = self.passages.together(request, &embedding, observation.judgement.score);
            let (candidates, fused) = self.search(recogniser, &embedding, together.as_ref());
            let shot = Shot {
                frame: frame.clone(),
                taken_ms: now_ms,
                observation: observation.clone(),
                embedding,
                liveness,
                candidates,
            };
            self.passages.identify(request, shot, fused);
        }
        Ok(self.collect())
    }

    pub fn asks_for_liveness(&self) -> bool {
        self.device.liveness
    }

    /// How sure it is that a face is a living one, where this device asks.
    fn liveness(
        &self,
        analyzer: &mut FaceAnalyzer,
        frame: &Frame,
        face: &Detection,
    ) -> Result<Option<f32>, VisionError> {
        if !self.device.liveness {
            return Ok(None);
        }
        timed("liveness", || analyzer.liveness(frame, face))
    }

    fn count_faces(&self, observations: &[Observation], firm_score: f32) {
        let firm = observations.iter().filter(|face| face.detection.score >= firm_score);
        let device = || self.device.ep_id.clone();
        for face in firm {
            metrics::counter!("menshen_faces_total", "device" => device()).increment(1);
            for check in &face.judgement.fails {
                metrics::counter!("menshen_faces_refused_total", "device" => device(), "check" => check.name())
                    .increment(1);
            }
        }
    }

    /// The most similar people who may pass here, to a shot and to all shots of its passage.
    fn search(
        &self,
        recogniser: &Recogniser,
        shot: &Embedding,
        together: Option<&Embedding>,
    ) -> (Vec<Candidate>, Vec<Candidate>) {
        let pass = recogniser.similarity_pass(&self.rules.tuning.load());
        let probes: Vec<&Embedding> = std::iter::once(shot).chain(together).collect();
        let groups = &self.device.permission_groups;
        let found = timed("search", || recogniser.read().find_at(&probes, groups, CANDIDATES, self.now()));
        let found = found.unwrap_or_else(|error| {
            // Cannot be: analyzer and gallery come together. Counted, since it must never go unseen.
            metrics::counter!("menshen_mixed_features_total").increment(1);
            tracing::error!(%error, "a probe met a gallery that is not its own; nobody is recognised");
            Vec::new()
        });
        let mut found = found.into_iter();
        let mut next = || people_first(found.next().unwrap_or_default(), pass);
        (next(), next())
    }

    /// After a swap of the embedder open passages are judged anew, so that no similarity of the old one meets one of
    /// the new.
    fn follow_swap(&mut self, analyzer: &mut FaceAnalyzer, recogniser: &Recogniser) {
        if self.scales.last().is_some_and(|(id, _)| id == recogniser.id()) {
            return;
        }
        self.scales.retain(|(id, _)| id != recogniser.id());
        self.scales.drain(..self.scales.len().saturating_sub(SCALES_KEPT - 1));
        self.scales.extend(scales_of(recogniser));
        self.passages.set_similarity_pass(recogniser.similarity_pass(&self.rules.tuning.load()));
        for (passage, shot) in self.passages.stale_shots(recogniser.id()) {
            if let Some(shot) = self.again(analyzer, recogniser, &shot) {
                self.passages.renew(passage, shot);
            }
        }
    }

    /// The same picture, embedded and searched with the present model; `None`, told, where that fails.
    fn again(&self, analyzer: &mut FaceAnalyzer, recogniser: &Recogniser, shot: &Shot) -> Option<Shot> {
        let aligned = analyzer.align(&shot.frame, &shot.observation.detection);
        let embedding = aligned.and_then(|aligned| aligned.map(|face| analyzer.embed(&face)).transpose());
        match embedding {
            Ok(Some(embedding)) => {
                metrics::counter!("menshen_shots_embedded_again_total").increment(1);
                let (candidates, _) = self.search(recogniser, &embedding, None);
                Some(Shot { embedding, candidates, ..shot.clone() })
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "a shot stays as the old embedder judged it");
                None
            }
        }
    }

    fn scale_of(&self, model: &str) -> Option<Scale> {
        let known = self.scales.iter().find(|(id, _)| id == model).or(self.scales.last());
        known.map(|(_, scale)| *scale)
    }

    /// Nothing moves and nobody is there, or everybody is known: a glance is enough for most frames.
    fn wants_look(&mut self, frame: &Frame, now_ms: u64) -> bool {
        if !self.attention.is_selective() {
            return true;
        }
        let glance = timed("glance", || glance(frame));
        let presence = match (self.passages.is_empty(), self.passages.is_settled()) {
            (true, _) => Presence::Nobody,
            (_, true) => Presence::Known,
            _ => Presence::Unknown,
        };
        let wanted = self.attention.wants_look(now_ms, glance, presence);
        if !wanted {
            metrics::counter!("menshen_frames_idle_total", "device" => self.device.ep_id.clone())
                .increment(1);
        }
        wanted
    }

    /// What has become certain by now, without a frame.
    pub fn collect(&mut self) -> Vec<PassageReport> {
        let facts = self.passages.collect(self.rules.clock.monotonic_ms());
        self.report(facts)
    }

    /// Ends everything that is open: the box is shutting down.
    pub fn finish(&mut self) -> Vec<PassageReport> {
        let facts = self.passages.finish();
        self.report(facts)
    }

    fn report(&mut self, facts: Vec<PassageFact>) -> Vec<PassageReport> {
        facts.into_iter().filter_map(|fact| self.report_one(fact)).collect()
    }

    fn report_one(&mut self, fact: PassageFact) -> Option<PassageReport> {
        let (view, stage) = match fact {
            PassageFact::Identified(view) => (view, PassageStage::Open),
            PassageFact::Ended(view) => (view, PassageStage::Closed),
            PassageFact::Missed(reason) => {
                self.count_unrecognised(reason);
                return None;
            }
        };
        let why = self.explain(&view);
        let guessed = (why.ground == Ground::MoreSimilar).then_some(Reason::TooClose);
        if let Some(reason) = why.reason.or(guessed).filter(|_| stage == PassageStage::Closed) {
            self.count_unrecognised(reason);
        }
        let enrols_strangers = self.rules.tuning.load().enrol_strangers;
        let is_stranger = view.identity.as_ref().is_none_or(|who| who.person.kind == PersonKind::Stranger);
        let is_wanted = self.rules.report_strangers || enrols_strangers || view.not_live.is_some();
        if is_stranger && !is_wanted {
            return None;
        }
        let told = self.told.remove(&view.key);
        let same_shot = told.as_ref().is_some_and(|told| told.shot_taken_ms == view.shot.taken_ms);
        let event_id = told.map_or_else(|| uuid::Uuid::now_v7().to_string(), |told| told.event_id);
        if stage == PassageStage::Open {
            let (event_id, shot_taken_ms) = (event_id.clone(), view.shot.taken_ms);
            self.told.insert(view.key, Told { event_id, shot_taken_ms });
        }
        if stage == PassageStage::Open && !is_stranger {
            metrics::counter!("menshen_matches_total", "device" => self.device.ep_id.clone()).increment(1);
        }
        let pictures = if same_shot { Vec::new() } else { pictures(&event_id, &view.shot) };
        let mut event = self.event(event_id, &view);
        event.why = Some(Box::new(why));
        let is_picture = view.liveness.is_some_and(|liveness| !liveness.is_live);
        let stranger = (enrols_strangers && view.identity.is_none() && !is_picture)
            .then(|| self.stranger(&view.shot, event.face_pic.as_deref(), &pictures))
            .flatten();
        let decided_ms = self.rules.clock.monotonic_ms();
        // Who is named only when the passage is over has gone: a door that opens now opens for somebody else.
        let is_present = decided_ms.saturating_sub(view.last_seen_ms) <= limits::DOOR_TTL_MS;
        Some(PassageReport { event, pictures, stage, decided_ms, stranger, is_present })
    }

    fn count_unrecognised(&self, reason: Reason) {
        metrics::counter!("menshen_unrecognised_total", "device" => self.device.ep_id.clone(), "reason" => reason.name())
            .increment(1);
    }

    /// The chain from detection to decision, for whoever asks later.
    fn explain(&self, view: &PassageView) -> Explanation {
        let ranked = |candidates: &[Candidate]| -> Vec<Ranked> {
            let best = candidates.iter().take(limits::EXPLAINED_BEST);
            best.map(|one| Ranked::new(&one.person.id, one.similarity)).collect()
        };
        let trace = &view.trace;
        let not_live = view.not_live.as_ref();
        let elsewhere = match (&view.identity, not_live) {
            (None, Some(who)) => Some((Ranked::new(&who.person.id, who.similarity), Reason::NotLive)),
            (None, None) => self.known_elsewhere(&view.looks_like),
            (Some(_), _) => None,
        };
        Explanation {
            looks: trace.looks,
            passed: trace.passed,
            checks: trace.checks.clone(),
            shots: trace
                .shots
                .iter()
                .map(|shot| ShotTold {
                    after_ms: shot.taken_ms.saturating_sub(view.first_seen_ms),
                    quality: shot.quality,
                    best: ranked(&shot.best),
                    used: shot.used,
                    liveness: shot.liveness,
                })
                .collect(),
            fused: ranked(&trace.fused),
            threshold: self.pass_of(&view.shot.embedding.model),
            sure_margin: self.rules.passages.similarity_sure_margin,
            lead_min: self.rules.passages.similarity_lead_min,
            liveness_min: self.rules.passages.liveness_min.filter(|_| self.device.liveness),
            groups: self.device.permission_groups.clone(),
            ground: trace.ground,
            reason: trace.reason.map(|reason| elsewhere.as_ref().map_or(reason, |(_, why)| *why)),
            not_here: elsewhere.map(|(who, _)| who),
        }
    }

    fn now(&self) -> Moment {
        Moment { wall_ms: self.rules.clock.wall_ms(), utc_offset_min: self.rules.utc_offset_min }
    }

    /// The pass mark of the model that judged, as it is tuned now.
    fn pass_of(&self, model: &str) -> f32 {
        let tuning = self.rules.tuning.load();
        let map = self.scale_of(model).map(|scale| scale.map(tuning.range));
        map.map_or(1.0, |map: ScoreMap| map.similarity(tuning.threshold))
    }

    /// Somebody of the registry whom this camera does not let in, and why not.
    fn known_elsewhere(&self, looks_like: &Embedding) -> Option<(Ranked, Reason)> {
        let recogniser = self.rules.in_force.get();
        let gallery = recogniser.read();
        // After a swap nothing can be said of a passage the old model judged.
        let found = gallery.find(looks_like, &gallery.groups(), 1).ok()?;
        let best = found.into_iter().next()?;
        let is_valid = gallery.is_valid(&best.person.id, self.now());
        let reason = if is_valid { Reason::NotInGroup } else { Reason::Expired };
        let is_known = best.similarity >= self.pass_of(&looks_like.model);
        is_known.then(|| (Ranked::new(&best.person.id, best.similarity), reason))
    }

    /// What it takes to know a stranger again, if the shot is good enough.
    fn stranger(
        &self,
        shot: &Shot,
        face_pic: Option<&str>,
        pictures: &[EventPicture],
    ) -> Option<EnrolStranger> {
        let judgement = judge(&self.rules.stranger_level, &shot.observation.measurements);
        let photo = pictures.iter().find(|picture| Some(picture.name.as_str()) == face_pic)?;
        judgement.passed.then(|| EnrolStranger {
            embedding: shot.embedding.clone(),
            quality: judgement.score,
            photo: photo.jpeg.clone(),
            permission_ids: self.device.permission_groups.clone(),
        })
    }

    fn event(&self, event_id: String, view: &PassageView) -> EventRecord {
        let clock = &self.rules.clock;
        // Passage times are monotonic; the wall clock is asked once, now.
        let (wall_ms, monotonic_ms) = (clock.wall_ms(), clock.monotonic_ms());
        let to_wall = |at_ms: u64| wall_ms.saturating_sub(monotonic_ms.saturating_sub(at_ms));
        // Whose picture it was has no score: one above the pass mark would look like a match.
        let best = view.identity.as_ref().or(view.shot.best()).filter(|_| view.not_live.is_none());
        let similarity = best.map(|candidate| candidate.similarity);
        let identity = view.identity.as_ref().map(|candidate| EventIdentity {
            id: candidate.person.id.clone(),
            name: candidate.person.name.clone(),
            kind: candidate.person.kind,
            registry_photo: Some(candidate.person.photo.clone()).filter(|photo| !photo.is_empty()),
        });
        let range = self.rules.tuning.load().range;
        let map = self.scale_of(&view.shot.embedding.model).map(|scale| scale.map(range));
        let score = map.zip(similarity).map_or(0.0, |(map, similarity)| map.score(similarity) / 100.0);
        EventRecord {
            device: EventDevice {
                ep_id: self.device.ep_id.clone(),
                ip: self.device.ip.clone(),
                device_type: self.device.kind.wire().to_owned(),
            },
            identity,
            timestamp_ms: view.shot.frame.captured_at_ms,
            // A frame is looked at a little after it was taken: the shot must not lie outside its passage.
            in_timestamp_ms: to_wall(view.first_seen_ms).min(view.shot.frame.captured_at_ms),
            out_timestamp_ms: to_wall(view.last_seen_ms).max(view.shot.frame.captured_at_ms),
            score,
            similarity,
            want_action: WantAction::Nothing,
            quality: ShotQuality {
                liveness: view.liveness.map(|liveness| liveness.score),
                live: view.liveness.map(|liveness| liveness.is_live),
                ..ShotQuality::new(&view.shot.observation.measurements, &view.shot.observation.judgement)
            },
            // Named always, written below: an event without its picture would look like a lost one.
            spot_pic: Some(spot_name(&event_id)),
            face_pic: Some(face_name(&event_id)),
            model: view.shot.embedding.model.clone(),
            why: None,
            event_id,
        }
    }
}

fn spot_name(event_id: &str) -> String {
    format!("{event_id}-spot.jpg")
}

fn face_name(event_id: &str) -> String {
    format!("{event_id}-face.jpg")
}

fn pictures(event_id: &str, shot: &Shot) -> Vec<EventPicture> {
    let bbox = &shot.observation.detection.bbox;
    let made = [
        (spot_name(event_id), timed("encode", || scene_jpeg(&shot.frame))),
        (face_name(event_id), timed("encode", || crop_jpeg(&shot.frame, bbox))),
    ];
    made.into_iter()
        .filter_map(|(name, jpeg)| match jpeg {
            Ok(jpeg) => Some(EventPicture { name, jpeg: jpeg.into() }),
            Err(error) => {
                tracing::error!(event_id, %error, "an event goes without a picture");
                None
            }
        })
        .collect()
}

/// Runs a stage and notes how long it took.
pub fn timed<T>(stage: &'static str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let value = work();
    metrics::histogram!("menshen_inference_seconds", "stage" => stage)
        .record(started.elapsed().as_secs_f64());
    value
}
