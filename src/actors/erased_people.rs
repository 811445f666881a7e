//! Whom this run of the box has erased: what was on its way by then (an open passage, a push, a history batch, an event
//! that waits for room on the disk) is neither kept nor sent any more.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use menshen_domain::erasure::{Claim, ErasedIds, ErasedPerson};
use menshen_domain::event::EventRecord;
use menshen_domain::limits;

/// One erasure: whom, and when on both clocks.
struct Erasure {
    people: ErasedIds,
    wall_ms: u64,
    monotonic_ms: u64,
}

/// Cloning shares it.
#[derive(Clone, Default)]
pub struct ErasedPeople(Arc<RwLock<HashMap<String, Erasure>>>);

/// While it is held nobody is erased, so that an event that may be stored is stored before an erasure looks for it.
pub struct ErasedNow<'a>(RwLockReadGuard<'a, HashMap<String, Erasure>>);

impl ErasedPeople {
    /// Notes an erasure; waits for events that are being stored.
    pub fn add(&self, job: &str, people: &[ErasedPerson], wall_ms: u64, monotonic_ms: u64) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, erasure| {
            monotonic_ms.saturating_sub(erasure.monotonic_ms) < limits::ERASED_REMEMBERED_MS
        });
        let people = ErasedIds::new(people);
        all.insert(job.to_owned(), Erasure { people, wall_ms, monotonic_ms });
    }

    pub fn now(&self) -> ErasedNow<'_> {
        ErasedNow(self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether an event is of somebody who was erased after it began.
    pub fn has(&self, event: &EventRecord) -> bool {
        self.now().is_of_erased(event)
    }
}

impl ErasedNow<'_> {
    fn before(&self, event: &EventRecord) -> impl Iterator<Item = &ErasedIds> {
        let began_ms = event.in_timestamp_ms;
        self.0.values().filter(move |erasure| began_ms <= erasure.wall_ms).map(|erasure| &erasure.people)
    }

    /// Whether it began before the person it is of was erased; who is enrolled again afterwards is somebody new.
    pub fn is_of_erased(&self, event: &EventRecord) -> bool {
        self.before(event).any(|people| matches!(people.claim(event), Claim::Whole(_)))
    }

    /// Takes erased people out of an event of somebody else.
    pub fn take_out_of(&self, event: &mut EventRecord) {
        for people in self.before(&event.clone()) {
            people.take_out_of(event);
        }
    }
}
