//! Passages: one person walking by one camera once.
//!
//! The engine of one camera. A vision worker feeds it what each frame shows ([`Passages::observe`]), is told
//! which faces are worth an embedding, brings back who they look like ([`Passages::identify`]), and
//! collects what has become certain ([`Passages::collect`]).
//!
//! All times are milliseconds of a monotonic clock: setting the wall clock neither ends nor prolongs a passage.
//!
//! Rules of this version:
//! * A person is identified by one shot well above the pass mark, or by two shots that agree; at the end of the
//!   passage one shot above the mark is enough, since there will be no second.
//! * A passage ends when nobody of it was seen for `gap_ms`; a track that breaks off and comes back
//!   within that time joins its passage again, by who it is or, unidentified, by how it looks.
//! * A track that turns out to be somebody else (two who cross) starts that person's own passage.
//! * A stranger's passage is told only at its end, and only when it was seen often and well enough.

#[cfg(test)]
mod tests;

use crate::core::face::{Detection, Embedding};
use crate::core::frame::Frame;
use crate::core::gallery::Candidate;
use crate::core::quality::{Judgement, Measurements};
use crate::core::track::{TrackId, Tracker};

/// Tuning of passages; the defaults and their reasons are in `config/menshen.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct PassageRules {
    /// Unseen for this long, a passage has ended.
    pub gap_ms: u64,
    /// A passage that goes on for longer is told and a new one begins.
    pub max_ms: u64,
    /// A stranger must have been seen in this many looked-at frames.
    pub stranger_hits_min: u32,
    /// Raw similarity from which a shot may name a person.
    pub similarity_pass: f32,
    /// This much above the pass mark, one shot is enough.
    pub similarity_sure_margin: f32,
    /// Between two embeddings of the same unidentified face.
    pub embed_interval_ms: u64,
    /// A shot must be this much better than the best so far to be embedded once the person is known.
    pub better_shot_ratio: f32,
}

impl Default for PassageRules {
    fn default() -> Self {
        Self {
            gap_ms: 2500,
            max_ms: 60_000,
            stranger_hits_min: 3,
            similarity_pass: 0.363,
            similarity_sure_margin: 0.08,
            embed_interval_ms: 150,
            better_shot_ratio: 1.15,
        }
    }
}

/// Identifies a passage within one camera; never reused.
pub type PassageKey = u64;

/// One face in the frame being looked at.
#[derive(Debug, Clone)]
pub struct Observation {
    pub detection: Detection,
    pub measurements: Measurements,
    pub judgement: Judgement,
}

/// A face worth an embedding: index into the observations, and the passage it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedRequest {
    pub index: usize,
    pub passage: PassageKey,
}

/// A looked-at face with its embedding and its picture.
#[derive(Debug, Clone)]
pub struct Shot {
    /// Owns its pixels.
    pub frame: Frame,
    /// When it was taken, on the clock `observe` is given.
    pub taken_ms: u64,
    pub observation: Observation,
    pub embedding: Embedding,
    /// Best candidate of the gallery, above or below the pass mark.
    pub best: Option<Candidate>,
}

impl Shot {
    pub fn quality(&self) -> f32 {
        self.observation.judgement.score
    }

    fn is_same_model(&self, other: &Self) -> bool {
        self.embedding.model == other.embedding.model
    }
}

/// A passage as far as it is known.
#[derive(Debug, Clone)]
pub struct PassageView {
    pub key: PassageKey,
    pub first_seen_ms: u64,
    pub last_seen_ms: u64,
    /// The shot that is reported.
    pub shot: Shot,
    /// Who it is; `None` for a stranger.
    pub identity: Option<Candidate>,
}

/// What has become certain.
#[derive(Debug, Clone)]
pub enum PassageFact {
    /// Known who it is, the person is still there: to be told at once.
    Identified(PassageView),
    /// Over. Follows an `Identified` of the same key, or stands alone for a stranger.
    Ended(PassageView),
}

