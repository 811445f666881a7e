//! One passage: its tracks, its shots, and what they say.

use std::collections::BTreeMap;

use super::{Observation, PassageKey, PassageRules, PassageView, Shot, ShotNote, Trace};
use crate::candidate::Candidate;
use crate::decision::{MatchDecision, is_guess_harmless};
use crate::explain::{CheckTally, DecisionBasis, Reason};
use crate::face::Embedding;
use crate::fusion::Fusion;
use crate::limits;
use crate::track::TrackId;

/// Shots in a row that show another person before a track is taken to have changed: one may be a hand.
const STRIKES: u32 = 2;
/// Shots that say neither, after which the track is confirmed again.
const UNCLEAR_MAX: u32 = 3;
/// Shots that decide together: two people who are too similar are not separated by more, and single shots are outvoted.
const ENOUGH_SHOTS: usize = 3;
/// Once there are as many shots as are kept, an unknown face is embedded this many times less often.
const SLOWER: u64 = 4;

/// A track that may show another person than its passage.
#[derive(Debug)]
pub struct TrackAmbiguity {
    pub track: TrackId,
    pub since_ms: u64,
    strikes: u32,
    unclear: u32,
    /// Shots since then, with the best one whole.
    held: Vec<(u64, Embedding, f32, ShotNote)>,
    best: Option<Box<Shot>>,
}

impl TrackAmbiguity {
    fn new(track: TrackId, since_ms: u64) -> Self {
        Self { track, since_ms, strikes: 0, unclear: 0, held: Vec::new(), best: None }
    }
}

/// Whether a shot shows the person of its passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShotAgreement {
    Same,
    Different,
    Unclear,
}

/// What is remembered of a passage that has ended.
#[derive(Debug)]
pub struct Ended {
    pub is_known: bool,
    pub last_seen_ms: u64,
    pub looks_like: Embedding,
    pub met: BTreeMap<PassageKey, u64>,
}

#[derive(Debug)]
pub struct Passage {
    pub key: PassageKey,
    /// With the time each was last seen.
    tracks: Vec<(TrackId, u64)>,
    pub first_seen_ms: u64,
    pub last_seen_ms: u64,
    hits: u32,
    passed: u32,
    checks: CheckTally,
    pub last_embed_ms: Option<u64>,
    pub best_shot: Option<Shot>,
    pub shots: Fusion,
    pub(super) notes: Vec<ShotNote>,
    /// Candidates of the fused embedding.
    pub fused: Vec<Candidate>,
    pub ambiguities: Vec<TrackAmbiguity>,
    /// Other passages seen in the same picture, and when last.
    pub met: BTreeMap<PassageKey, u64>,
    /// The person one shot named; a second must agree, below the high-confidence margin.
    pub tentative: Option<String>,
    /// The person to name when it is over and nothing better was found.
    pub last_resort: Option<(Candidate, DecisionBasis)>,
    /// The person found by shots that do not pass the liveness check yet.
    pub unproven: Option<(Candidate, DecisionBasis)>,
    /// The person found by shots that did not pass the liveness check until the end.
    pub not_live: Option<Candidate>,
    /// Two people were too similar to decide.
    too_close: bool,
    /// Compared with the others, with no new shot since.
    pub is_compared: bool,
    pub identity: Option<Candidate>,
    basis: DecisionBasis,
    pub is_reported: bool,
    /// A gate that opens for anyone was told of it.
    pub is_let_in: bool,
}

impl Passage {
    pub fn new(key: PassageKey, track: TrackId, now_ms: u64) -> Self {
        Self {
            key,
            tracks: vec![(track, now_ms)],
            first_seen_ms: now_ms,
            last_seen_ms: now_ms,
            hits: 0,
            passed: 0,
            checks: CheckTally::default(),
            last_embed_ms: None,
            best_shot: None,
            shots: Fusion::default(),
            notes: Vec::new(),
            fused: Vec::new(),
            ambiguities: Vec::new(),
            met: BTreeMap::new(),
            tentative: None,
            last_resort: None,
            unproven: None,
            not_live: None,
            too_close: false,
            is_compared: false,
            identity: None,
            basis: DecisionBasis::None,
            is_reported: false,
            is_let_in: false,
        }
    }

    pub fn has_track(&self, track: TrackId) -> bool {
        self.tracks.iter().any(|(own, _)| *own == track)
    }

    pub fn see(&mut self, track: TrackId, now_ms: u64) {
        self.last_seen_ms = self.last_seen_ms.max(now_ms);
        if let Some((_, seen_ms)) = self.tracks.iter_mut().find(|(own, _)| *own == track) {
            *seen_ms = now_ms;
        }
    }

    pub fn count(&mut self, face: &Observation) {
        self.hits += 1;
        self.passed += u32::from(face.judgement.passed);
        self.checks.note(&face.judgement.fails);
    }

