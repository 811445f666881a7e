//! Erasing people with everything that is kept of them: records, photos, features, events with their pictures, and kept
//! commands. An erasure is written down before it begins; what a crash or a failing disk cuts short is finished at the next start or
//! by the next erasure.

use std::collections::HashSet;
use std::sync::Arc;

use super::blocking::run_blocking;
use super::erased_people::ErasedPeople;
use super::handle::Handle;
use super::registry::RegistryActor;
use super::registry::message::{FindErased, ForgetPeople};
use crate::ports::clock::Clock;
use crate::ports::dead_letters::DeadLetters;
use crate::ports::erasures::ErasureLog;
use crate::ports::store::{
    EventStore, Fate, Namespace, NewPicture, Owner, PictureStore, RegistryStore, StoreError,
};
use menshen_domain::erasure::{Claim, ErasedIds, ErasedPerson, ErasureJob, ErasureReceipt};
use menshen_domain::event::EventRecord;
use menshen_domain::limits;
use menshen_domain::person::Person;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::letter;

/// Everything that holds people's data. Cloning shares it.
#[derive(Clone)]
pub struct ErasureParts {
    pub registry: Arc<dyn RegistryStore>,
    pub events: Arc<dyn EventStore>,
    pub pictures: Arc<dyn PictureStore>,
    pub letters: Arc<dyn DeadLetters>,
    pub log: Arc<dyn ErasureLog>,
}

/// Erases people while the box runs. Cloning shares everything.
#[derive(Clone)]
pub struct Eraser {
    pub parts: ErasureParts,
    pub registry: Handle<RegistryActor>,
    pub erased: ErasedPeople,
    pub clock: Arc<dyn Clock>,
    /// One erasure at a time.
    pub turn: Arc<tokio::sync::Mutex<()>>,
}

/// What became of one person who was to be erased.
pub struct EraseOutcome {
    pub id: String,
    pub result: Result<ErasureReceipt, ProtocolError>,
}

impl Eraser {
    /// Erases people, also those who are not in the registry any more and of whom something is left. One of whom nothing is
    /// left gets the receipt of the erasure before, where there was one, so that asking twice is answered alike.
    pub async fn erase(&self, ids: Vec<String>, asked_by: &str) -> Vec<EraseOutcome> {
        let erased = self.erase_all(&ids, asked_by).await;
        let outcome = |id: String| {
            let result = match &erased {
                Err(refusal) => Err(refusal.clone()),
                Ok(receipts) => {
                    let name = self.parts.log.name_of(&id);
                    let found = receipts.iter().rev().find(|receipt| receipt.person == name);
                    found.cloned().ok_or_else(|| ProtocolError::new(StatusCode::IdNotFound, ""))
                }
            };
            EraseOutcome { id, result }
        };
        ids.into_iter().map(outcome).collect()
    }

    /// All receipts, the new ones last.
    async fn erase_all(&self, ids: &[String], asked_by: &str) -> Result<Vec<ErasureReceipt>, ProtocolError> {
        let _turn = self.turn.lock().await;
        let people = self.registry.send_until_answered(|| FindErased { ids: ids.to_vec() }).await?;
        let job = ErasureJob {
            id: uuid::Uuid::now_v7().to_string(),
            at_ms: self.clock.wall_ms(),
            asked_by: asked_by.chars().filter(|c| !c.is_control()).take(limits::ASKED_BY_CHARS_MAX).collect(),
            people,
        };
        let me = self.clone();
        let job = run_blocking(move || me.begin(job)).await?;
        if !job.people.is_empty() {
            let all: Vec<String> = ErasedIds::new(&job.people).all().into_iter().map(str::to_owned).collect();
            // Out of the gallery and the registry in the registry's own turn: nobody is recognised from here on.
            self.registry.send_until_answered(|| ForgetPeople { ids: all.clone() }).await?;
        }
        let (parts, now_ms) = (self.parts.clone(), self.clock.wall_ms());
        run_blocking(move || {
            parts.finish_unfinished(now_ms)?;
            parts.log.receipts()
        })
        .await
    }

    /// Counts what there is and writes the erasure down.
    fn begin(&self, mut job: ErasureJob) -> Result<ErasureJob, StoreError> {
        self.parts.count(&mut job.people)?;
        job.people.retain(|person| !person.counts.is_nothing());
        if !job.people.is_empty() {
            self.parts.log.begin(&job)?;
            self.erased.add(&job.id, &job.people, job.at_ms, self.clock.monotonic_ms());
        }
        Ok(job)
    }
}

