//! Passages: one person walking by one camera once.
//!
//! The engine of one camera. A vision worker feeds it what each frame shows ([`Passages::observe`]), gets back which faces
//! are worth an embedding, brings the embeddings with the gallery's candidates ([`Passages::identify`]), and collects what
//! has become certain ([`Passages::collect`]).
//!
//! All times are milliseconds of a monotonic clock: setting the wall clock neither ends nor prolongs a passage.
//!
//! Rules:
//! * A person is identified by one shot that is above the match threshold by the high-confidence margin, by two shots above
//!   the threshold that agree, or by all shots fused; at the end of the passage one shot above the threshold is enough, since
//!   there will be no second.
//! * With too small a margin before the second best person more shots are taken, and after three of them the more similar one
//!   of the two is named: both may pass here. Where one of the two is on the blacklist, this is left to the passage's end.
//! * A passage ends when it was not seen for `gap_ms`; a track that breaks off and comes back within that time joins its
//!   passage again, by identity or, unidentified, by similarity.
//! * Where two faces came close, or one was out of sight, the track is ambiguous: its next shots are held back until they
//!   agree with the passage's earlier ones. A track that turns out to show another person starts that person's own passage,
//!   dated back to when the ambiguity began.
//! * Where a device asks for liveness, a person is named only when the shots that show them pass the liveness check: two
//!   shots during the passage, one at its end. Else the passage is reported as a stranger's, with the reason.
//! * A stranger's passage is reported only at its end, and only when it was seen often, well and whole enough. What is left
//!   over of an identified passage, a few poor shots of a track that broke off, is no stranger.

mod all_pass;
mod liveness;
mod state;
#[cfg(test)]
mod tests;
mod types;

use std::collections::VecDeque;

use self::liveness::LIVE_SHOTS;
use self::state::{Ended, Passage, ShotAgreement};
pub use self::types::{
    EmbedRequest, Liveness, Observation, PassageFact, PassageKey, PassageRules, PassageView, Shot, ShotNote,
    Trace,
};
use crate::candidate::Candidate;
use crate::decision::{MatchDecision, judge};
use crate::explain::DecisionBasis;
use crate::face::Embedding;
use crate::limits;
use crate::track::{TrackId, Tracker};

/// All passages of one camera.
#[derive(Debug)]
pub struct Passages {
    rules: PassageRules,
    tracker: Tracker,
    current: Vec<Passage>,
    /// Those that have just ended.
    remembered: VecDeque<Ended>,
    next_key: PassageKey,
    next_tag: u64,
}

impl Passages {
    /// No passages yet.
    pub fn new(rules: PassageRules) -> Self {
        let tracker = Tracker::new(rules.gap_ms.min(1000), rules.high_score_min);
        Self { rules, tracker, current: Vec::new(), remembered: VecDeque::new(), next_key: 1, next_tag: 1 }
    }

    /// The match threshold (cosine) can be retuned at any time; passages that are identified stay so.
    pub fn set_match_threshold(&mut self, similarity: f32) {
        self.rules.match_threshold = similarity;
    }

    /// Least liveness score of a person who is to be named, 0–1; passages that are identified stay so.
    pub fn set_liveness_min(&mut self, liveness: Option<f32>) {
        self.rules.liveness_min = liveness;
    }

    /// The detector's confidence from which a face has a high score, 0–1.
    pub fn set_high_score_min(&mut self, score: f32) {
        self.rules.high_score_min = score;
        self.tracker.set_high_score_min(score);
    }

    /// The shots of open passages that were embedded with another model than `model`: after a swap they are to be embedded
    /// and searched again, from the frames they keep, and brought back with [`renew`](Self::renew). A passage for which
    /// that fails stays as the old model judged it until a shot of the new one comes.
    pub fn stale_shots(&self, model: &str) -> Vec<(PassageKey, Shot)> {
        let shots = self.current.iter().filter_map(|p| Some((p.key, p.best_shot.clone()?)));
        shots.filter(|(_, shot)| shot.embedding.model != model).collect()
    }

    /// Takes in a shot that was embedded again. What was reported stays so.
    pub fn renew(&mut self, key: PassageKey, shot: Shot) {
        let Some(at) = self.current.iter().position(|p| p.key == key) else { return };
        if self.current[at].identity.is_some() {
            // A different name from the same picture is no reason to take back what was reported.
            let tag = self.next_tag;
            self.next_tag += 1;
            self.current[at].keep(&self.rules, tag, shot, Vec::new());
        } else {
            self.current[at].change_model(&shot);
            // Whichever of its tracks it was, it is not ambiguous any more.
            self.identify(EmbedRequest { index: 0, passage: key, track: 0 }, shot, Vec::new());
        }
    }

