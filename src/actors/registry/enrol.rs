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
use menshen_domain::limits;
use menshen_domain::person::{Feature, Person, PersonKind, RegisterType};
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::validity::Validity;
use menshen_gallery::{Gallery, GalleryError};
use menshen_protocol::login::Session;

/// A person ready to be committed.
struct Prepared {
    person: Person,
    success: EnrolSuccess,
    /// The photo, when its file is to be written: a new photo, or new facts of the person, which the file holds too.
    photo: Option<Bytes>,
}

/// Chunks whose photos may be prepared while the one before is being committed.
const CHUNKS_AT_ONCE: usize = 2;

/// Enrols everyone; the answers are in the order of the requests. While one chunk is being committed the next is
/// prepared, so that the vision workers never wait for the disk.
pub async fn enrol_people(parts: &RegistryDeps, requests: &[EnrolRequest]) -> Vec<EnrolOutcome> {
    let mut ids = HashSet::new();
    let all_differ = requests.iter().all(|request| ids.insert(request.id.as_str()));
    // Somebody twice: the second time must find what the first left behind.
    let (photos, chunk, chunks) = if all_differ {
        (limits::ENROL_CONCURRENCY, limits::ENROL_COMMIT_CHUNK, CHUNKS_AT_ONCE)
    } else {
        (1, 1, 1)
    };
    // `buffered` keeps the order of the requests.
    futures_util::stream::iter(requests.iter().map(|request| prepare(parts, request)))
        .buffered(photos)
        .chunks(chunk)
        .map(|prepared| commit(parts, prepared))
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
        tracing::info!(person = %request.id, code = refusal.code.code(), reason = %refusal.detail, "enrolment refused");
    }
    if let Ok(Enrolled { looks_like: Some(other), .. }) = &result {
        metrics::counter!("menshen_enrolments_lookalike_total").increment(1);
        tracing::warn!(person = %request.id, %other, "enrolled, and could be taken for somebody enrolled before");
    }
    if let (_, Some(error)) = Validity::of(&request.info) {
        tracing::warn!(person = %request.id, %error, "a time that cannot be read sets no limit");
    }
    EnrolOutcome { id: request.id.clone(), name: request.name.clone(), kind: request.kind, result }
}

async fn download(parts: &RegistryDeps, photo: &Photo) -> Result<Bytes, ProtocolError> {
    let downloaded = match photo {
        Photo::Bytes(bytes) => return Ok(bytes.clone()),
        Photo::Url(url) => parts.platform.photo(url).await,
        Photo::OfPlatform(url) => {
            let get = |session: Arc<Session>| async move {
                let url = parts.sessions.signed(url, &session);
                parts.platform.photo(&url).await
            };
            parts.sessions.call(get).await
        }
    };
    downloaded.map_err(|error| error.to_refusal())
}

async fn prepare(parts: &RegistryDeps, request: &EnrolRequest) -> Result<Prepared, ProtocolError> {
    if request.id.trim().is_empty() {
        return Err(ProtocolError::new(StatusCode::ParamError, "identity_id is empty"));
    }
    let photo = download(parts, &request.photo).await?;
    let photo_sha256 = hex::encode(Sha256::digest(&photo));
    let existing = {
        let (store, id) = (Arc::clone(&parts.store), request.id.clone());
        run_blocking(move || store.get(&id)).await?
    };
    let model = parts.in_force.get().id().to_owned();
    // With what other models made of the same photo: a swap under way, or one to go back from, needs that.
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
                RegisterType::Stranger => parts.stranger_level.clone(),
            };
            let face = analyse(parts, photo.clone(), level).await?;
            let success = if old.is_some() { EnrolSuccess::Updated } else { EnrolSuccess::Added };
            let feature = Feature {
                embedding: face.embedding,
                photo: parts.pictures.photo_name(&request.id, &photo_sha256),
                photo_sha256,
                quality: face.quality,
            };
            (vec![feature], success)
        }
    };
    let now_ms = parts.clock.wall_ms();
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
    Ok(Prepared { person, success, photo })
}