impl ErasureParts {
    /// Finishes every erasure that was begun; returns how many that were.
    ///
    /// # Errors
    /// A store cannot be changed; the next start or the next erasure tries again.
    pub fn finish_unfinished(&self, now_ms: u64) -> Result<usize, StoreError> {
        let jobs = self.log.unfinished()?;
        for job in &jobs {
            self.remove_everything(job)?;
            let receipts = self.log.finish(job, now_ms)?;
            for ErasureReceipt { receipt, counts, .. } in &receipts {
                metrics::counter!("menshen_people_erased_total").increment(1);
                metrics::counter!("menshen_events_erased_total").increment(counts.events);
                tracing::info!(receipt, ?counts, "a person was erased");
            }
        }
        Ok(jobs.len())
    }

    /// Counts what is kept of each, before anything is erased.
    ///
    /// # Errors
    /// A store cannot be read.
    pub fn count(&self, people: &mut [ErasedPerson]) -> Result<(), StoreError> {
        let erased = ErasedIds::new(people);
        let receivers = self.events.receivers()?;
        for person in people.iter_mut() {
            for id in std::iter::once(&person.id).chain(&person.aliases) {
                let Some(record) = self.registry.get(id)? else { continue };
                person.counts.records += 1;
                person.counts.features += record.features.len() as u64;
                let photos: HashSet<&str> =
                    record.features.iter().map(|feature| feature.photo.as_str()).collect();
                person.counts.photos += photos.len() as u64;
            }
        }
        self.events.for_each(&receivers, &mut |event, is_undelivered| match erased.claim(event) {
            Claim::None => {}
            Claim::Mentions(index) => people[index].counts.mentions += 1,
            Claim::Whole(index) => {
                let counts = &mut people[index].counts;
                counts.events += 1;
                counts.events_undelivered += u64::from(is_undelivered);
                counts.pictures += event.pictures().count() as u64;
            }
        })?;
        self.letters.for_each_body(&mut |body| {
            for person in people.iter_mut() {
                person.counts.dead_letters += u64::from(is_about(body, person));
            }
        })
    }

    /// Removes all there is. Whatever of it was removed before is no error.
    ///
    /// # Errors
    /// A store cannot be changed.
    pub fn remove_everything(&self, job: &ErasureJob) -> Result<(), StoreError> {
        let erased = ErasedIds::new(&job.people);
        let ids: Vec<String> = erased.all().into_iter().map(str::to_owned).collect();
        let gone = self.registry.delete(&ids)?;
        remove_photos(&*self.pictures, &gone)?;
        self.pictures.remove_of_people(&|id| erased.index_of(id).is_some())?;
        let fate = |event: &EventRecord| match erased.claim(event) {
            Claim::None => Fate::Keep,
            Claim::Whole(_) => Fate::Remove,
            Claim::Mentions(_) => {
                let mut other = event.clone();
                erased.take_out_of(&mut other);
                Fate::Rewrite(Box::new(other))
            }
        };
        self.events.decide(&self.events.receivers()?, &fate)?;
        self.clean_event_pictures(&erased)?;
        self.letters.erase(&|body| job.people.iter().any(|person| is_about(body, person)))?;
        self.log.remove_copies()
    }

    /// Picture files hold the record of their event too. Those of erased people go, whether or not a row names them; out of
    /// others the erased people are taken.
    ///
    /// # Errors
    /// A file cannot be read, written or deleted.
    pub fn clean_event_pictures(&self, erased: &ErasedIds) -> Result<(), StoreError> {
        let (mut gone, mut others) = (Vec::new(), Vec::new());
        self.pictures.events(&mut |event, _| match erased.claim(&event) {
            Claim::None => {}
            Claim::Whole(_) => gone.extend(event.pictures().map(str::to_owned)),
            Claim::Mentions(_) => others.push(event),
        })?;
        for name in &gone {
            self.pictures.remove(Namespace::Events, name)?;
        }
        for mut event in others {
            erased.take_out_of(&mut event);
            let names: Vec<String> = event.pictures().map(str::to_owned).collect();
            for name in names {
                if let Some(bytes) = self.pictures.get(Namespace::Events, &name)? {
                    let owner = Owner::Event(&event);
                    self.pictures.put(&[NewPicture { name: &name, bytes: &bytes, owner }])?;
                }
            }
        }
        Ok(())
    }
}

/// An alias is an id that only this box knows.
fn is_about(body: &[u8], person: &ErasedPerson) -> bool {
    letter::names(body, &person.id, &person.name)
        || person.aliases.iter().any(|alias| letter::names(body, alias, ""))
}

fn remove_photos(pictures: &dyn PictureStore, gone: &[Person]) -> Result<(), StoreError> {
    for feature in gone.iter().flat_map(|person| &person.features) {
        pictures.remove(Namespace::Registry, &feature.photo)?;
    }
    Ok(())
}