    /// From now on the track may show another person. A passage without shots has nothing to compare with.
    pub fn mark_ambiguous(&mut self, track: TrackId, now_ms: u64) {
        if !self.shots.is_empty() && self.ambiguities.iter().all(|ambiguity| ambiguity.track != track) {
            self.ambiguities.push(TrackAmbiguity::new(track, now_ms));
        }
    }

    pub fn wants_embedding(
        &self,
        rules: &PassageRules,
        track: TrackId,
        face: &Observation,
        now_ms: u64,
    ) -> bool {
        let Some(last_ms) = self.last_embed_ms else { return true };
        let since_ms = now_ms.saturating_sub(last_ms);
        if since_ms < rules.embed_interval_ms {
            return false;
        }
        let is_better = self
            .best_shot
            .as_ref()
            .is_none_or(|old| face.judgement.score > old.quality() * rules.better_shot_ratio);
        let is_due = self.shots.len() < limits::SHOTS_KEPT || since_ms >= rules.embed_interval_ms * SLOWER;
        let is_ambiguous = self.ambiguities.iter().any(|ambiguity| ambiguity.track == track);
        is_ambiguous || is_better || (self.identity.is_none() && is_due)
    }

    /// Whether a shot of `track` shows the same person. Only of an ambiguous track, or with a confident match of another
    /// person, can it be a different one.
    pub fn compare(
        &mut self,
        rules: &PassageRules,
        track: TrackId,
        shot: &Shot,
        single: &MatchDecision,
    ) -> ShotAgreement {
        let is_other_name = |candidate: &Candidate| {
            self.identity.as_ref().is_some_and(|who| who.person.id != candidate.person.id)
        };
        if let MatchDecision::Confident(candidate) = single
            && is_other_name(candidate)
        {
            return ShotAgreement::Different;
        }
        let likeness = self.looks_like(rules).and_then(|looks| looks.similarity(&shot.embedding));
        let names_other = single.named().is_some_and(is_other_name);
        let names_same = single.named().is_some_and(|candidate| {
            self.identity.as_ref().is_some_and(|who| who.person.id == candidate.person.id)
        });
        let is_sure = matches!(single, MatchDecision::Confident(_));
        let Some(ambiguity) = self.ambiguities.iter_mut().find(|ambiguity| ambiguity.track == track) else {
            return if names_other { ShotAgreement::Unclear } else { ShotAgreement::Same };
        };
        let Some(likeness) = likeness else { return ShotAgreement::Same };
        if names_same || (likeness >= rules.match_threshold && !names_other) {
            return ShotAgreement::Same;
        }
        if names_other || likeness < rules.similarity_other() {
            ambiguity.strikes += 1;
            let decided = ambiguity.strikes >= STRIKES || is_sure;
            return if decided { ShotAgreement::Different } else { ShotAgreement::Unclear };
        }
        ambiguity.strikes = 0;
        ambiguity.unclear += 1;
        if ambiguity.unclear >= UNCLEAR_MAX { ShotAgreement::Same } else { ShotAgreement::Unclear }
    }

    /// The track is not ambiguous any more; what was held back counts.
    pub fn confirm_track(&mut self, rules: &PassageRules, track: TrackId) {
        if let Some(at) = self.ambiguities.iter().position(|ambiguity| ambiguity.track == track) {
            let ambiguity = self.ambiguities.remove(at);
            self.absorb_held(rules, ambiguity);
        }
    }

    pub fn absorb_held(&mut self, rules: &PassageRules, ambiguity: TrackAmbiguity) {
        for (tag, embedding, weight, note) in ambiguity.held {
            self.shots.add(embedding, weight, tag);
            self.notes.push(note);
        }
        if let Some(shot) = ambiguity.best {
            self.offer(*shot);
        }
        self.tidy_notes(rules);
    }

    /// A passage that begins with shots held back by another: each was a processed frame, and so was the one that decided.
    pub fn count_held(&mut self) {
        self.hits += self.notes.len() as u32 + 1;
        self.passed += self.notes.len() as u32 + 1;
    }

    /// Keeps a shot of an ambiguous track apart. Of a track that is not ambiguous it is not kept at all: it named another
    /// person without confidence.
    pub fn hold_back(&mut self, track: TrackId, tag: u64, shot: Shot) {
        let note = note_of(tag, &shot);
        let Some(ambiguity) = self.ambiguities.iter_mut().find(|ambiguity| ambiguity.track == track) else {
            return;
        };
        if ambiguity.held.len() < limits::SHOTS_KEPT {
            ambiguity.held.push((tag, shot.embedding.clone(), shot.weight(), note));
        }
        if ambiguity.best.as_ref().is_none_or(|best| shot.quality() > best.quality()) {
            ambiguity.best = Some(Box::new(shot));
        }
    }