#[derive(Debug)]
struct Passage {
    key: PassageKey,
    tracks: Vec<TrackId>,
    first_seen_ms: u64,
    last_seen_ms: u64,
    hits: u32,
    last_embed_ms: Option<u64>,
    best_shot: Option<Shot>,
    /// Two shots must agree on a person between the pass mark and the sure mark.
    tentative: Option<Candidate>,
    identity: Option<Candidate>,
    told: bool,
}

impl Passage {
    /// Keeps the better picture. For a known person that is the one most like them, else the best in quality.
    fn offer(&mut self, shot: Shot) {
        let better = match (&self.best_shot, &self.identity) {
            (None, _) => true,
            // Similarities of two models do not compare: the present one's shot is taken when it shows the same person.
            (Some(old), Some(who)) if !old.is_same_model(&shot) => {
                similarity_to(&shot, &who.person.id) > -1.0
            }
            (Some(old), Some(who)) => {
                similarity_to(&shot, &who.person.id) > similarity_to(old, &who.person.id)
            }
            (Some(old), None) => shot.quality() > old.quality(),
        };
        if better {
            self.change_model(&shot);
            self.best_shot = Some(shot);
        }
    }

    /// A passage's shot and similarity are of one model: when the shot changes model, the rest does.
    fn change_model(&mut self, shot: &Shot) {
        if self.best_shot.as_ref().is_none_or(|old| old.is_same_model(shot)) {
            return;
        }
        self.tentative = None;
        if self.identity.is_some() {
            self.identity.clone_from(&shot.best);
        }
    }

    fn is_over(&self, rules: &PassageRules, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_seen_ms) > rules.gap_ms
            || self.last_seen_ms.saturating_sub(self.first_seen_ms) > rules.max_ms
    }

    fn view(&self) -> Option<PassageView> {
        Some(PassageView {
            key: self.key,
            first_seen_ms: self.first_seen_ms,
            last_seen_ms: self.last_seen_ms,
            shot: self.best_shot.clone()?,
            identity: self.identity.clone(),
        })
    }
}

fn similarity_to(shot: &Shot, id: &str) -> f32 {
    shot.best.as_ref().filter(|best| best.person.id == id).map_or(-1.0, |best| best.similarity)
}

/// All passages of one camera.
#[derive(Debug)]
pub struct Passages {
    rules: PassageRules,
    tracker: Tracker,
    current: Vec<Passage>,
    next_key: PassageKey,
}

impl Passages {
    pub fn new(rules: PassageRules) -> Self {
        let tracker = Tracker::new(rules.gap_ms.min(1000));
        Self { rules, tracker, current: Vec::new(), next_key: 1 }
    }

    /// The pass mark can be retuned at any time; passages that are identified stay so.
    pub fn set_similarity_pass(&mut self, similarity: f32) {
        self.rules.similarity_pass = similarity;
    }

    /// The shots of open passages that were embedded with another model than `model`: after a swap they are to be embedded
    /// and searched anew, from the frames they keep, and brought back with [`renew`](Self::renew). A passage for which
    /// that fails stays as the old model judged it until a shot of the new one comes.
    pub fn stale_shots(&self, model: &str) -> Vec<(PassageKey, Shot)> {
        let shots = self.current.iter().filter_map(|p| Some((p.key, p.best_shot.clone()?)));
        shots.filter(|(_, shot)| shot.embedding.model != model).collect()
    }

    /// Takes in a shot embedded anew. Who was told stays told.
    pub fn renew(&mut self, key: PassageKey, shot: Shot) {
        let Some(passage) = self.current.iter_mut().find(|p| p.key == key) else { return };
        if passage.identity.is_some() {
            // Another name from the same picture is no reason to take back what was told.
            passage.offer(shot);
        } else {
            passage.tentative = None;
            passage.best_shot = None;
            self.identify(key, shot);
        }
    }