    /// Takes in what a frame shows and says which faces should be embedded.
    pub fn observe(&mut self, now_ms: u64, observations: &[Observation]) -> Vec<EmbedRequest> {
        let detections: Vec<_> = observations.iter().map(|o| o.detection.clone()).collect();
        let links = self.tracker.update(now_ms, &detections);
        let (mut wanted, mut seen) = (Vec::new(), Vec::new());
        for (index, (link, observation)) in links.into_iter().zip(observations).enumerate() {
            let Some(link) = link else { continue };
            if observation.detection.score < self.rules.high_score_min {
                // It continues a passage, and begins none.
                for passage in self.current.iter_mut().filter(|passage| passage.has_track(link.track)) {
                    passage.see(link.track, now_ms);
                }
                continue;
            }
            let at = self.passage_of(link.track, now_ms);
            let rules = &self.rules;
            let passage = &mut self.current[at];
            passage.see(link.track, now_ms);
            seen.push(passage.key);
            passage.count(observation);
            if link.is_ambiguous {
                passage.mark_ambiguous(link.track, now_ms);
            }
            if observation.judgement.passed && passage.wants_embedding(rules, link.track, observation, now_ms)
            {
                passage.last_embed_ms = Some(now_ms);
                wanted.push(EmbedRequest { index, passage: passage.key, track: link.track });
            }
        }
        self.note_meetings(&seen, now_ms);
        wanted
    }

    /// Faces seen in one picture are different people.
    fn note_meetings(&mut self, seen: &[PassageKey], now_ms: u64) {
        for passage in self.current.iter_mut().filter(|passage| seen.contains(&passage.key)) {
            let own = passage.key;
            for key in seen.iter().filter(|key| **key != own) {
                passage.met.insert(*key, now_ms);
            }
        }
    }

    fn passage_of(&mut self, track: TrackId, now_ms: u64) -> usize {
        if let Some(at) = self.current.iter().position(|p| p.has_track(track)) {
            return at;
        }
        self.begin(track, now_ms)
    }

    fn begin(&mut self, track: TrackId, now_ms: u64) -> usize {
        self.current.push(Passage::new(self.next_key, track, now_ms));
        self.next_key += 1;
        self.current.len() - 1
    }

    /// The fused embedding of a passage's shots and a new one; `None` when it is the first. To be searched in the gallery
    /// together with the new one.
    pub fn fused_probe(
        &self,
        request: EmbedRequest,
        embedding: &Embedding,
        quality: f32,
    ) -> Option<Embedding> {
        let passage = self.current.iter().find(|p| p.key == request.passage)?;
        if passage.shots.is_empty()
            || passage.ambiguities.iter().any(|ambiguity| ambiguity.track == request.track)
        {
            return None;
        }
        let mut shots = passage.shots.clone();
        shots.add(embedding.clone(), quality * embedding.norm, self.next_tag);
        let fused = shots.fuse(self.rules.match_threshold).map(|fused| fused.embedding);
        // Just after a swap the shots kept are another model's.
        fused.filter(|fused| fused.model == embedding.model)
    }

    /// Brings the embedding that was asked for, and what the gallery says of [`fused_probe`](Self::fused_probe). An unknown
    /// passage (it has ended meanwhile) is ignored.
    pub fn identify(&mut self, request: EmbedRequest, shot: Shot, fused: Vec<Candidate>) {
        let Some(at) = self.current.iter().position(|p| p.key == request.passage) else { return };
        let single = judge(&shot.candidates, self.rules.thresholds());
        let tag = self.next_tag;
        self.next_tag += 1;
        match self.current[at].compare(&self.rules, request.track, &shot, &single) {
            ShotAgreement::Same => {
                let rules = &self.rules;
                self.current[at].confirm_track(rules, request.track);
                self.current[at].keep(rules, tag, shot, fused);
                self.decide_identity(at, &single);
            }
            ShotAgreement::Unclear => self.current[at].hold_back(request.track, tag, shot),
            ShotAgreement::Different => {
                let own = self.split(at, request.track, shot.taken_ms);
                self.current[own].keep(&self.rules, tag, shot, Vec::new());
                self.decide_identity(own, &single);
            }
        }
    }

