//! From a passage that is certain to what is told of it: the search in the gallery, the event, its pictures, and the chain
//! that led there. For cameras and for photos alike.

use super::rules::CameraRules;
use super::stage_timer::StageTimer;
use crate::actors::recogniser::Recogniser;
use menshen_domain::candidate::Candidate;
use menshen_domain::decision::people_first;
use menshen_domain::device::DeviceConfig;
use menshen_domain::event::{EventDevice, EventIdentity, EventPicture, EventRecord, ShotQuality, WantAction};
use menshen_domain::explain::{Explanation, Ranked, Reason, ShotRecord};
use menshen_domain::face::{BBox, Embedding};
use menshen_domain::frame::Frame;
use menshen_domain::limits;
use menshen_domain::passage::{PassageView, Shot};
use menshen_domain::quality::judge;
use menshen_domain::score::{Scale, ScoreMap};
use menshen_domain::stranger::StrangerShot;
use menshen_domain::validity::Moment;
use menshen_vision::jpeg::{crop_jpeg, scene_jpeg};

/// Candidates looked at per search: somebody who was a stranger first may be enrolled both ways.
const CANDIDATES: usize = 4;

/// Tells for one device.
pub struct EventBuilder<'a> {
    pub device: &'a DeviceConfig,
    pub rules: &'a CameraRules,
    /// Calibrations by model id, the present one last.
    pub scales: &'a [(String, Scale)],
}

impl EventBuilder<'_> {
    /// The most similar people who may pass here, to a shot and to all shots of its passage.
    pub fn search(
        &self,
        recogniser: &Recogniser,
        shot: &Embedding,
        together: Option<&Embedding>,
    ) -> (Vec<Candidate>, Vec<Candidate>) {
        let pass = recogniser.similarity_pass(&self.rules.tuning.load());
        let probes: Vec<&Embedding> = std::iter::once(shot).chain(together).collect();
        let groups = &self.device.permission_groups;
        let found = StageTimer::of_device(self.device)
            .run("search", || recogniser.read().find_at(&probes, groups, CANDIDATES, self.now()));
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

    pub fn scale_of(&self, model: &str) -> Option<Scale> {
        let known = self.scales.iter().find(|(id, _)| id == model).or(self.scales.last());
        known.map(|(_, scale)| *scale)
    }

    pub fn count_unrecognised(&self, reason: Reason) {
        metrics::counter!("menshen_unrecognised_total", "device" => self.device.ep_id.clone(), "reason" => reason.name())
            .increment(1);
    }

    /// The chain from detection to decision, for whoever asks later.
    pub fn explain(&self, view: &PassageView) -> Explanation {
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
                .map(|shot| ShotRecord {
                    after_ms: shot.taken_ms.saturating_sub(view.first_seen_ms),
                    quality: shot.quality,
                    best: ranked(&shot.best),
                    used: shot.used,
                    liveness: shot.liveness,
                })
                .collect(),
            fused: ranked(&trace.fused),
            threshold: self.pass_of(&view.shot.embedding.model),
            high_confidence_margin: self.rules.passages.similarity_high_confidence_margin,
            top2_margin_min: self.rules.passages.similarity_top2_margin_min,
            liveness_min: self.rules.passages.liveness_min.filter(|_| self.device.liveness),
            groups: self.device.permission_groups.clone(),
            ground: trace.ground,
            reason: trace.reason.map(|reason| elsewhere.as_ref().map_or(reason, |(_, why)| *why)),
            not_here: elsewhere.map(|(who, _)| who),
        }
    }

    pub fn now(&self) -> Moment {
        Moment { wall_ms: self.rules.clock.wall_ms(), utc_offset_min: self.rules.utc_offset_min }
    }

    /// The pass mark of the model that judged, as it is tuned now.
    pub fn pass_of(&self, model: &str) -> f32 {
        let tuning = self.rules.tuning.load();
        let map = self.scale_of(model).map(|scale| scale.map(tuning.range));
        map.map_or(1.0, |map: ScoreMap| map.similarity(tuning.threshold))
    }

    /// Somebody of the registry whom this camera does not let in, and why not.
    pub fn known_elsewhere(&self, looks_like: &Embedding) -> Option<(Ranked, Reason)> {
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
    pub fn stranger(
        &self,
        shot: &Shot,
        face_pic: Option<&str>,
        pictures: &[EventPicture],
    ) -> Option<StrangerShot> {
        let judgement = judge(&self.rules.stranger_level, &shot.observation.measurements);
        let photo = pictures.iter().find(|picture| Some(picture.name.as_str()) == face_pic)?;
        judgement.passed.then(|| StrangerShot {
            embedding: shot.embedding.clone(),
            quality: judgement.score,
            photo: photo.jpeg.clone(),
            permission_ids: self.device.permission_groups.clone(),
        })
    }

    pub fn event(&self, event_id: String, view: &PassageView) -> EventRecord {
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

/// The picture of a shot's moment, of the main stream where there is one, and the place of the face in it.
fn best_picture(device: &DeviceConfig, shot: &Shot) -> (Frame, BBox) {
    let (frame, bbox) = (&shot.frame, shot.observation.detection.bbox);
    let Some(larger) = &frame.larger else { return (frame.clone(), bbox) };
    let decoded = StageTimer::of_device(device).run("main_picture", || larger.decode());
    let result = if decoded.is_ok() { "ok" } else { "missing" };
    metrics::counter!("menshen_main_pictures_total", "device" => device.ep_id.clone(), "result" => result)
        .increment(1);
    match decoded {
        Ok(larger) => {
            // Sub-streams may be squeezed: each direction has a scale of its own.
            let across = larger.width as f32 / frame.width as f32;
            let down = larger.height as f32 / frame.height as f32;
            let bbox =
                BBox { x1: bbox.x1 * across, x2: bbox.x2 * across, y1: bbox.y1 * down, y2: bbox.y2 * down };
            (larger, bbox)
        }
        Err(reason) => {
            tracing::debug!(device = %device.ep_id, reason, "an event has pictures of the smaller stream");
            (frame.clone(), bbox)
        }
    }
}

pub fn pictures(device: &DeviceConfig, event_id: &str, shot: &Shot) -> Vec<EventPicture> {
    let (frame, bbox) = best_picture(device, shot);
    let made = [
        (spot_name(event_id), StageTimer::of_device(device).run("encode", || scene_jpeg(&frame))),
        (face_name(event_id), StageTimer::of_device(device).run("encode", || crop_jpeg(&frame, &bbox))),
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
