//! The liveness check of a passage, where a device asks for it: it uses the shots that show the person to be named, so that
//! a living face seen before does not vouch for a picture held up after it.

use super::PassageRules;
use super::state::Passage;
use super::types::Liveness;
use crate::candidate::Candidate;

/// Shots that must reach the least score, and their mean, during the passage: one may be luck. At its end there will be
/// no second, and no door opens any more.
pub(super) const LIVE_SHOTS: usize = 2;

impl Passage {
    /// Whether the candidate may be named, as far as liveness goes.
    pub(super) fn is_live_enough(&self, rules: &PassageRules, candidate: &Candidate, shots: usize) -> bool {
        let Some(least) = rules.liveness_min else { return true };
        let scores = self.scores_of(Some(&candidate.person.id));
        let say_so = scores.iter().filter(|score| **score >= least).count();
        say_so >= shots && mean(&scores).is_some_and(|score| score >= least)
    }

    /// Whether its face is alive, whoever it is.
    pub(super) fn is_seen_alive(&self, rules: &PassageRules, shots: usize) -> bool {
        let Some(least) = rules.liveness_min else { return true };
        let scores = self.scores_of(None);
        let say_so = scores.iter().filter(|score| **score >= least).count();
        say_so >= shots && mean(&scores).is_some_and(|score| score >= least)
    }

    /// The result for the passage; `None` where it was not checked.
    pub(super) fn liveness(&self, rules: &PassageRules) -> Option<Liveness> {
        let least = rules.liveness_min?;
        let who = self.identity.as_ref().or(self.not_live.as_ref()).map(|who| who.person.id.as_str());
        let score = mean(&self.scores_of(who))?;
        let is_live = self.not_live.is_none() && (self.identity.is_some() || score >= least);
        Some(Liveness { score, is_live })
    }

    /// Of the shots that look like `who` most of all; of all where there are none.
    fn scores_of(&self, who: Option<&str>) -> Vec<f32> {
        let shows =
            |best: &[Candidate]| who.is_none() || best.first().map(|one| one.person.id.as_str()) == who;
        let theirs = self.notes.iter().filter(|note| shows(&note.best));
        let scores: Vec<f32> = theirs.filter_map(|note| note.liveness).collect();
        if scores.is_empty() && who.is_some() { self.scores_of(None) } else { scores }
    }
}

fn mean(scores: &[f32]) -> Option<f32> {
    (!scores.is_empty()).then(|| scores.iter().sum::<f32>() / scores.len() as f32)
}
