//! Embedding the registry's photos with another model, in the background.
//!
//! The features are added to the people's rows, next to those that are there: until the switch they are not used, and
//! after a crash they need not be computed again. Who is enrolled or changed meanwhile is found by the next pass, by
//! the checksum of the photo.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use super::deps::BoxError;
use crate::actors::blocking::lower_priority;
use crate::ports::store::{Namespace, PictureStore, RegistryStore, StoreError};
use crate::status::models::ModelStatus;
use crate::telemetry::log_line::{about, log_name};
use menshen_domain::face::Embedding;
use menshen_domain::limits;
use menshen_domain::person::{Feature, Person};
use menshen_domain::quality::QualityLevel;
use menshen_gallery::GalleryError;
use menshen_vision::FaceAnalyzer;
use menshen_vision::photo::PhotoError;

/// Why a swap ended without a switch; the active model stays.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// It is not in the catalogue, or its files or its self-test fail.
    #[error(transparent)]
    Model(BoxError),
    #[error("{model} is in force already")]
    AlreadyActive { model: String },
    #[error("it made a thread panic while embedding a photo")]
    EmbeddingPanicked,
    #[error("it cannot embed the photos of {not_embedded} of {people} people")]
    NotEmbedded { not_embedded: u64, people: u64 },
    #[error(transparent)]
    Confusion(#[from] Confusion),
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    #[error("the swap panicked")]
    Panicked,
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the box is shutting down; what is embedded is kept, so that starting the swap again is quicker")]
    Stopped,
    #[error("cancelled; what is embedded is kept, so that starting the swap again is quicker")]
    Cancelled,
}

/// A model takes people for one another whom the active one tells apart; counted in pairs of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it takes {confused} pairs of enrolled people for one person, of {apart} that the model in force tells apart"
)]
pub struct Confusion {
    pub confused: usize,
    pub apart: usize,
}

/// Why one photo has no feature of the new model.
#[derive(Debug, thiserror::Error)]
enum EmbedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the photo is not on the disk")]
    NoPhoto,
    /// No face can be found or embedded.
    #[error("{0}")]
    Photo(PhotoError),
}

/// How often progress is logged.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// Whether the caller holds the lock on commits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Commits {
    Lock,
    AreLocked,
}

/// One photo to be embedded.
struct Job {
    id: String,
    photo: String,
    photo_sha256: String,
}

pub struct Reembedder<'a> {
    pub store: &'a dyn RegistryStore,
    pub pictures: &'a dyn PictureStore,
    pub committing: &'a Mutex<()>,
    pub status: &'a ModelStatus,
    pub stop: &'a AtomicBool,
    /// Id of the model whose features are wanted.
    pub target: String,
    /// Only features of these and of the target stay; `None`: all do.
    pub keep: Option<String>,
    /// Embed at the lowest priority; otherwise as fast as possible, since changes wait for it.
    pub in_background: bool,
    /// Who cannot be embedded: the photo's checksum.
    pub failed: BTreeMap<String, String>,
    pub reported: Instant,
}