    /// The track now shows another person: it leaves this passage, with the shots that were held back, for its own.
    fn split(&mut self, at: usize, track: TrackId, now_ms: u64) -> usize {
        let ambiguity = self.current[at].drop_track(track, now_ms);
        let since_ms = ambiguity.since_ms;
        let met: Vec<_> = self.current[at].take_meetings_since(since_ms);
        let own = self.begin(track, since_ms);
        let passage = &mut self.current[own];
        passage.see(track, now_ms);
        passage.met.extend(met);
        passage.last_embed_ms = Some(now_ms);
        passage.absorb_held(&self.rules, ambiguity);
        passage.count_held();
        own
    }

    /// Puts a name to a passage when its shots are enough for one.
    fn decide_identity(&mut self, at: usize, single: &MatchDecision) {
        let thresholds = self.rules.thresholds();
        let passage = &self.current[at];
        let fused = judge(&passage.fused, thresholds);
        let may_name = !passage.is_outvoted(&fused);
        let found = match (single, fused.named()) {
            (MatchDecision::Confident(one), _) => Some((one.clone(), DecisionBasis::OneShot)),
            (MatchDecision::Match(one), _)
                if may_name && passage.tentative.as_ref().is_some_and(|t| t == &one.person.id) =>
            {
                Some((one.clone(), DecisionBasis::TwoShots))
            }
            (_, Some(all)) if passage.used_shots() >= 2 => Some((all.clone(), DecisionBasis::Fusion)),
            _ => match &fused {
                MatchDecision::Ambiguous(all)
                    if passage.may_take_more_similar(thresholds.top2_margin_min) =>
                {
                    Some((all.clone(), DecisionBasis::MoreSimilar))
                }
                _ => None,
            },
        };
        if let Some((one, basis)) = found.or_else(|| passage.unproven.clone()) {
            self.propose(at, one, basis);
            return;
        }
        let passage = &mut self.current[at];
        if let MatchDecision::Match(one) = single {
            passage.tentative = Some(one.person.id.clone());
        }
        passage.note_last_resort(single, &fused);
    }

    /// Names a person, unless the liveness check is still open.
    fn propose(&mut self, at: usize, candidate: Candidate, basis: DecisionBasis) {
        let passage = &mut self.current[at];
        if passage.identity.is_some() || passage.is_live_enough(&self.rules, &candidate, LIVE_SHOTS) {
            self.set_identity(at, candidate, basis);
        } else {
            passage.unproven = Some((candidate, basis));
        }
    }

    fn set_identity(&mut self, at: usize, candidate: Candidate, basis: DecisionBasis) {
        if self.current[at].identity.as_ref().is_some_and(|who| who.person.id != candidate.person.id) {
            return;
        }
        let Some(at) = self.join_same_person(at, &candidate) else { return };
        self.current[at].improve(candidate, basis);
    }

    /// If another passage of this person is still open, the two are merged; returns where the result is. Two that were seen
    /// in one picture are different people: then the less similar one is a lookalike, and `None` is returned.
    fn join_same_person(&mut self, at: usize, candidate: &Candidate) -> Option<usize> {
        let own = &self.current[at];
        let namesake = self.current.iter().position(|other| {
            other.key != own.key
                && other.identity.as_ref().is_some_and(|who| who.person.id == candidate.person.id)
        });
        let Some(other) = namesake else { return Some(at) };
        if !own.has_met(&self.current[other]) {
            return Some(self.merge(at, other));
        }
        let is_more_similar = |who: &Candidate| candidate.similarity > who.similarity;
        self.current[other].identity.as_ref().is_some_and(is_more_similar).then_some(at)
    }

    /// Moves everything of `from` into `into`; returns the index of the result.
    fn merge(&mut self, from: usize, into: usize) -> usize {
        let gone = self.current.remove(from);
        let into = if from < into { into - 1 } else { into };
        self.current[into].absorb(&self.rules, gone);
        into
    }

    /// What has become certain by `now_ms`. Call after every frame, and without frames at least once a
    /// `gap_ms`, so that the last passage of a quiet camera ends too.
    pub fn collect(&mut self, now_ms: u64) -> Vec<PassageFact> {
        self.rejoin_unknown();
        self.accept_last_resorts(now_ms);
        let mut facts = Vec::new();
        for passage in &mut self.current {
            if passage.identity.is_some() && !passage.is_reported {
                passage.is_reported = true;
                facts.extend(passage.view(&self.rules).map(PassageFact::Identified));
            }
        }
        let (over, current) = std::mem::take(&mut self.current)
            .into_iter()
            .partition(|p: &Passage| p.is_over(&self.rules, now_ms));
        self.current = current;
        for passage in over {
            facts.extend(self.end(passage));
        }
        let gap_ms = self.rules.gap_ms;
        self.remembered.retain(|ended| now_ms.saturating_sub(ended.last_seen_ms) <= 2 * gap_ms);
        facts
    }

