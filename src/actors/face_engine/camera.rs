//! One camera: a frame in, reports of what has become certain out.

use std::collections::{HashMap, HashSet};

use super::event_builder::EventBuilder;
use super::report::PassageReport;
use super::rules::CameraRules;
use super::shot::{ShotError, ShotMaker};
use super::stage_timer::StageTimer;
use crate::actors::recogniser::Recogniser;
use menshen_domain::attributes::Attributes;
use menshen_domain::device::DeviceConfig;
use menshen_domain::event::PassageStage;
use menshen_domain::frame::Frame;
use menshen_domain::frame_gate::{FrameGate, Presence};
use menshen_domain::passage::{Observation, PassageFact, PassageKey, Passages};
use menshen_domain::relay::{self, ActionMode};
use menshen_domain::score::Scale;
use menshen_vision::as_seen::as_seen;
use menshen_vision::motion::motion_grid;
use menshen_vision::resize::Resizer;
use menshen_vision::{FaceAnalyzer, VisionError};

/// Calibrations a camera remembers: passages last a minute, so none is older than one swap back.
const SCALES_KEPT: usize = 3;

fn scale_of(recogniser: &Recogniser) -> (String, Scale) {
    (recogniser.id().to_owned(), recogniser.scale())
}

/// The event of an open passage that has been reported.
struct ReportedEvent {
    event_id: String,
    /// When the reported shot was taken; a better one at the end is worth new pictures.
    shot_taken_ms: u64,
    attributes: Option<Attributes>,
}

/// What a camera keeps from frame to frame.
pub struct CameraSession {
    device: DeviceConfig,
    rules: CameraRules,
    passages: Passages,
    frame_gate: FrameGate,
    reported: HashMap<PassageKey, ReportedEvent>,
    /// Passages a gate that opens for anyone has been opened for.
    let_in: HashSet<PassageKey>,
    /// Calibrations by model id, the present one last: a passage that ends without a shot of the present model is
    /// scored by the one that judged it.
    scales: Vec<(String, Scale)>,
    /// Makes pixels square.
    resizer: Resizer,
}

impl CameraSession {
    pub fn new(device: DeviceConfig, rules: CameraRules) -> Self {
        let mut passages = Passages::new(rules.passages.clone());
        passages.set_liveness_min(rules.passages.liveness_min.filter(|_| device.liveness));
        let frame_gate = FrameGate::new(rules.frame_gate.clone());
        let scales = vec![scale_of(&rules.recogniser.get())];
        Self {
            device,
            rules,
            passages,
            frame_gate,
            reported: HashMap::new(),
            let_in: HashSet::new(),
            scales,
            resizer: Resizer::default(),
        }
    }

    /// Changes the configuration; open passages continue under it.
    pub fn set_device(&mut self, device: DeviceConfig) {
        self.passages.set_liveness_min(self.rules.passages.liveness_min.filter(|_| device.liveness));
        self.device = device;
    }

    pub fn asks_for_liveness(&self) -> bool {
        self.device.liveness
    }