impl Reembedder<'_> {
    fn wants(&self, person: &Person) -> Vec<Job> {
        let missing = person.photos_without(&self.target).into_iter();
        missing
            .filter(|feature| self.failed.get(&person.id) != Some(&feature.photo_sha256))
            .map(|feature| Job {
                id: person.id.clone(),
                photo: feature.photo.clone(),
                photo_sha256: feature.photo_sha256.clone(),
            })
            .collect()
    }

    /// How many people are still to be embedded.
    pub fn left(&self) -> Result<usize, SwapError> {
        let mut left = 0;
        self.store.for_each(&mut |person| left += usize::from(!self.wants(&person).is_empty()))?;
        Ok(left)
    }

    /// Goes through everyone once and embeds what is missing; `done` sees everyone who was completed, before the next
    /// commit. Returns how many photos were processed.
    pub fn pass(
        &mut self,
        analyzers: &mut [FaceAnalyzer],
        commits: Commits,
        done: &mut dyn FnMut(&Person),
    ) -> Result<usize, SwapError> {
        let (mut after, mut people_done, mut processed) = (None::<String>, 0, 0);
        loop {
            if self.stop.load(Ordering::Acquire) {
                return Err(SwapError::Stopped);
            }
            if self.status.is_cancelled() {
                return Err(SwapError::Cancelled);
            }
            let page = self.store.page(after.as_deref(), limits::REEMBED_CHUNK)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            people_done += page.len() as u64;
            let jobs: Vec<Job> = page.iter().flat_map(|person| self.wants(person)).collect();
            processed += jobs.len();
            if !jobs.is_empty() {
                let embedded = self.embed(&jobs, analyzers)?;
                self.commit(jobs, embedded, commits, done)?;
            }
            self.report(people_done)?;
        }
        Ok(processed)
    }

    fn report(&mut self, people_done: u64) -> Result<(), SwapError> {
        let people = self.store.count()?.max(people_done);
        let embedded = self.status.change(|facts| {
            let Some(swap) = &mut facts.swap else { return 0 };
            (swap.people_done, swap.people) = (people_done, people);
            swap.embedded
        });
        metrics::gauge!("menshen_model_swap_people_left").set((people - people_done) as f64);
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            tracing::info!(people_done, people, embedded, model = self.target, "registry is being embedded");
        }
        Ok(())
    }

    /// On as many threads as there are analyzers.
    fn embed(
        &self,
        jobs: &[Job],
        analyzers: &mut [FaceAnalyzer],
    ) -> Result<Vec<Result<Embedding, EmbedError>>, SwapError> {
        let next = AtomicUsize::new(0);
        let joined: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = analyzers
                .iter_mut()
                .map(|analyzer| {
                    scope.spawn(|| {
                        if self.in_background {
                            lower_priority();
                        }
                        let mut answers = Vec::new();
                        while let Some((at, job)) = take(&next, jobs) {
                            answers.push((at, self.embed_one(job, analyzer)));
                        }
                        answers
                    })
                })
                .collect();
            // All are joined: the scope panics over a thread that panicked and was not.
            threads.into_iter().map(ScopedJoinHandle::join).collect()
        });
        let mut answers = Vec::with_capacity(jobs.len());
        for of_thread in joined {
            answers.extend(of_thread.map_err(|_| SwapError::EmbeddingPanicked)?);
        }
        answers.sort_unstable_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    fn embed_one(&self, job: &Job, analyzer: &mut FaceAnalyzer) -> Result<Embedding, EmbedError> {
        let photo = self.pictures.get(Namespace::Registry, &job.photo)?.ok_or(EmbedError::NoPhoto)?;
        // Its quality was checked at enrolment.
        let face = analyzer.analyze_photo(&photo, &QualityLevel::No).map_err(EmbedError::Photo)?;
        Ok(face.embedding)
    }

    /// Adds the features to the rows as they are now: who was deleted meanwhile stays deleted, and a new photo
    /// is found by the next pass.
    fn commit(
        &mut self,
        jobs: Vec<Job>,
        embedded: Vec<Result<Embedding, EmbedError>>,
        commits: Commits,
        done: &mut dyn FnMut(&Person),
    ) -> Result<(), SwapError> {
        let committing = self.committing;
        let lock = || committing.lock().unwrap_or_else(PoisonError::into_inner);
        let _committing = (commits == Commits::Lock).then(lock);
        let mut people: BTreeMap<String, Person> = BTreeMap::new();
        let mut count = 0;
        for (job, answer) in jobs.into_iter().zip(embedded) {
            let person = match people.remove(&job.id) {
                Some(person) => Some(person),
                None => self.store.get(&job.id)?,
            };
            let Some(mut person) = person else { continue };
            let missing = person.photos_without(&self.target);
            let of_photo = missing.into_iter().find(|known| known.photo_sha256 == job.photo_sha256).cloned();
            match (of_photo, answer) {
                (Some(known), Ok(embedding)) => {
                    count += 1;
                    person.features.push(Feature { embedding, ..known });
                    people.insert(job.id, person);
                }
                (Some(_), Err(reason)) => {
                    tracing::warn!(
                        person = log_name(&job.id),
                        reason = about(&job.id, &reason.to_string()),
                        model = self.target,
                        "embedding a photo failed, the person stays without a feature"
                    );
                    self.failed.insert(job.id, job.photo_sha256);
                    // Another photo of the same person may have been embedded.
                    if person.features_of(&self.target).next().is_some() {
                        people.insert(person.id.clone(), person);
                    }
                }
                (None, _) => {}
            }
        }
        let mut people: Vec<Person> = people.into_values().collect();
        for person in &mut people {
            person.features.retain(|feature| {
                let model = &feature.embedding.model;
                *model == self.target || self.keep.as_ref().is_none_or(|keep| keep == model)
            });
        }
        self.store.put(&people)?;
        people.iter().for_each(done);
        let failed: Vec<String> = self.failed.keys().cloned().collect();
        self.status.swap(|swap| swap.embedded += count);
        self.status.not_embedded(&failed);
        Ok(())
    }
}

fn take<'a>(next: &AtomicUsize, jobs: &'a [Job]) -> Option<(usize, &'a Job)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(at).map(|job| (at, job))
}
