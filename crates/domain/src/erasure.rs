//! Erasing a person: which records are theirs, which only mention them, and what the receipt says.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::event::EventRecord;
use super::explain::{Explanation, Ranked};
use super::person::PersonKind;

/// How much was erased. Counts only: a receipt holds nothing of the person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErasureCounts {
    /// Records of the registry: the person's own, and those of the strangers they were before.
    pub records: u64,
    /// Registry photos.
    pub photos: u64,
    /// Features of faces, of all models.
    pub features: u64,
    /// Events, open ones included.
    pub events: u64,
    /// Of those, events that some history receiver had not got; they are not sent any more.
    pub events_undelivered: u64,
    /// Pictures of those events.
    pub pictures: u64,
    /// Events of other people out of which the person was taken as a candidate.
    pub mentions: u64,
    /// Commands that could not be carried out and that named the person.
    pub dead_letters: u64,
}

impl ErasureCounts {
    /// Whether there was anything.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// One person of an erasure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedPerson {
    /// The platform's id.
    pub id: String,
    /// As it was in the registry; empty for a person who was not there any more.
    pub name: String,
    /// Strangers of the registry who have this person's face.
    pub aliases: Vec<String>,
    /// What was found before anything was erased: after a crash it could not be counted again.
    pub counts: ErasureCounts,
}

/// An erasure on its way, kept until it is finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureJob {
    /// UUID; that of the receipts.
    pub id: String,
    /// When it was asked for, ms since the epoch, UTC.
    pub at_ms: u64,
    /// Who asked for it, and over which way.
    pub asked_by: String,
    /// Whom.
    pub people: Vec<ErasedPerson>,
}

/// What is kept of an erasure of one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureReceipt {
    /// UUID of the erasure.
    pub receipt: String,
    /// A keyed hash of the person's id: who knows the id can find the receipt, and nobody else learns it.
    pub person: String,
    /// When it was asked for, ms since the epoch, UTC.
    pub asked_at: u64,
    /// When it was finished; later than a moment after a crash.
    pub finished_at: u64,
    /// Who asked for it, and over which way.
    pub asked_by: String,
    /// What was erased.
    #[serde(flatten)]
    pub counts: ErasureCounts,
}

/// Whose a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is of somebody else.
    None,
    /// It is of somebody else and names the erased person (by index) as a candidate.
    Mentions(usize),
    /// It is of the erased person (by index).
    Whole(usize),
}

/// The ids of people who are erased, in every spelling that records have of them.
#[derive(Debug, Clone, Default)]
pub struct ErasedIds {
    ids: HashMap<String, usize>,
    /// As explanations have them.
    ranked: HashMap<String, usize>,
}

impl ErasedIds {
    /// Of these people, by their index.
    pub fn new(people: &[ErasedPerson]) -> Self {
        let mut erased = Self::default();
        for (index, person) in people.iter().enumerate() {
            for id in std::iter::once(&person.id).chain(&person.aliases) {
                erased.add(id, index);
            }
        }
        erased
    }

    fn add(&mut self, id: &str, index: usize) {
        self.ids.entry(id.to_owned()).or_insert(index);
        self.ranked.entry(Ranked::new(id, 0.0).id).or_insert(index);
    }

    /// Every id, aliases included.
    pub fn all(&self) -> HashSet<&str> {
        self.ids.keys().map(String::as_str).collect()
    }

    /// The person with this id.
    pub fn index_of(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    /// Whose an event is. An event that names nobody of the registry is the person's where they were not allowed to pass or were
    /// not taken for a living face, and where their similarity reached the match threshold all the same.
    pub fn claim(&self, event: &EventRecord) -> Claim {
        if let Some(index) = event.identity.as_ref().and_then(|who| self.index_of(&who.id)) {
            return Claim::Whole(index);
        }
        let Some(why) = event.why.as_deref() else { return Claim::None };
        let is_nobody = event.identity.as_ref().is_none_or(|who| who.kind == PersonKind::Stranger);
        if is_nobody {
            let reached = |ranked: &&Ranked| ranked.similarity >= why.threshold;
            let mut seen = why.not_here.iter().chain(everyone(why).filter(reached));
            if let Some(index) = seen.find_map(|ranked| self.of(ranked)) {
                return Claim::Whole(index);
            }
        }
        let mut named = why.not_here.iter().chain(everyone(why));
        named.find_map(|ranked| self.of(ranked)).map_or(Claim::None, Claim::Mentions)
    }

    fn of(&self, ranked: &Ranked) -> Option<usize> {
        self.ranked.get(&ranked.id).copied()
    }

    /// Takes the erased people out of somebody else's event.
    pub fn take_out_of(&self, event: &mut EventRecord) {
        let Some(why) = event.why.as_deref_mut() else { return };
        why.fused.retain(|ranked| self.of(ranked).is_none());
        for shot in &mut why.shots {
            shot.best.retain(|ranked| self.of(ranked).is_none());
        }
        why.not_here = why.not_here.take().filter(|ranked| self.of(ranked).is_none());
    }
}

/// Candidates of a passage, the fused ones first.
fn everyone(why: &Explanation) -> impl Iterator<Item = &Ranked> {
    why.fused.iter().chain(why.shots.iter().flat_map(|shot| &shot.best))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventDevice, EventIdentity, ShotQuality, WantAction};
    use crate::explain::ShotRecord;

