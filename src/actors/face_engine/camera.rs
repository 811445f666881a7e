//! One camera's eyes: a frame in, what has become certain out.

use std::collections::HashMap;

use super::event_builder::{EventBuilder, pictures};
use super::report::PassageReport;
use super::rules::CameraRules;
use super::stage_timer::StageTimer;
use crate::actors::recogniser::Recogniser;
use menshen_domain::attributes::Attributes;
use menshen_domain::device::DeviceConfig;
use menshen_domain::event::PassageStage;
use menshen_domain::explain::{DecisionBasis, Reason};
use menshen_domain::face::Detection;
use menshen_domain::frame::Frame;
use menshen_domain::frame_gate::{FrameGate, Presence};
use menshen_domain::limits;
use menshen_domain::passage::{Observation, PassageFact, PassageKey, Passages, Shot};
use menshen_domain::person::PersonKind;
use menshen_domain::quality::judge;
use menshen_domain::score::Scale;
use menshen_vision::align::align;
use menshen_vision::motion::motion_grid;
use menshen_vision::quality::measure;
use menshen_vision::{FaceAnalyzer, VisionError};

/// Calibrations a camera remembers: passages last a minute, so more than one swap back is nobody's any more.
const SCALES_KEPT: usize = 3;

fn scales_of(recogniser: &Recogniser) -> Vec<(String, Scale)> {
    vec![(recogniser.id().to_owned(), recogniser.scale())]
}

/// The event of a passage that has been told already.
struct ReportedEvent {
    event_id: String,
    /// When the told shot was taken; a better one at the end is worth new pictures.
    shot_taken_ms: u64,
    attributes: Option<Attributes>,
}

pub struct CameraSession {
    device: DeviceConfig,
    rules: CameraRules,
    passages: Passages,
    attention: FrameGate,
    told: HashMap<PassageKey, ReportedEvent>,
    /// Calibrations by model id, the present one last: a passage that ends without a shot of the present model is
    /// scored by the one that judged it.
    scales: Vec<(String, Scale)>,
}

impl CameraSession {
    pub fn new(device: DeviceConfig, rules: CameraRules) -> Self {
        let mut passages = Passages::new(rules.passages.clone());
        passages.set_liveness_min(rules.passages.liveness_min.filter(|_| device.liveness));
        let attention = FrameGate::new(rules.attention.clone());
        let scales = scales_of(&rules.in_force.get());
        Self { device, rules, passages, attention, told: HashMap::new(), scales }
    }

    /// What is configured now; open passages go on under it.
    pub fn set_device(&mut self, device: DeviceConfig) {
        self.passages.set_liveness_min(self.rules.passages.liveness_min.filter(|_| device.liveness));
        self.device = device;
    }

