//! Enrolling a stranger whose passage has ended, so that the same stranger is recognised the next time.
//!
//! It takes no turn behind an enrolment of thousands: a stranger's id is new, so only the commit itself must not
//! meet another.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::deps::{RegistryDeps, remove_photos};
use super::message::KnownStranger;
use crate::actors::blocking::run_blocking;
use crate::actors::face_engine::message::AnalysePhoto;
use crate::ports::store::{NewPicture, Owner, StoreError};
use crate::telemetry::log_line::log_name;
use menshen_domain::candidate::{Candidate, Scope};
use menshen_domain::face::Embedding;
use menshen_domain::limits;
use menshen_domain::person::{Feature, Person, PersonKind, RegisterType};
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::stranger::StrangerShot;
use menshen_protocol::event::STRANGER_NAME;

/// Strangers this box enrolled; the rest of the id is a UUID v7, so that the first in order is the oldest.
const ID_PREFIX: &str = "stranger-";

/// The outcome of one attempt.
enum Attempt {
    Known(KnownStranger),
    /// A person of the registry who is not allowed at that camera.
    NotAStranger,
    /// The embedder was swapped since the shot was taken.
    OtherModel,
}

/// `None`: it is a person of the registry who is not allowed at that camera.
pub async fn enrol(
    deps: &RegistryDeps,
    mut shot: StrangerShot,
) -> Result<Option<KnownStranger>, ProtocolError> {
    for _ in 0..limits::SWAP_RACE_TRIES {
        let (deps_there, shot_there) = (deps.clone(), shot.clone());
        match run_blocking(move || enrol_blocking(&deps_there, &shot_there)).await? {
            Attempt::Known(known) => return Ok(Some(known)),
            Attempt::NotAStranger => return Ok(None),
            Attempt::OtherModel => shot.embedding = embed_again(deps, &shot).await?,
        }
    }
    Err(ProtocolError::new(StatusCode::ServerProcessFailed, "the embedder is being swapped"))
}

/// With the active embedder.
async fn embed_again(deps: &RegistryDeps, shot: &StrangerShot) -> Result<Embedding, ProtocolError> {
    let question = AnalysePhoto { photo: shot.photo.clone(), level: QualityLevel::No };
    let failed = |reason: String| ProtocolError::new(StatusCode::ServerProcessFailed, reason);
    // With a time limit: the workers may be waiting for room in the queue that this stranger is at the head of.
    let limit = Duration::from_millis(limits::STRANGER_AGAIN_TIMEOUT_MS);
    match tokio::time::timeout(limit, deps.engine.send(question)).await {
        Ok(Ok(face)) => Ok(face?.embedding),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("the face engine was too busy to embed the picture again".to_owned())),
    }
}

fn enrol_blocking(deps: &RegistryDeps, shot: &StrangerShot) -> Result<Attempt, StoreError> {
    let _committing = deps.committing();
    let recogniser = deps.recogniser.get();
    // Enrolled a moment ago, from another camera or an earlier passage?
    let Ok(seen) = recogniser.read().find(&shot.embedding, Scope::Everyone, 1) else {
        return Ok(Attempt::OtherModel);
    };
    let similarity_pass = recogniser.match_threshold(&deps.tuning.load());
    if let Some(candidate) = seen.into_iter().next().filter(|seen| seen.similarity >= similarity_pass) {
        let is_stranger = candidate.person.kind == PersonKind::Stranger;
        let Candidate { person, .. } = candidate;
        let known = KnownStranger { id: person.id, photo: person.photo, is_new: false };
        return Ok(if is_stranger { Attempt::Known(known) } else { Attempt::NotAStranger });
    }
    make_room(deps)?;
    let person = person_of(deps, shot);
    let photo = person.features.first().map(|feature| feature.photo.clone()).unwrap_or_default();
    deps.pictures.put(&[NewPicture { name: &photo, bytes: &shot.photo, owner: Owner::Person(&person) }])?;
    deps.store.put(std::slice::from_ref(&person))?;
    if let Err(error) = recogniser.write().put(&person) {
        tracing::error!(person = log_name(&person.id), %error, "stranger was stored but cannot be searched for before a restart");
    }
    metrics::counter!("menshen_strangers_enrolled_total").increment(1);
    Ok(Attempt::Known(KnownStranger { id: person.id, photo, is_new: true }))
}

/// Deletes the oldest strangers until one more fits.
fn make_room(deps: &RegistryDeps) -> Result<(), StoreError> {
    let mut strangers: Vec<String> = {
        let recogniser = deps.recogniser.get();
        let gallery = recogniser.read();
        gallery.ids().filter(|id| id.starts_with(ID_PREFIX)).map(str::to_owned).collect()
    };
    if strangers.len() < deps.strangers_max {
        return Ok(());
    }
    strangers.sort_unstable();
    strangers.truncate(strangers.len() + 1 - deps.strangers_max);
    let gone = deps.store.delete(&strangers)?;
    let recogniser = deps.recogniser.get();
    let mut gallery = recogniser.write();
    for id in &strangers {
        gallery.remove(id);
    }
    drop(gallery);
    remove_photos(&*deps.pictures, &gone, &[]);
    metrics::counter!("menshen_strangers_forgotten_total").increment(gone.len() as u64);
    tracing::info!(forgotten = gone.len(), max = deps.strangers_max, "oldest strangers were deleted");
    Ok(())
}

fn person_of(deps: &RegistryDeps, shot: &StrangerShot) -> Person {
    let id = format!("{ID_PREFIX}{}", uuid::Uuid::now_v7());
    let photo_sha256 = hex::encode(Sha256::digest(&shot.photo));
    let now_ms = deps.clock.wall_ms();
    let info = json!({ "name": STRANGER_NAME, "type": PersonKind::Stranger.number() });
    Person {
        name: STRANGER_NAME.to_owned(),
        kind: PersonKind::Stranger,
        register_type: RegisterType::Stranger,
        permission_ids: shot.permission_ids.clone(),
        registry_groups: vec![shot.registry_group.clone()],
        info: info.as_object().cloned().unwrap_or_default(),
        features: vec![Feature {
            embedding: shot.embedding.clone(),
            photo: deps.pictures.photo_name(&id, &photo_sha256),
            photo_sha256,
            quality: shot.quality,
        }],
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        id,
    }
}