    /// Takes in what a frame shows and says which faces should be embedded.
    pub fn observe(&mut self, now_ms: u64, observations: &[Observation]) -> Vec<EmbedRequest> {
        let detections: Vec<_> = observations.iter().map(|o| o.detection.clone()).collect();
        let tracks = self.tracker.update(now_ms, &detections);
        let mut wanted = Vec::new();
        for (index, (track, observation)) in tracks.into_iter().zip(observations).enumerate() {
            let at = self.passage_of(track, now_ms);
            let passage = &mut self.current[at];
            passage.last_seen_ms = now_ms;
            passage.hits += 1;
            if observation.judgement.passed && wants_embedding(&self.rules, passage, observation, now_ms) {
                passage.last_embed_ms = Some(now_ms);
                wanted.push(EmbedRequest { index, passage: passage.key });
            }
        }
        wanted
    }

    fn passage_of(&mut self, track: TrackId, now_ms: u64) -> usize {
        if let Some(at) = self.current.iter().position(|p| p.tracks.contains(&track)) {
            return at;
        }
        self.begin(vec![track], now_ms)
    }

    fn begin(&mut self, tracks: Vec<TrackId>, now_ms: u64) -> usize {
        self.current.push(Passage {
            key: self.next_key,
            tracks,
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
            hits: 0,
            last_embed_ms: None,
            best_shot: None,
            tentative: None,
            identity: None,
            told: false,
        });
        self.next_key += 1;
        self.current.len() - 1
    }

    /// Brings the embedding that was asked for. An unknown key (the passage has ended meanwhile) is ignored.
    pub fn identify(&mut self, key: PassageKey, shot: Shot) {
        let Some(at) = self.current.iter().position(|p| p.key == key) else { return };
        let passing = shot.best.clone().filter(|best| best.similarity >= self.rules.similarity_pass);
        match passing {
            Some(candidate) => self.take_candidate(at, candidate, shot),
            None => self.take_unmatched(at, shot),
        }
    }

    fn take_candidate(&mut self, at: usize, candidate: Candidate, shot: Shot) {
        let sure = candidate.similarity >= self.rules.similarity_pass + self.rules.similarity_sure_margin;
        let passage = &self.current[at];
        if let Some(who) = &passage.identity {
            if who.person.id != candidate.person.id {
                if sure {
                    self.split(at, candidate, shot);
                }
                return;
            }
        } else {
            let agreed = passage.tentative.as_ref().is_some_and(|t| t.person.id == candidate.person.id);
            if !sure && !agreed {
                let passage = &mut self.current[at];
                passage.offer(shot);
                passage.tentative = Some(candidate);
                return;
            }
        }
        let at = self.join_same_person(at, &candidate.person.id);
        let passage = &mut self.current[at];
        let improved = passage.identity.as_ref().is_none_or(|who| candidate.similarity > who.similarity);
        if improved {
            passage.identity = Some(candidate);
        }
        passage.offer(shot);
    }

    /// The track now shows somebody else, for sure: it leaves this passage for that person's own.
    fn split(&mut self, at: usize, candidate: Candidate, shot: Shot) {
        let now_ms = self.current[at].last_seen_ms;
        let Some(track) = self.current[at].tracks.pop() else { return };
        let own = self.begin(vec![track], now_ms);
        self.current[own].hits = 1;
        self.current[own].last_embed_ms = Some(now_ms);
        let own = self.join_same_person(own, &candidate.person.id);
        let passage = &mut self.current[own];
        if passage.identity.as_ref().is_none_or(|who| candidate.similarity > who.similarity) {
            passage.identity = Some(candidate);
        }
        passage.offer(shot);
    }

    /// A face nobody of the gallery passes for: perhaps someone whose track broke off a moment ago.
    fn take_unmatched(&mut self, at: usize, shot: Shot) {
        if self.current[at].identity.is_none() && self.current[at].best_shot.is_none() {
            let looks_like = self.current.iter().position(|other| {
                other.key != self.current[at].key
                    && other.last_seen_ms < self.current[at].first_seen_ms
                    && other.best_shot.as_ref().is_some_and(|old| {
                        old.embedding
                            .similarity(&shot.embedding)
                            .is_some_and(|s| s >= self.rules.similarity_pass)
                    })
            });
            if let Some(earlier) = looks_like {
                let into = self.merge(at, earlier);
                self.current[into].offer(shot);
                return;
            }
        }
        self.current[at].offer(shot);
    }