    /// A passage is over: what is to be reported of it.
    fn end(&mut self, passage: Passage) -> Option<PassageFact> {
        let is_remainder = passage.identity.is_none() && self.is_remainder_of_another(&passage);
        if let Some(ended) = passage.ended(&self.rules) {
            self.remembered.push_back(ended);
            if self.remembered.len() > limits::PASSAGES_REMEMBERED {
                self.remembered.pop_front();
            }
        }
        if is_remainder {
            return None;
        }
        match (passage.reason_not_reported(&self.rules), passage.view(&self.rules)) {
            (None, Some(view)) => Some(PassageFact::Ended(view)),
            (Some(reason), _) => Some(PassageFact::Missed(reason)),
            (None, None) => None,
        }
    }

    /// Whether an unidentified passage is what was left over of an identified one just before or after.
    fn is_remainder_of_another(&self, passage: &Passage) -> bool {
        let Some(own) = passage.looks_like(&self.rules) else { return false };
        let limit = self.rules.similarity_rejoin();
        let is_like = |other: &Embedding| other.similarity(&own).is_some_and(|s| s >= limit);
        let gap_ms = self.rules.gap_ms;
        self.remembered.iter().any(|ended| {
            ended.is_known
                && !ended.met.contains_key(&passage.key)
                && ended.last_seen_ms + gap_ms >= passage.first_seen_ms
                && is_like(&ended.looks_like)
        }) || self.current.iter().any(|other| {
            other.identity.is_some()
                && !other.has_met(passage)
                && other.looks_like(&self.rules).is_some_and(|looks| is_like(&looks))
        })
    }

    /// Merges pieces of one person's passage by similarity.
    fn rejoin_unknown(&mut self) {
        while let Some((from, into)) = self.pair_to_merge() {
            self.merge(from, into);
        }
        // Until there is a new shot there is nothing new to compare.
        for passage in &mut self.current {
            passage.is_compared = true;
        }
    }

    /// Two passages of which the one, unidentified, is similar to the other, which began earlier and was out of sight
    /// when it began.
    fn pair_to_merge(&self) -> Option<(usize, usize)> {
        for (from, later) in self.current.iter().enumerate() {
            if later.identity.is_some() || later.is_compared {
                continue;
            }
            let Some(own) = later.looks_like(&self.rules) else { continue };
            let into = self.current.iter().position(|earlier| {
                earlier.key != later.key
                    && earlier.first_seen_ms <= later.first_seen_ms
                    && earlier.last_seen_ms <= later.first_seen_ms
                    && !earlier.has_met(later)
                    && earlier
                        .looks_like(&self.rules)
                        .and_then(|looks| looks.similarity(&own))
                        .is_some_and(|similarity| similarity >= self.rules.match_threshold)
            });
            if let Some(into) = into {
                return Some((from, into));
            }
        }
        None
    }

    /// A passage with one shot above the match threshold, and gone before a second, is taken to be that person's: an event
    /// above the threshold must not be called a stranger's. Of two people who were too similar it is the more similar one.
    /// A face that failed the liveness check is not named by any of this.
    fn accept_last_resorts(&mut self, now_ms: u64) {
        let waits = |p: &Passage| p.identity.is_none() && (p.unproven.is_some() || p.last_resort.is_some());
        while let Some(at) = self.current.iter().position(|p| waits(p) && p.is_over(&self.rules, now_ms)) {
            let thresholds = self.rules.thresholds();
            let passage = &mut self.current[at];
            let (unproven, resort) = (passage.unproven.take(), passage.last_resort.take());
            let is_outvoted = passage.is_outvoted(&judge(&passage.fused, thresholds));
            let found = unproven.or(resort.filter(|_| !is_outvoted));
            let Some((candidate, basis)) = found else { continue };
            if passage.is_live_enough(&self.rules, &candidate, 1) {
                self.set_identity(at, candidate, basis);
            } else {
                passage.not_live = Some(candidate);
            }
        }
    }

    /// Ends everything now: the camera is being closed.
    pub fn finish(&mut self) -> Vec<PassageFact> {
        let end_ms = self.current.iter().map(|p| p.last_seen_ms).max().unwrap_or(0);
        self.collect(end_ms + self.rules.gap_ms + 1)
    }

    /// Whether every person who is or was just there is known: nothing is left to find out.
    pub fn is_settled(&self) -> bool {
        self.current.iter().all(|passage| passage.identity.is_some() && passage.ambiguities.is_empty())
    }

    /// Whether no person is or was just there: no frame needs processing until something moves.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }
}
