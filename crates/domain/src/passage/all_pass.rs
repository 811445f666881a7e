//! Gates that let anyone pass who shows a face, but for the blacklist (`pass_mode` all_pass).

use super::state::Passage;
use super::types::PassageRules;
use super::{PassageKey, Passages};
use crate::candidate::Candidate;
use crate::person::PersonKind;

/// Shots a face needs: the first may be too poor to tell who is on the blacklist.
const SHOTS_MIN: usize = 2;

impl Passages {
    /// Passages nobody is named in yet that show a face which may pass where anyone may: each is told once. Nobody who may be on
    /// the blacklist is among them, and where liveness counts, no face that was not found alive.
    pub fn take_unnamed_passing(&mut self) -> Vec<PassageKey> {
        let rules = &self.rules;
        let passing = self.current.iter_mut().filter(|passage| passage.may_pass_unnamed(rules));
        passing
            .map(|passage| {
                passage.is_let_in = true;
                passage.key
            })
            .collect()
    }
}

impl Passage {
    fn may_pass_unnamed(&self, rules: &PassageRules) -> bool {
        let may_be_listed = |one: &Candidate| {
            one.person.kind == PersonKind::Blacklist
                && one.similarity >= rules.match_threshold - rules.top2_margin_min
        };
        let shots = self.notes.iter().filter(|note| note.used);
        !self.is_let_in
            && self.identity.is_none()
            && self.unproven.is_none()
            && shots.clone().count() >= SHOTS_MIN
            && self.is_seen_alive(rules, SHOTS_MIN)
            && !shots.flat_map(|note| &note.best).chain(&self.fused).any(may_be_listed)
    }
}