async fn analyse(
    parts: &RegistryDeps,
    photo: Bytes,
    level: QualityLevel,
) -> Result<PhotoFace, ProtocolError> {
    parts.engine.send_until_answered(|| AnalysePhoto { photo: photo.clone(), level: level.clone() }).await
}

/// Makes a chunk durable: pictures first, then the rows in one transaction, then the gallery.
async fn commit(
    parts: &RegistryDeps,
    prepared: Vec<Result<Prepared, ProtocolError>>,
) -> Vec<Result<Enrolled, ProtocolError>> {
    let parts = parts.clone();
    let count = prepared.len();
    run_blocking(move || Ok(commit_blocking(&parts, prepared)))
        .await
        .unwrap_or_else(|refusal| vec![Err(refusal); count])
}

fn commit_blocking(
    parts: &RegistryDeps,
    prepared: Vec<Result<Prepared, ProtocolError>>,
) -> Vec<Result<Enrolled, ProtocolError>> {
    let _committing = parts.committing();
    // Twice the same id in one message: the last one wins, as if they had come one after the other.
    let mut latest: BTreeMap<String, (Person, Option<Bytes>)> = BTreeMap::new();
    let mut results = Vec::with_capacity(prepared.len());
    let mut new_features = 0;
    for item in prepared {
        results.push(item.and_then(|Prepared { person, success, photo }| {
            let recogniser = parts.in_force.get();
            let gallery = recogniser.read();
            let capacity = gallery.capacity();
            if !gallery.has_room_for(&person) || gallery.features() + new_features >= capacity {
                return Err(full(capacity));
            }
            new_features += usize::from(success != EnrolSuccess::PhotoUnchanged);
            let beside = latest.values().map(|(other, _)| other);
            let looks_like = if success == EnrolSuccess::PhotoUnchanged {
                None
            } else {
                let pass = recogniser.similarity_pass(&parts.tuning.load());
                lookalike(&gallery, beside, &person, pass)
            };
            latest.insert(person.id.clone(), (person, photo));
            Ok(Enrolled { how: success, looks_like })
        }));
    }
    if let Err(error) = store_people(parts, latest.into_values().collect()) {
        let refusal = store_refusal(&error);
        tracing::error!(%error, "people could not be stored");
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(refusal.clone());
        }
    }
    results
}

/// The other person a new face could be taken for, in the gallery or among those enrolled beside it.
fn lookalike<'a>(
    gallery: &Gallery,
    beside: impl Iterator<Item = &'a Person>,
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
        let mut others = beside.filter(|other| is_other(&other.id, other.kind));
        others.find(is_like).map(|other| other.id.clone())
    })
}

/// The person's own old record and a stranger they once were may come before.
const LOOKALIKE_CANDIDATES: usize = 4;

/// All or nothing, as far as the rows are concerned: photos without a row are swept at start.
fn store_people(parts: &RegistryDeps, people: Vec<(Person, Option<Bytes>)>) -> Result<(), StoreError> {
    let pictures: Vec<_> = people
        .iter()
        .filter_map(|(person, photo)| {
            let (photo, feature) = (photo.as_ref()?, person.features.first()?);
            Some(NewPicture { name: &feature.photo, bytes: photo, owner: Owner::Person(person) })
        })
        .collect();
    parts.pictures.put(&pictures)?;
    let people: Vec<_> = people.into_iter().map(|(person, _)| person).collect();
    let replaced = parts.store.put(&people)?;
    let recogniser = parts.in_force.get();
    let mut gallery = recogniser.write();
    for person in &people {
        if let Err(error) = gallery.put(person) {
            // Checked before under the same serialisation of changes; says so if that ever breaks.
            tracing::error!(person = %person.id, %error, "stored, but not searchable until a restart");
        }
    }
    drop(gallery);
    remove_photos(&*parts.pictures, &replaced, &people);
    Ok(())
}

fn full(capacity: usize) -> ProtocolError {
    ProtocolError::new(StatusCode::CapacityExceeded, GalleryError::Full { capacity }.to_string())
}
