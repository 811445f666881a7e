//! From a passage to its event: the explanation, who is a stranger, and the event itself. Cameras and photos use the same
//! builder.

use super::draft::ReportDraft;
use super::pictures::{face_name, spot_name};
use super::report::PassageReport;
use super::rules::CameraRules;
use menshen_domain::candidate::{Candidate, Scope};
use menshen_domain::device::DeviceConfig;
use menshen_domain::event::{
    EventDevice, EventIdentity, EventRecord, FaceInScene, PassageStage, ShotQuality, WantAction,
};
use menshen_domain::event_feature::EventFeature;
use menshen_domain::explain::{DecisionBasis, Explanation, Ranked, Reason, ShotRecord};
use menshen_domain::face::Embedding;
use menshen_domain::limits;
use menshen_domain::passage::{PassageView, Shot};
use menshen_domain::person::PersonKind;
use menshen_domain::score::{Scale, ScoreMap};
use menshen_vision::jpeg::scene_scale;

/// Builds the events of one device.
pub struct EventBuilder<'a> {
    pub device: &'a DeviceConfig,
    pub rules: &'a CameraRules,
    /// Calibrations by model id, the present one last.
    pub scales: &'a [(String, Scale)],
}

/// What a passage shows, before it is decided whether it is reported.
pub struct Findings {
    pub explanation: Explanation,
    /// The person is not in the registry, or is there as a stranger.
    pub is_stranger: bool,
    /// The device asks for liveness, and the face was not taken for a living one.
    pub is_spoof: bool,
}

impl Findings {
    /// Why nobody was recognised, or not without doubt.
    pub fn unrecognised(&self) -> Option<Reason> {
        let is_guess = self.explanation.basis == DecisionBasis::MoreSimilar;
        self.explanation.reason.or(is_guess.then_some(Reason::TooClose))
    }
}

