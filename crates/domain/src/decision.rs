//! The decision about one search: does the best candidate reach the match threshold, and by which margin does it lead the
//! second best person?

use super::candidate::Candidate;
use super::person::PersonKind;

/// What it takes to name a person. All three are raw similarities (cosine) or differences of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchThresholds {
    /// Raw similarity from which a shot may name a person.
    pub match_threshold: f32,
    /// From this much above the threshold one shot is enough.
    pub high_confidence_margin: f32,
    /// Least margin before the second best person; with less it could be either.
    pub top2_margin_min: f32,
}

/// What one answer of the gallery says.
#[derive(Debug, Clone, PartialEq)]
pub enum MatchDecision {
    /// No candidate reaches the threshold.
    NoMatch,
    /// Above the threshold, and another person is nearly as similar.
    Ambiguous(Candidate),
    /// Above the threshold.
    Match(Candidate),
    /// Above the threshold by the high-confidence margin.
    Confident(Candidate),
}

impl MatchDecision {
    /// The candidate above the threshold and ahead of the rest.
    pub fn named(&self) -> Option<&Candidate> {
        match self {
            Self::Match(candidate) | Self::Confident(candidate) => Some(candidate),
            Self::NoMatch | Self::Ambiguous(_) => None,
        }
    }
}

/// Puts people before strangers among the candidates above the threshold: a person who came as a stranger first may be
/// enrolled both ways.
pub fn people_first(mut candidates: Vec<Candidate>, match_threshold: f32) -> Vec<Candidate> {
    // Stable: within either kind the more similar stay in front.
    candidates.sort_by_key(|one| one.similarity < match_threshold || one.person.kind == PersonKind::Stranger);
    candidates
}

/// By how much similarity the first of `candidates` leads the next other person; `None` without another. A stranger of the
/// registry is no rival of a person: it may be the same human being, enrolled both ways.
pub fn top2_margin(candidates: &[Candidate]) -> Option<f32> {
    let first = candidates.first()?;
    let is_rival = |other: &&Candidate| {
        other.person.id != first.person.id
            && (first.person.kind == PersonKind::Stranger || other.person.kind != PersonKind::Stranger)
    };
    let second = candidates[1..].iter().filter(is_rival).map(|other| other.similarity);
    second.max_by(f32::total_cmp).map(|second| first.similarity - second)
}

/// Whether the people it could be have the same rights, so that a door may depend on a guess between them. Every candidate
/// may pass where the search was made, but for the blacklist.
pub fn is_guess_harmless(candidates: &[Candidate], top2_margin_min: f32) -> bool {
    let Some(first) = candidates.first() else { return false };
    let is_listed = |one: &Candidate| one.person.kind == PersonKind::Blacklist;
    let close = candidates.iter().filter(|other| first.similarity - other.similarity < top2_margin_min);
    close.map(is_listed).all(|listed| listed == is_listed(first))
}

/// Decides about the candidates of one search, which are in the order of [`people_first`].
pub fn judge(candidates: &[Candidate], thresholds: MatchThresholds) -> MatchDecision {
    let Some(best) = candidates.first().filter(|best| best.similarity >= thresholds.match_threshold) else {
        return MatchDecision::NoMatch;
    };
    let best = best.clone();
    if top2_margin(candidates).is_some_and(|margin| margin < thresholds.top2_margin_min) {
        MatchDecision::Ambiguous(best)
    } else if best.similarity >= thresholds.match_threshold + thresholds.high_confidence_margin {
        MatchDecision::Confident(best)
    } else {
        MatchDecision::Match(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::candidate::GalleryPerson;

    const THRESHOLDS: MatchThresholds =
        MatchThresholds { match_threshold: 0.4, high_confidence_margin: 0.1, top2_margin_min: 0.05 };

    fn who(id: &str, similarity: f32) -> Candidate {
        let person = GalleryPerson {
            id: id.to_owned(),
            name: id.to_owned(),
            kind: if id.starts_with("stranger") { PersonKind::Stranger } else { PersonKind::Employee },
            photo: String::new(),
        };
        Candidate { person, similarity }
    }

    fn verdict(candidates: &[(&str, f32)]) -> MatchDecision {
        let all = candidates.iter().map(|(id, similarity)| who(id, *similarity)).collect();
        judge(&people_first(all, THRESHOLDS.match_threshold), THRESHOLDS)
    }

    #[test]
    fn the_marks_hold() {
        assert_eq!(verdict(&[]), MatchDecision::NoMatch);
        assert_eq!(verdict(&[("a", 0.39)]), MatchDecision::NoMatch);
        assert_eq!(verdict(&[("a", 0.41), ("b", 0.1)]), MatchDecision::Match(who("a", 0.41)));
        assert_eq!(verdict(&[("a", 0.6), ("b", 0.1)]), MatchDecision::Confident(who("a", 0.6)));
    }

    #[test]
    fn twins_are_either_however_similar() {
        assert_eq!(verdict(&[("a", 0.9), ("b", 0.86)]), MatchDecision::Ambiguous(who("a", 0.9)));
        assert_eq!(verdict(&[("a", 0.9), ("b", 0.84)]), MatchDecision::Confident(who("a", 0.9)));
        assert!(verdict(&[("a", 0.9), ("b", 0.86)]).named().is_none());
    }

    #[test]
    fn a_stranger_is_behind_people_above_the_mark_and_no_rival_of_theirs() {
        let same = [("stranger-1", 0.9), ("a", 0.6)];
        assert_eq!(verdict(&same), MatchDecision::Confident(who("a", 0.6)));
        assert_eq!(
            verdict(&[("stranger-1", 0.9), ("a", 0.39)]),
            MatchDecision::Confident(who("stranger-1", 0.9))
        );
        assert_eq!(
            verdict(&[("stranger-1", 0.6), ("stranger-2", 0.58)]),
            MatchDecision::Ambiguous(who("stranger-1", 0.6))
        );
    }
}