    fn teller(&self) -> EventBuilder<'_> {
        EventBuilder { device: &self.device, rules: &self.rules, scales: &self.scales }
    }

    /// Looks at one frame. `analyzer` belongs to `recogniser`.
    pub fn look(
        &mut self,
        analyzer: &mut FaceAnalyzer,
        recogniser: &Recogniser,
        frame: &Frame,
    ) -> Result<Vec<PassageReport>, VisionError> {
        let now_ms = self.rules.clock.monotonic_ms();
        let window = self.device.view.window(frame.width, frame.height);
        let seen = window.map_or_else(|| frame.clone(), |window| frame.window(window));
        if !self.wants_look(&seen, now_ms) {
            return Ok(self.collect());
        }
        self.follow_swap(analyzer, recogniser);
        self.passages.set_similarity_pass(recogniser.similarity_pass(&self.rules.tuning.load()));
        self.passages.set_high_score_min(analyzer.high_score_min());
        let detections =
            StageTimer::of_device(&self.device).run("detect", || analyzer.detect_low_score(&seen))?;
        let view = &self.device.view;
        let face_min_px = view.face_min_px.unwrap_or(self.rules.face_min_px);
        let (x, y) = window.map_or((0.0, 0.0), |window| (window.x as f32, window.y as f32));
        let observations: Vec<Observation> = detections
            .into_iter()
            .map(|face| face.shifted(x, y))
            .filter(|face| face.bbox.width().min(face.bbox.height()) >= face_min_px)
            .filter(|face| view.includes(&face.bbox, frame.width, frame.height))
            .map(|detection| {
                let measurements = StageTimer::of_device(&self.device).run("measure", || {
                    measure(frame, &detection, align(frame, &detection.landmarks).as_deref())
                });
                let judgement = judge(&self.rules.live_level, &measurements);
                Observation { detection, measurements, judgement }
            })
            .collect();
        self.count_faces(&observations, analyzer.high_score_min());
        let requests = self.passages.observe(now_ms, &observations);
        // One copy for all faces of this frame, and none when nobody is embedded.
        let kept = if requests.is_empty() { None } else { Some(frame.detached()) };
        for request in requests {
            let Some(frame) = &kept else { break };
            let observation = &observations[request.index];
            let aligned = StageTimer::of_device(&self.device)
                .run("align", || analyzer.align(frame, &observation.detection))?;
            let Some(aligned) = aligned else { continue };
            let observation = observation.clone().with_pose(aligned.tilted_pose());
            let embedding =
                StageTimer::of_device(&self.device).run("embed", || analyzer.embed(&aligned.face))?;
            let liveness = self.liveness(analyzer, frame, &observation.detection)?;
            let together = self.passages.fused_probe(request, &embedding, observation.judgement.score);
            let (candidates, fused) = self.teller().search(recogniser, &embedding, together.as_ref());
            let shot =
                Shot { frame: frame.clone(), taken_ms: now_ms, observation, embedding, liveness, candidates };
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
        StageTimer::of_device(&self.device).run("liveness", || analyzer.liveness(frame, face))
    }

    fn count_faces(&self, observations: &[Observation], high_score_min: f32) {
        let firm = observations.iter().filter(|face| face.detection.score >= high_score_min);
        let device = || self.device.ep_id.clone();
        for face in firm {
            metrics::counter!("menshen_faces_total", "device" => device()).increment(1);
            for check in &face.judgement.fails {
                metrics::counter!("menshen_faces_refused_total", "device" => device(), "check" => check.name())
                    .increment(1);
            }
        }
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
        let embedding =
            aligned.and_then(|aligned| aligned.map(|aligned| analyzer.embed(&aligned.face)).transpose());
        match embedding {
            Ok(Some(embedding)) => {
                metrics::counter!("menshen_shots_embedded_again_total").increment(1);
                let (candidates, _) = self.teller().search(recogniser, &embedding, None);
                Some(Shot { embedding, candidates, ..shot.clone() })
            }
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "a shot stays as the old embedder judged it");
                None
            }
        }
    }

    /// Nothing moves and nobody is there, or everybody is known: a glance is enough for most frames.
    fn wants_look(&mut self, frame: &Frame, now_ms: u64) -> bool {
        if !self.attention.is_selective() {
            return true;
        }
        let glance = StageTimer::of_device(&self.device).run("glance", || motion_grid(frame));
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
                self.teller().count_unrecognised(reason);
                return None;
            }
        };
        let why = self.teller().explain(&view);
        let guessed = (why.ground == DecisionBasis::MoreSimilar).then_some(Reason::TooClose);
        if let Some(reason) = why.reason.or(guessed).filter(|_| stage == PassageStage::Closed) {
            self.teller().count_unrecognised(reason);
        }
        let enrols_strangers = self.rules.tuning.load().enrol_strangers;
        let is_stranger = view.identity.as_ref().is_none_or(|who| who.person.kind == PersonKind::Stranger);
        let is_wanted = self.rules.report_strangers || enrols_strangers || view.not_live.is_some();
        if is_stranger && !is_wanted {
            return None;
        }
        let told = self.told.remove(&view.key);
        let same_shot = told.as_ref().is_some_and(|told| told.shot_taken_ms == view.shot.taken_ms);
        let attributes = match &told {
            Some(told) if same_shot => told.attributes,
            _ => self.rules.attributes.of_shot(&self.device, &view.shot),
        };
        let event_id = told.map_or_else(|| uuid::Uuid::now_v7().to_string(), |told| told.event_id);
        if stage == PassageStage::Open {
            let (event_id, shot_taken_ms) = (event_id.clone(), view.shot.taken_ms);
            self.told.insert(view.key, ReportedEvent { event_id, shot_taken_ms, attributes });
        }
        if stage == PassageStage::Open && !is_stranger {
            metrics::counter!("menshen_matches_total", "device" => self.device.ep_id.clone()).increment(1);
        }
        let pictures = if same_shot { Vec::new() } else { pictures(&self.device, &event_id, &view.shot) };
        let mut event = self.teller().event(event_id, &view);
        event.why = Some(Box::new(why));
        event.quality.attributes = attributes;
        let is_picture = view.liveness.is_some_and(|liveness| !liveness.is_live);
        let stranger = (enrols_strangers && view.identity.is_none() && !is_picture)
            .then(|| self.teller().stranger(&view.shot, event.face_pic.as_deref(), &pictures))
            .flatten();
        let decided_ms = self.rules.clock.monotonic_ms();
        // Who is named only when the passage is over has gone: a door that opens now opens for somebody else.
        let is_present = decided_ms.saturating_sub(view.last_seen_ms) <= limits::DOOR_TTL_MS;
        Some(PassageReport { event, pictures, stage, decided_ms, stranger, is_present, stored: None })
    }
}