impl EventBuilder<'_> {
    pub fn findings(&self, view: &PassageView) -> Findings {
        Findings {
            explanation: self.explain(view),
            is_stranger: view.identity.as_ref().is_none_or(|who| who.person.kind == PersonKind::Stranger),
            is_spoof: view.liveness.is_some_and(|liveness| !liveness.is_live),
        }
    }

    pub fn count_unrecognised(&self, reason: Reason) {
        metrics::counter!("menshen_unrecognised_total", "device" => self.device.ip.clone(), "reason" => reason.name())
            .increment(1);
    }

    /// The report of a passage that is to be reported, and counts a match.
    pub fn draft(
        &self,
        event_id: String,
        view: PassageView,
        findings: Findings,
        stage: PassageStage,
    ) -> ReportDraft {
        if stage != PassageStage::Closed && !findings.is_stranger {
            metrics::counter!("menshen_matches_total", "device" => self.device.ip.clone()).increment(1);
        }
        let enrols_strangers = self.rules.tuning.load().enrol_strangers;
        let enrols = enrols_strangers && view.identity.is_none() && !findings.is_spoof;
        let mut event = self.event(event_id, &view);
        event.why = Some(Box::new(findings.explanation));
        let decided_ms = self.rules.clock.monotonic_ms();
        let report = PassageReport {
            event,
            pictures: Vec::new(),
            stage,
            decided_ms,
            stranger: None,
            // A person who is named only when the passage is over has gone: a door that opens now opens for another.
            is_present: decided_ms.saturating_sub(view.last_seen_ms) <= limits::DOOR_TTL_MS,
            stored: None,
        };
        ReportDraft { report, shot: view.shot, enrols }
    }

    /// Score of the match, 0–1; 0 without one.
    pub fn score(&self, view: &PassageView) -> f32 {
        let range = self.rules.tuning.load().range;
        let map = self.scale_of(&view.shot.embedding.model).map(|scale| scale.map(range));
        map.zip(similarity(view)).map_or(0.0, |(map, similarity)| map.score(similarity) / 100.0)
    }

    fn scale_of(&self, model: &str) -> Option<Scale> {
        let known = self.scales.iter().find(|(id, _)| id == model).or(self.scales.last());
        known.map(|(_, scale)| *scale)
    }

    /// The raw similarity at the match threshold of the model that judged, as it is tuned now.
    fn match_threshold_of(&self, model: &str) -> f32 {
        let tuning = self.rules.tuning.load();
        let map = self.scale_of(model).map(|scale| scale.map(tuning.range));
        map.map_or(1.0, |map: ScoreMap| map.similarity(tuning.threshold))
    }

    /// The chain from detection to decision, for `menshen why`.
    fn explain(&self, view: &PassageView) -> Explanation {
        let ranked = |candidates: &[Candidate]| -> Vec<Ranked> {
            let best = candidates.iter().take(limits::EXPLAINED_BEST);
            best.map(|one| Ranked::new(&one.person.id, one.similarity)).collect()
        };
        let trace = &view.trace;
        let elsewhere = match (&view.identity, &view.not_live) {
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
                .map(|shot| ShotRecord {
                    after_ms: shot.taken_ms.saturating_sub(view.first_seen_ms),
                    quality: shot.quality,
                    best: ranked(&shot.best),
                    used: shot.used,
                    liveness: shot.liveness,
                })
                .collect(),
            fused: ranked(&trace.fused),
            threshold: self.match_threshold_of(&view.shot.embedding.model),
            high_confidence_margin: self.rules.passages.high_confidence_margin,
            top2_margin_min: self.rules.passages.top2_margin_min,
            liveness_min: self.rules.passages.liveness_min.filter(|_| self.device.liveness),
            groups: self.device.permission_groups.clone(),
            registry_group: self.device.registry_group.clone(),
            basis: trace.basis,
            reason: trace.reason.map(|reason| elsewhere.as_ref().map_or(reason, |(_, why)| *why)),
            not_here: elsewhere.map(|(who, _)| who),
        }
    }

    /// A person of the registry who may not pass at this device, or not now, and why not.
    fn known_elsewhere(&self, looks_like: &Embedding) -> Option<(Ranked, Reason)> {
        let recogniser = self.rules.recogniser.get();
        let gallery = recogniser.read();
        // After a swap nothing can be said of a passage the old model judged.
        let found = gallery.find(looks_like, Scope::Everyone, 1).ok()?;
        let best = found.into_iter().next()?;
        let is_valid = gallery.is_valid(&best.person.id, self.rules.now());
        let reason = if is_valid { Reason::NotInGroup } else { Reason::Expired };
        let is_known = best.similarity >= self.match_threshold_of(&looks_like.model);
        is_known.then(|| (Ranked::new(&best.person.id, best.similarity), reason))
    }

    fn event(&self, event_id: String, view: &PassageView) -> EventRecord {
        let clock = &self.rules.clock;
        // Passage times are monotonic; the wall clock is read once, now.
        let (wall_ms, monotonic_ms) = (clock.wall_ms(), clock.monotonic_ms());
        let to_wall = |at_ms: u64| wall_ms.saturating_sub(monotonic_ms.saturating_sub(at_ms));
        let identity = view.identity.as_ref().map(|candidate| EventIdentity {
            id: candidate.person.id.clone(),
            name: candidate.person.name.clone(),
            kind: candidate.person.kind,
            registry_photo: Some(candidate.person.photo.clone()).filter(|photo| !photo.is_empty()),
        });
        EventRecord {
            device: EventDevice {
                ep_id: self.device.ep_id.clone(),
                ip: self.device.ip.clone(),
                device_type: self.device.kind.wire().to_owned(),
                name: self.device.name.clone(),
                device_id: self.device.device_id.clone(),
                registry_group: self.device.registry_group.clone(),
            },
            identity,
            timestamp_ms: view.shot.frame.captured_at_ms,
            // A frame is processed a little after it was taken: the shot must not lie outside its passage.
            in_timestamp_ms: to_wall(view.first_seen_ms).min(view.shot.frame.captured_at_ms),
            out_timestamp_ms: to_wall(view.last_seen_ms).max(view.shot.frame.captured_at_ms),
            score: self.score(view),
            similarity: similarity(view),
            want_action: WantAction::Nothing,
            quality: ShotQuality {
                in_scene: in_scene(&view.shot),
                liveness: view.liveness.map(|liveness| liveness.score),
                live: view.liveness.map(|liveness| liveness.is_live),
                ..ShotQuality::new(&view.shot.observation.measurements, &view.shot.observation.judgement)
            },
            // Named always, written later: an event without its picture would look like a lost one.
            spot_pic: Some(spot_name(&event_id)),
            face_pic: Some(face_name(&event_id)),
            model: view.shot.embedding.model.clone(),
            why: None,
            // Of all its shots that agree, as the passage was searched for.
            feature: Some(EventFeature::of(&view.looks_like)),
            event_id,
        }
    }
}

/// Where the face is in the scene picture, unless that is made of the main stream.
fn in_scene(shot: &Shot) -> Option<FaceInScene> {
    let frame = &shot.frame;
    let scale = scene_scale(frame.width, frame.height);
    let face = &shot.observation.detection;
    frame.larger.is_none().then(|| FaceInScene {
        bbox: face.bbox.scaled(scale),
        landmarks: face.landmarks.map(|[x, y]| [x * scale, y * scale]),
    })
}

/// The similarity that is reported. The one to a face that is not live is not: above the threshold it would look like a
/// match.
fn similarity(view: &PassageView) -> Option<f32> {
    let best = view.identity.as_ref().or(view.shot.best()).filter(|_| view.not_live.is_none());
    best.map(|candidate| candidate.similarity)
}