    /// Adds a shot that shows the person of this passage.
    pub fn keep(&mut self, rules: &PassageRules, tag: u64, shot: Shot, fused: Vec<Candidate>) {
        if self.best_shot.as_ref().is_some_and(|old| old.embedding.model != shot.embedding.model) {
            let is_confirmed = self
                .identity
                .as_ref()
                .is_none_or(|who| shot.best().is_some_and(|best| best.person.id == who.person.id));
            if !is_confirmed {
                return;
            }
            self.change_model(&shot);
        }
        self.shots.add(shot.embedding.clone(), shot.weight(), tag);
        self.notes.push(note_of(tag, &shot));
        self.tidy_notes(rules);
        if !fused.is_empty() {
            self.fused = fused;
        }
        self.is_compared = false;
        self.offer(shot);
    }

    /// A passage's shots and similarities are of one model: when a shot of another comes, the rest goes.
    pub fn change_model(&mut self, shot: &Shot) {
        self.shots = Fusion::default();
        self.notes.clear();
        self.fused.clear();
        self.ambiguities.clear();
        (self.tentative, self.last_resort, self.best_shot) = (None, None, None);
        self.unproven = None;
        if self.identity.is_some() {
            self.identity = shot.best().cloned();
        }
    }

    fn tidy_notes(&mut self, rules: &PassageRules) {
        let used = self.shots.fuse(rules.match_threshold).map(|fused| fused.used).unwrap_or_default();
        let shots = &self.shots;
        self.notes.retain(|note| shots.has(note.tag));
        for note in &mut self.notes {
            note.used = used.contains(&note.tag);
        }
    }

    /// Whether, of two people who are too similar, the more similar one may be named during the passage.
    pub fn may_take_more_similar(&self, top2_margin_min: f32) -> bool {
        self.used_shots() >= ENOUGH_SHOTS && is_guess_harmless(&self.fused, top2_margin_min)
    }

    /// Whether all shots together, and there are several, match no person: then a shot or two above the threshold were
    /// chance. A face that is embedded forty times has forty chances to look like some person.
    pub fn is_outvoted(&self, fused: &MatchDecision) -> bool {
        self.used_shots() >= ENOUGH_SHOTS && !self.fused.is_empty() && *fused == MatchDecision::NoMatch
    }

    pub fn used_shots(&self) -> usize {
        self.notes.iter().filter(|note| note.used).count()
    }

    /// Keeps the better picture. For a known person that is the one most like them, else a whole face and the best in
    /// quality.
    fn offer(&mut self, shot: Shot) {
        let rank = |shot: &Shot| (!shot.observation.measurements.partial, shot.quality());
        let better = match (&self.best_shot, &self.identity) {
            (None, _) => true,
            (Some(old), Some(who)) => {
                similarity_to(&shot, &who.person.id) > similarity_to(old, &who.person.id)
            }
            (Some(old), None) => rank(&shot) > rank(old),
        };
        if better {
            self.best_shot = Some(shot);
        }
    }

    /// The same person named again: corrected upwards only.
    pub fn improve(&mut self, candidate: Candidate, basis: DecisionBasis) {
        if self.identity.is_none() {
            self.basis = basis;
        }
        if self.identity.as_ref().is_none_or(|who| candidate.similarity > who.similarity) {
            self.identity = Some(candidate);
        }
    }

    /// Remembers the person to name when nothing better comes.
    pub fn note_last_resort(&mut self, single: &MatchDecision, fused: &MatchDecision) {
        let found = match (single, fused) {
            (MatchDecision::Match(one), _) => Some((one, DecisionBasis::LastShot)),
            // The fused embedding separates two people better than one shot.
            (_, MatchDecision::Ambiguous(all)) => Some((all, DecisionBasis::MoreSimilar)),
            (MatchDecision::Ambiguous(one), _) if self.last_resort.is_none() => {
                Some((one, DecisionBasis::MoreSimilar))
            }
            _ => None,
        };
        if let Some((candidate, basis)) = found {
            self.last_resort = Some((candidate.clone(), basis));
        }
        self.too_close |=
            matches!(single, MatchDecision::Ambiguous(_)) || matches!(fused, MatchDecision::Ambiguous(_));
    }

    /// Takes a track out; gives what was held back of it.
    pub fn drop_track(&mut self, track: TrackId, now_ms: u64) -> TrackAmbiguity {
        self.tracks.retain(|(own, _)| *own != track);
        let at = self.ambiguities.iter().position(|ambiguity| ambiguity.track == track);
        let ambiguity =
            at.map_or_else(|| TrackAmbiguity::new(track, now_ms), |at| self.ambiguities.remove(at));
        let others = self.tracks.iter().map(|(_, seen_ms)| *seen_ms).max();
        self.last_seen_ms = others.unwrap_or(0).max(ambiguity.since_ms.min(self.last_seen_ms));
        ambiguity
    }