    fn event(identity: Option<(&str, PersonKind)>, why: Option<Explanation>) -> EventRecord {
        EventRecord {
            event_id: "e".into(),
            device: EventDevice {
                ep_id: "d".into(),
                ip: "1".into(),
                device_type: "3".into(),
                name: String::new(),
                device_id: String::new(),
                registry_group: "default_group".into(),
            },
            identity: identity.map(|(id, kind)| EventIdentity {
                id: id.into(),
                name: "n".into(),
                kind,
                registry_photo: None,
            }),
            timestamp_ms: 1,
            in_timestamp_ms: 1,
            out_timestamp_ms: 1,
            score: 0.5,
            similarity: None,
            want_action: WantAction::Nothing,
            quality: ShotQuality::default(),
            spot_pic: None,
            face_pic: None,
            model: "m".into(),
            why: why.map(Box::new),
            feature: None,
        }
    }

    fn why(fused: &[(&str, f32)], not_here: Option<&str>) -> Explanation {
        let ranked = |(id, similarity): &(&str, f32)| Ranked::new(id, *similarity);
        Explanation {
            threshold: 0.5,
            fused: fused.iter().map(ranked).collect(),
            not_here: not_here.map(|id| Ranked::new(id, 0.1)),
            ..Explanation::default()
        }
    }

    fn erased() -> ErasedIds {
        let person = |id: &str, alias: &str| ErasedPerson {
            id: id.into(),
            aliases: vec![alias.into()],
            ..ErasedPerson::default()
        };
        ErasedIds::new(&[person("a", "stranger-1"), person(&"x".repeat(100), "stranger-2")])
    }

    #[test]
    fn an_event_is_whose_face_it_shows() {
        use PersonKind::{Employee, Stranger};
        let long = "x".repeat(100);
        let cases = [
            (event(Some(("a", Employee)), None), Claim::Whole(0)),
            (event(Some(("stranger-1", Stranger)), None), Claim::Whole(0)),
            (event(Some((&long, Employee)), None), Claim::Whole(1)),
            (event(Some(("b", Employee)), None), Claim::None),
            (event(None, None), Claim::None),
            // Known, and not allowed here.
            (event(None, Some(why(&[], Some("a")))), Claim::Whole(0)),
            (event(None, Some(why(&[("b", 0.9), (&long, 0.6)], None))), Claim::Whole(1)),
            // Not similar enough to be the person.
            (event(None, Some(why(&[("a", 0.4)], None))), Claim::Mentions(0)),
            (event(Some(("b", Employee)), Some(why(&[("b", 0.9), ("a", 0.6)], None))), Claim::Mentions(0)),
            (event(Some(("s", Stranger)), Some(why(&[("s", 0.9), ("a", 0.6)], None))), Claim::Whole(0)),
        ];
        for (event, claim) in cases {
            assert_eq!(erased().claim(&event), claim, "{event:?}");
        }
    }

    #[test]
    fn a_candidate_is_taken_out_and_the_rest_stays() {
        let mut of_other =
            event(Some(("b", PersonKind::Vip)), Some(why(&[("b", 0.9), ("a", 0.6)], Some("a"))));
        let chain = of_other.why.as_mut().unwrap();
        let best = vec![Ranked::new("a", 0.5), Ranked::new("c", 0.4), Ranked::new(&"x".repeat(100), 0.3)];
        chain.shots = vec![ShotRecord { after_ms: 1, quality: 0.5, best, used: true, liveness: None }];
        erased().take_out_of(&mut of_other);
        assert_eq!(erased().claim(&of_other), Claim::None);
        let chain = of_other.why.as_ref().unwrap();
        assert_eq!((chain.fused.len(), chain.shots[0].best.len(), chain.not_here.is_none()), (1, 1, true));
        assert_eq!(chain.shots[0].best[0].id, "c");
    }
}