    fn event_builder(&self) -> EventBuilder<'_> {
        EventBuilder { device: &self.device, rules: &self.rules, scales: &self.scales }
    }

    /// Analyses one frame and reports what has become certain. `analyzer` is loaded from the models of `recogniser`.
    ///
    /// # Errors
    /// A model has failed; the passages are as they were.
    pub fn process_frame(
        &mut self,
        analyzer: &mut FaceAnalyzer,
        recogniser: &Recogniser,
        frame: &Frame,
    ) -> Result<Vec<PassageReport>, VisionError> {
        let now_ms = self.rules.clock.monotonic_ms();
        let frame = &as_seen(frame, &self.device.view, &mut self.resizer)?;
        let window = self.device.view.window(frame.width, frame.height);
        let seen = window.map_or_else(|| frame.clone(), |window| frame.window(window));
        if !self.passes_gate(&seen, now_ms) {
            return Ok(self.collect());
        }
        self.follow_swap(analyzer, recogniser);
        let high_score_min = analyzer.high_score_min();
        self.passages.set_match_threshold(recogniser.match_threshold(&self.rules.tuning.load()));
        self.passages.set_high_score_min(high_score_min);
        let detections =
            StageTimer::of_device(&self.device).run("detect", || analyzer.detect_low_score(&seen))?;
        let mut maker =
            ShotMaker { device: &self.device, rules: &self.rules, analyzer, recogniser, scale: 1.0 };
        let (x, y) = window.map_or((0.0, 0.0), |window| (window.x as f32, window.y as f32));
        let observations: Vec<Observation> = detections
            .into_iter()
            .map(|face| face.shifted(x, y))
            .filter(|face| maker.is_large_enough(face))
            .filter(|face| self.device.view.includes(&face.bbox, frame.width, frame.height))
            .map(|face| maker.observe(frame, face))
            .collect();
        for face in observations.iter().filter(|face| face.detection.score >= high_score_min) {
            metrics::counter!("menshen_faces_total", "device" => self.device.ip.clone()).increment(1);
            maker.count_refused(face);
        }
        let requests = self.passages.observe(now_ms, &observations);
        // One copy for all faces of this frame, and none when no face is embedded.
        let kept = if requests.is_empty() { None } else { Some(frame.detached()) };
        for request in requests {
            let Some(frame) = &kept else { break };
            let observation = observations[request.index].clone();
            let passages = &self.passages;
            let made = maker.shoot(frame, observation, now_ms, |embedding, quality| {
                passages.fused_probe(request, embedding, quality)
            });
            match made {
                Ok((shot, fused)) => self.passages.identify(request, shot, fused),
                Err(ShotError::Unfit(_)) => {}
                Err(ShotError::Vision(error)) => return Err(error),
            }
        }
        Ok(self.collect())
    }

    /// How many people nobody has named came to a gate that opens for anyone since this was asked last.
    pub fn take_unnamed_passing(&mut self) -> usize {
        let (gate_mode, pass_mode) = {
            let tuning = self.rules.tuning.load();
            (tuning.gate_mode, tuning.pass_mode.at(self.device.photos.pass_mode))
        };
        if relay::on_face(gate_mode, pass_mode, self.device.kind, None) != Some(ActionMode::OpenDoor) {
            return 0;
        }
        let passing = self.passages.take_unnamed_passing();
        self.let_in.extend(&passing);
        passing.len()
    }

    /// After a swap of the embedder open passages are embedded again, so that no similarity of the old model is compared
    /// with one of the new.
    fn follow_swap(&mut self, analyzer: &mut FaceAnalyzer, recogniser: &Recogniser) {
        if self.scales.last().is_some_and(|(id, _)| id == recogniser.id()) {
            return;
        }
        self.scales.retain(|(id, _)| id != recogniser.id());
        self.scales.drain(..self.scales.len().saturating_sub(SCALES_KEPT - 1));
        self.scales.push(scale_of(recogniser));
        self.passages.set_match_threshold(recogniser.match_threshold(&self.rules.tuning.load()));
        let mut maker =
            ShotMaker { device: &self.device, rules: &self.rules, analyzer, recogniser, scale: 1.0 };
        for (passage, shot) in self.passages.stale_shots(recogniser.id()) {
            match maker.renew(&shot) {
                Ok(shot) => {
                    metrics::counter!("menshen_shots_embedded_again_total").increment(1);
                    self.passages.renew(passage, shot);
                }
                Err(ShotError::Unfit(_)) => {}
                Err(ShotError::Vision(error)) => {
                    tracing::warn!(%error, "embedding a shot again failed; it stays as the old embedder judged it");
                }
            }
        }
    }

    /// Whether a frame is analysed: where nothing moves and nobody is present, or everybody is known, few frames are.
    fn passes_gate(&mut self, frame: &Frame, now_ms: u64) -> bool {
        if !self.frame_gate.is_selective() {
            return true;
        }
        let grid = StageTimer::of_device(&self.device).run("glance", || motion_grid(frame));
        let presence = match (self.passages.is_empty(), self.passages.is_settled()) {
            (true, _) => Presence::Nobody,
            (_, true) => Presence::Known,
            _ => Presence::Unknown,
        };
        let passes = self.frame_gate.should_process(now_ms, grid, presence);
        if !passes {
            metrics::counter!("menshen_frames_idle_total", "device" => self.device.ip.clone()).increment(1);
        }
        passes
    }

    /// Reports what has become certain by now, without a frame.
    pub fn collect(&mut self) -> Vec<PassageReport> {
        let facts = self.passages.collect(self.rules.clock.monotonic_ms());
        self.report(facts)
    }

    /// Ends and reports everything that is open: the device is gone, or the box shuts down.
    pub fn finish(&mut self) -> Vec<PassageReport> {
        let facts = self.passages.finish();
        self.report(facts)
    }

    fn report(&mut self, facts: Vec<PassageFact>) -> Vec<PassageReport> {
        facts.into_iter().filter_map(|fact| self.report_fact(fact)).collect()
    }

    fn report_fact(&mut self, fact: PassageFact) -> Option<PassageReport> {
        let builder = self.event_builder();
        let (view, stage) = match fact {
            PassageFact::Identified(view) => (view, PassageStage::Open),
            PassageFact::Ended(view) => (view, PassageStage::Closed),
            PassageFact::Missed(reason) => {
                builder.count_unrecognised(reason);
                return None;
            }
        };
        let findings = builder.findings(&view);
        if let Some(reason) = findings.unrecognised().filter(|_| stage == PassageStage::Closed) {
            builder.count_unrecognised(reason);
        }
        if findings.is_stranger && !self.rules.keeps_strangers() && view.not_live.is_none() {
            return None;
        }
        let (key, shot_taken_ms) = (view.key, view.shot.taken_ms);
        let earlier = self.reported.get(&key);
        let event_id =
            earlier.map_or_else(|| uuid::Uuid::now_v7().to_string(), |event| event.event_id.clone());
        let same_shot = earlier.filter(|event| event.shot_taken_ms == shot_taken_ms);
        let draft = builder.draft(event_id, view, findings, stage);
        let mut report = match same_shot {
            Some(event) => draft.complete_with(event.attributes),
            None => draft.complete(&self.device, &self.rules),
        };
        // One opening a passage.
        report.is_present &= !self.let_in.contains(&key);
        if stage == PassageStage::Closed {
            self.let_in.remove(&key);
        }
        self.reported.remove(&key);
        if stage == PassageStage::Open {
            let (event_id, attributes) = (report.event.event_id.clone(), report.event.quality.attributes);
            self.reported.insert(key, ReportedEvent { event_id, shot_taken_ms, attributes });
        }
        Some(report)
    }
}