    /// Takes out the passages met since `since_ms`: they were met by the person who leaves this passage.
    pub fn take_meetings_since(&mut self, since_ms: u64) -> Vec<(PassageKey, u64)> {
        let met: Vec<_> =
            self.met.iter().filter(|(_, at_ms)| **at_ms >= since_ms).map(|(key, at)| (*key, *at)).collect();
        self.met.retain(|_, at_ms| *at_ms < since_ms);
        met
    }

    /// Whether the two were seen in one picture, as either side remembers it.
    pub fn has_met(&self, other: &Self) -> bool {
        self.met.contains_key(&other.key) && other.met.contains_key(&self.key)
    }

    pub fn absorb(&mut self, rules: &PassageRules, gone: Self) {
        self.tracks.extend(gone.tracks);
        self.first_seen_ms = self.first_seen_ms.min(gone.first_seen_ms);
        self.last_seen_ms = self.last_seen_ms.max(gone.last_seen_ms);
        self.last_embed_ms = self.last_embed_ms.max(gone.last_embed_ms);
        self.hits += gone.hits;
        self.passed += gone.passed;
        self.checks.absorb(&gone.checks);
        self.shots.absorb(gone.shots);
        self.notes.extend(gone.notes);
        self.tidy_notes(rules);
        self.ambiguities.extend(gone.ambiguities);
        self.met.extend(gone.met);
        self.too_close |= gone.too_close;
        if self.last_resort.is_none() {
            self.last_resort = gone.last_resort;
        }
        if self.unproven.is_none() {
            self.unproven = gone.unproven;
        }
        if let Some(who) = gone.identity {
            self.improve(who, gone.basis);
        }
        if let Some(shot) = gone.best_shot {
            self.offer(shot);
        }
        self.is_compared = false;
    }

    pub fn is_over(&self, rules: &PassageRules, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_seen_ms) > rules.gap_ms
            || self.last_seen_ms.saturating_sub(self.first_seen_ms) > rules.max_ms
    }

    /// The fused embedding; `None` without a shot.
    pub fn looks_like(&self, rules: &PassageRules) -> Option<Embedding> {
        self.shots.fuse(rules.match_threshold).map(|fused| fused.embedding)
    }

    pub fn ended(&self, rules: &PassageRules) -> Option<Ended> {
        Some(Ended {
            is_known: self.identity.is_some(),
            last_seen_ms: self.last_seen_ms,
            looks_like: self.looks_like(rules)?,
            met: self.met.clone(),
        })
    }

    /// Why there is nothing to report; `None` when there is.
    pub fn reason_not_reported(&self, rules: &PassageRules) -> Option<Reason> {
        // A person's picture, held up however briefly, is reported.
        if self.identity.is_some() || (self.not_live.is_some() && self.best_shot.is_some()) {
            return None;
        }
        match &self.best_shot {
            None if self.hits == 0 => Some(Reason::TooBrief),
            None => Some(self.checks.worst().map_or(Reason::NoShot, Reason::of_check)),
            Some(_) if self.hits < rules.stranger_hits_min => Some(Reason::TooBrief),
            Some(best) if best.observation.measurements.partial => Some(Reason::Partial),
            Some(_) => None,
        }
    }

    pub fn view(&self, rules: &PassageRules) -> Option<PassageView> {
        let reason = match (&self.not_live, self.too_close) {
            (Some(_), _) => Reason::NotLive,
            (None, true) => Reason::TooClose,
            (None, false) => Reason::BelowThreshold,
        };
        Some(PassageView {
            key: self.key,
            first_seen_ms: self.first_seen_ms,
            last_seen_ms: self.last_seen_ms,
            shot: self.best_shot.clone()?,
            identity: self.identity.clone(),
            not_live: self.not_live.clone(),
            liveness: self.liveness(rules),
            looks_like: self.looks_like(rules)?,
            trace: Trace {
                looks: self.hits,
                passed: self.passed,
                checks: self.checks.counts(),
                shots: self.notes.clone(),
                fused: self.fused.iter().take(limits::EXPLAINED_BEST).cloned().collect(),
                basis: self.basis,
                reason: self.identity.is_none().then_some(reason),
            },
        })
    }
}

fn note_of(tag: u64, shot: &Shot) -> ShotNote {
    ShotNote {
        tag,
        taken_ms: shot.taken_ms,
        quality: shot.quality(),
        best: shot.candidates.iter().take(limits::EXPLAINED_BEST).cloned().collect(),
        liveness: shot.liveness,
        used: true,
    }
}

fn similarity_to(shot: &Shot, id: &str) -> f32 {
    shot.best().filter(|best| best.person.id == id).map_or(-1.0, |best| best.similarity)
}