    /// If another passage of this person is still open, the two are one; returns where it is.
    fn join_same_person(&mut self, at: usize, person_id: &str) -> usize {
        let key = self.current[at].key;
        let other = self
            .current
            .iter()
            .position(|p| p.key != key && p.identity.as_ref().is_some_and(|who| who.person.id == person_id));
        other.map_or(at, |earlier| self.merge(at, earlier))
    }

    /// Moves everything of `from` into `into`; returns the index of the result.
    fn merge(&mut self, from: usize, into: usize) -> usize {
        let gone = self.current.remove(from);
        let into = if from < into { into - 1 } else { into };
        let passage = &mut self.current[into];
        passage.tracks.extend(gone.tracks);
        passage.first_seen_ms = passage.first_seen_ms.min(gone.first_seen_ms);
        passage.last_seen_ms = passage.last_seen_ms.max(gone.last_seen_ms);
        passage.last_embed_ms = passage.last_embed_ms.max(gone.last_embed_ms);
        passage.hits += gone.hits;
        if let Some(shot) = gone.best_shot {
            passage.offer(shot);
        }
        into
    }

    /// What has become certain by `now_ms`. Call after every frame, and without frames at least once a
    /// `gap_ms`, so that the last passage of a quiet camera ends too.
    pub fn collect(&mut self, now_ms: u64) -> Vec<PassageFact> {
        self.believe_single_shots(now_ms);
        let mut facts = Vec::new();
        for passage in &mut self.current {
            if passage.identity.is_some() && !passage.told {
                passage.told = true;
                facts.extend(passage.view().map(PassageFact::Identified));
            }
        }
        let rules = &self.rules;
        self.current.retain(|passage| {
            let over = passage.is_over(rules, now_ms);
            if over && (passage.identity.is_some() || passage.hits >= rules.stranger_hits_min) {
                facts.extend(passage.view().map(PassageFact::Ended));
            }
            !over
        });
        facts
    }

    /// Who passed the mark once and was gone before a second look is taken to be that person: an event above
    /// the pass mark must not be called a stranger's.
    fn believe_single_shots(&mut self, now_ms: u64) {
        let waits = |p: &Passage| p.identity.is_none() && p.tentative.is_some();
        while let Some(at) = self.current.iter().position(|p| waits(p) && p.is_over(&self.rules, now_ms)) {
            let Some(candidate) = self.current[at].tentative.take() else { return };
            let at = self.join_same_person(at, &candidate.person.id);
            self.current[at].identity.get_or_insert(candidate);
        }
    }

    /// Ends everything now: the camera is being closed.
    pub fn finish(&mut self) -> Vec<PassageFact> {
        let end_ms = self.current.iter().map(|p| p.last_seen_ms).max().unwrap_or(0);
        self.collect(end_ms + self.rules.gap_ms + 1)
    }

    /// Whether everybody who is or was just there is known: nothing is left to find out.
    pub fn is_settled(&self) -> bool {
        self.current.iter().all(|passage| passage.identity.is_some())
    }

    /// Whether nobody is or was just there: the camera needs no look until something moves.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }
}

fn wants_embedding(rules: &PassageRules, passage: &Passage, face: &Observation, now_ms: u64) -> bool {
    let Some(last_ms) = passage.last_embed_ms else { return true };
    if now_ms.saturating_sub(last_ms) < rules.embed_interval_ms {
        return false;
    }
    let better = passage
        .best_shot
        .as_ref()
        .is_none_or(|old| face.judgement.score > old.quality() * rules.better_shot_ratio);
    passage.identity.is_none() || better
}
