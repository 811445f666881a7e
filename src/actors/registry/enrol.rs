//! Enrolment: photo → feature → durable record → searchable, many people at a time, each alone.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::deps::{RegistryDeps, remove_photos};
use super::message::{EnrolOutcome, EnrolRequest, EnrolSuccess, Enrolled, Photo};
use crate::actors::blocking::{run_blocking, store_refusal};
use crate::actors::face_engine::message::{AnalysePhoto, PhotoFace};
use crate::ports::store::{NewPicture, Owner, StoreError};
use crate::telemetry::log_line::{about, log_name};
use menshen_domain::limits;
use menshen_domain::person::{Feature, Person, PersonKind, RegisterType};
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::validity::Validity;
use menshen_gallery::{Gallery, GalleryError};
use menshen_protocol::login::Session;

/// A person ready to be committed.
struct PreparedPerson {
    person: Person,
    success: EnrolSuccess,
    /// The photo, when its file is to be written: a new photo, or new facts of the person, which the file holds too.
    photo: Option<Bytes>,
}

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

async fn download(deps: &RegistryDeps, photo: &Photo) -> Result<Bytes, ProtocolError> {
    let downloaded = match photo {
        Photo::Bytes(bytes) => return Ok(bytes.clone()),
        Photo::Url(url) => deps.platform.photo(url).await,
        Photo::OfPlatform(url) => {
            let get = |session: Arc<Session>| async move {
                let url = deps.sessions.signed(url, &session);
                deps.platform.photo(&url).await
            };
            deps.sessions.call(get).await
        }
    };
    downloaded.map_err(|error| error.to_refusal())
}

async fn prepare(deps: &RegistryDeps, request: &EnrolRequest) -> Result<PreparedPerson, ProtocolError> {
    if request.id.trim().is_empty() {
        return Err(ProtocolError::new(StatusCode::ParamError, "identity_id is empty"));
    }
    // Limits fail closed: a limit nobody can read must not become none.
    if let Err(error) = Validity::of(&request.info) {
        return Err(ProtocolError::new(StatusCode::ParamError, error.to_string()));
    }
    let photo = download(deps, &request.photo).await?;
    let photo_sha256 = hex::encode(Sha256::digest(&photo));
    let existing = {
        let (store, id) = (Arc::clone(&deps.store), request.id.clone());
        run_blocking(move || store.get(&id)).await?
    };
    let model = deps.recogniser.get().id().to_owned();
    // With the features other models computed from the same photo: a running swap, or one to be undone, needs them.
    let unchanged = existing.as_ref().and_then(|old| {
        let of_photo: Vec<Feature> =
            old.features.iter().filter(|feature| feature.photo_sha256 == photo_sha256).cloned().collect();
        of_photo.iter().any(|feature| feature.embedding.model == model).then_some(of_photo)
    });
    let (features, success) = match (unchanged, &existing) {
        (Some(features), _) => (features, EnrolSuccess::PhotoUnchanged),
        (None, old) => {
            let level = match request.register_type {
                RegisterType::Regular => QualityLevel::High,
                RegisterType::Stranger => deps.stranger_level.clone(),
            };
            let face = analyse(deps, photo.clone(), level).await?;
            let success = if old.is_some() { EnrolSuccess::Updated } else { EnrolSuccess::Added };
            let feature = Feature {
                embedding: face.embedding,
                photo: deps.pictures.photo_name(&request.id, &photo_sha256),
                photo_sha256,
                quality: face.quality,
            };
            (vec![feature], success)
        }
    };
    let now_ms = deps.clock.wall_ms();
    let person = Person {
        id: request.id.clone(),
        name: request.name.clone(),
        kind: request.kind,
        register_type: request.register_type,
        permission_ids: request.permission_ids.clone(),
        info: request.info.clone(),
        features,
        created_at_ms: existing.as_ref().map_or(now_ms, |old| old.created_at_ms),
        updated_at_ms: now_ms,
    };
    let is_same = existing.is_some_and(|old| Person { updated_at_ms: now_ms, ..old } == person);
    let photo = Some(photo).filter(|_| !is_same);
    Ok(PreparedPerson { person, success, photo })
}

async fn analyse(deps: &RegistryDeps, photo: Bytes, level: QualityLevel) -> Result<PhotoFace, ProtocolError> {
    deps.engine.send_until_answered(|| AnalysePhoto { photo: photo.clone(), level: level.clone() }).await
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
    let mut latest: BTreeMap<String, (Person, Option<Bytes>)> = BTreeMap::new();
    let mut results = Vec::with_capacity(prepared.len());
    let mut new_features = 0;
    for item in prepared {
        results.push(item.and_then(|PreparedPerson { person, success, photo }| {
            let recogniser = deps.recogniser.get();
            let gallery = recogniser.read();
            let capacity = gallery.capacity();
            if !gallery.has_room_for(&person) || gallery.features() + new_features >= capacity {
                return Err(full(capacity));
            }
            new_features += usize::from(success != EnrolSuccess::PhotoUnchanged);
            let batch = latest.values().map(|(other, _)| other);
            let looks_like = if success == EnrolSuccess::PhotoUnchanged {
                None
            } else {
                let pass = recogniser.match_threshold(&deps.tuning.load());
                lookalike(&gallery, batch, &person, pass)
            };
            latest.insert(person.id.clone(), (person, photo));
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
        .search(&own.vector, &gallery.groups(), LOOKALIKE_CANDIDATES)
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
fn store_people(deps: &RegistryDeps, people: Vec<(Person, Option<Bytes>)>) -> Result<(), StoreError> {
    let pictures: Vec<_> = people
        .iter()
        .filter_map(|(person, photo)| {
            let (photo, feature) = (photo.as_ref()?, person.features.first()?);
            Some(NewPicture { name: &feature.photo, bytes: photo, owner: Owner::Person(person) })
        })
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
