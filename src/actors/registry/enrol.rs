//! Enrolment: photo → feature → durable record → searchable, many people at a time, each alone.

use std::collections::{BTreeMap, HashSet};

use futures_util::StreamExt as _;

use super::deps::{RegistryDeps, remove_photos};
use super::groups;
use super::message::{EnrolOutcome, EnrolRequest, EnrolSuccess, Enrolled};
use super::prepare::{PhotoFiles, PreparedPerson, prepare};
use crate::actors::blocking::{run_blocking, store_refusal};
use crate::ports::store::{NewPicture, Owner, StoreError};
use crate::telemetry::log_line::{about, log_name};
use menshen_domain::candidate::Scope;
use menshen_domain::limits;
use menshen_domain::person::{Person, PersonKind};
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_gallery::{Gallery, GalleryError};

/// Chunks whose photos may be prepared while the one before is being committed.
const CHUNKS_AT_ONCE: usize = 2;

/// Enrols everyone; the answers are in the order of the requests. While one chunk is being committed the next is
/// prepared, so that the vision workers never wait for the disk.
pub async fn enrol_people(deps: &RegistryDeps, requests: &[EnrolRequest]) -> Vec<EnrolOutcome> {
    let mut ids = HashSet::new();
    let all_differ = requests.iter().all(|request| ids.insert(request.id.as_str()));
    // One person twice: the second request must find what the first one stored.
    let (photos, chunk, chunks) = if all_differ {
        (limits::ENROL_CONCURRENCY, limits::ENROL_COMMIT_CHUNK, CHUNKS_AT_ONCE)
    } else {
        (1, 1, 1)
    };
    // `buffered` keeps the order of the requests.
    futures_util::stream::iter(requests.iter().map(|request| prepare(deps, request)))
        .buffered(photos)
        .chunks(chunk)
        .map(|prepared| commit(deps, prepared))
        .buffered(chunks)
        .flat_map(futures_util::stream::iter)
        .zip(futures_util::stream::iter(requests))
        .map(|(result, request)| outcome(request, result))
        .collect()
        .await
}

fn outcome(request: &EnrolRequest, result: Result<Enrolled, ProtocolError>) -> EnrolOutcome {
    metrics::counter!("menshen_enrolments_total", "result" => if result.is_ok() { "ok" } else { "refused" })
        .increment(1);
    if let Err(refusal) = &result {
        tracing::info!(
            person = log_name(&request.id),
            code = refusal.code.code(),
            reason = about(&request.id, &refusal.detail),
            "enrolment was refused"
        );
    }
    if let Ok(Enrolled { looks_like: Some(other), .. }) = &result {
        metrics::counter!("menshen_enrolments_lookalike_total").increment(1);
        tracing::warn!(
            person = log_name(&request.id),
            other = log_name(other),
            "person was enrolled and resembles another person of the registry"
        );
    }
    EnrolOutcome { id: request.id.clone(), name: request.name.clone(), kind: request.kind, result }
}

/// Makes a chunk durable: pictures first, then the rows in one transaction, then the gallery.
async fn commit(
    deps: &RegistryDeps,
    prepared: Vec<Result<PreparedPerson, ProtocolError>>,
) -> Vec<Result<Enrolled, ProtocolError>> {
    let deps = deps.clone();
    let count = prepared.len();
    run_blocking(move || Ok(commit_blocking(&deps, prepared)))
        .await
        .unwrap_or_else(|refusal| vec![Err(refusal); count])
}

fn commit_blocking(
    deps: &RegistryDeps,
    prepared: Vec<Result<PreparedPerson, ProtocolError>>,
) -> Vec<Result<Enrolled, ProtocolError>> {
    let _committing = deps.committing();
    // Twice the same id in one message: the last one wins, as if they had come one after the other.
    let mut latest: BTreeMap<String, (Person, PhotoFiles)> = BTreeMap::new();
    let mut results = Vec::with_capacity(prepared.len());
    let mut new_features = 0;
    for item in prepared {
        results.push(item.and_then(|PreparedPerson { person, success, files }| {
            let recogniser = deps.recogniser.get();
            let gallery = recogniser.read();
            let capacity = gallery.capacity();
            let needs_room = !person.features.is_empty();
            if needs_room && (!gallery.has_room_for(&person) || gallery.features() + new_features >= capacity)
            {
                return Err(full(capacity));
            }
            new_features += usize::from(needs_room && success != EnrolSuccess::PhotoUnchanged);
            let batch = latest.values().map(|(other, _)| other);
            let looks_like = if success == EnrolSuccess::PhotoUnchanged {
                None
            } else {
                let pass = recogniser.match_threshold(&deps.tuning.load());
                lookalike(&gallery, batch, &person, pass)
            };
            latest.insert(person.id.clone(), (person, files));
            Ok(Enrolled { how: success, looks_like })
        }));
    }
    if let Err(error) = store_people(deps, latest.into_values().collect()) {
        let refusal = store_refusal(&error);
        tracing::error!(%error, "storing people failed");
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(refusal.clone());
        }
    }
    results
}

/// The other person a new face could be taken for, in the gallery or in its batch.
fn lookalike<'a>(
    gallery: &Gallery,
    batch: impl Iterator<Item = &'a Person>,
    person: &Person,
    similarity_pass: f32,
) -> Option<String> {
    let own = &person.features_of(gallery.model()).next()?.embedding;
    let is_other = |id: &str, kind: PersonKind| id != person.id && kind != PersonKind::Stranger;
    let known = gallery
        .search(&own.vector, Scope::Everyone, LOOKALIKE_CANDIDATES)
        .into_iter()
        .find(|one| one.similarity >= similarity_pass && is_other(&one.person.id, one.person.kind));
    known.map(|one| one.person.id).or_else(|| {
        let is_like = |other: &&Person| {
            let features = &other.features;
            features.iter().any(|f| f.embedding.similarity(own).is_some_and(|s| s >= similarity_pass))
        };
        let mut others = batch.filter(|other| is_other(&other.id, other.kind));
        others.find(is_like).map(|other| other.id.clone())
    })
}

/// The person's own old record and a stranger they once were may come before.
const LOOKALIKE_CANDIDATES: usize = 4;

/// All or nothing, as far as the rows are concerned: photos without a row are swept at start.
fn store_people(deps: &RegistryDeps, people: Vec<(Person, PhotoFiles)>) -> Result<(), StoreError> {
    let mut photos = Vec::new();
    for (person, files) in &people {
        if let PhotoFiles::Write(new) = files {
            let stored = groups::stored_photos(deps, person, new)?;
            photos.extend(stored.into_iter().map(|(name, bytes)| (person, name, bytes)));
        }
    }
    let pictures: Vec<_> = photos
        .iter()
        .map(|(person, name, bytes)| NewPicture { name, bytes, owner: Owner::Person(person) })
        .collect();
    deps.pictures.put(&pictures)?;
    let people: Vec<_> = people.into_iter().map(|(person, _)| person).collect();
    let replaced = deps.store.put(&people)?;
    let recogniser = deps.recogniser.get();
    let mut gallery = recogniser.write();
    for person in &people {
        if let Err(error) = gallery.put(person) {
            // Room was checked before, under the same lock; logged in case that ever breaks.
            tracing::error!(person = log_name(&person.id), %error, "person was stored but cannot be searched for before a restart");
        }
    }
    drop(gallery);
    remove_photos(&*deps.pictures, &replaced, &people);
    Ok(())
}

fn full(capacity: usize) -> ProtocolError {
    ProtocolError::new(StatusCode::CapacityExceeded, GalleryError::Full { capacity }.to_string())
}
