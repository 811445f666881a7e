//! Enrolling a stranger whose passage has ended, so that the same stranger is known again.
//!
//! It takes no turn behind an enrolment of thousands: a stranger's id is new, so only the commit itself must not
//! meet another.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::enrol::{RegistryParts, photo_name, remove_photos};
use super::message::{EnrolStranger, KnownStranger};
use crate::core::gallery::{Candidate, Gallery};
use crate::core::person::{Feature, Person, PersonKind, RegisterType};
use crate::ports::store::{Shelf, StoreError};
use crate::wire::event::STRANGER_NAME;

/// Strangers this box enrolled; the rest of the id is a UUID v7, so that the first in order is the oldest.
const ID_PREFIX: &str = "stranger-";

/// Blocks on the disk. `None`: it is somebody the registry knows, only not at that camera.
pub fn enrol_blocking(
    parts: &RegistryParts,
    shot: &EnrolStranger,
) -> Result<Option<KnownStranger>, StoreError> {
    let _committing = parts.committing();
    // Enrolled a moment ago, from another camera or an earlier passage?
    let seen = best_of_all(&parts.gallery.read(), shot);
    if let Some(candidate) = seen.filter(|candidate| candidate.similarity >= shot.similarity_pass) {
        let is_stranger = candidate.person.kind == PersonKind::Stranger;
        let Candidate { person, .. } = candidate;
        let known = KnownStranger { id: person.id, photo: person.photo, is_new: false };
        return Ok(is_stranger.then_some(known));
    }
    make_room(parts)?;
    let person = person_of(parts, shot);
    let photo = person.features.first().map(|feature| feature.photo.clone()).unwrap_or_default();
    parts.pictures.put(Shelf::Registry, &photo, &shot.photo)?;
    parts.store.put(std::slice::from_ref(&person))?;
    if let Err(error) = parts.gallery.write().put(&person) {
        tracing::error!(person = %person.id, %error, "stored, but not searchable until a restart");
    }
    metrics::counter!("menshen_strangers_enrolled_total").increment(1);
    Ok(Some(KnownStranger { id: person.id, photo, is_new: true }))
}

fn best_of_all(gallery: &Gallery, shot: &EnrolStranger) -> Option<Candidate> {
    gallery.search(&shot.embedding.vector, &gallery.groups(), 1).into_iter().next()
}

/// Forgets the oldest strangers until one more fits.
fn make_room(parts: &RegistryParts) -> Result<(), StoreError> {
    let mut strangers: Vec<String> = {
        let gallery = parts.gallery.read();
        gallery.ids().filter(|id| id.starts_with(ID_PREFIX)).map(str::to_owned).collect()
    };
    if strangers.len() < parts.strangers_max {
        return Ok(());
    }
    strangers.sort_unstable();
    strangers.truncate(strangers.len() + 1 - parts.strangers_max);
    let gone = parts.store.delete(&strangers)?;
    let mut gallery = parts.gallery.write();
    for id in &strangers {
        gallery.remove(id);
    }
    drop(gallery);
    remove_photos(parts, &gone, &[]);
    metrics::counter!("menshen_strangers_forgotten_total").increment(gone.len() as u64);
    tracing::info!(forgotten = gone.len(), max = parts.strangers_max, "the oldest strangers were forgotten");
    Ok(())
}

fn person_of(parts: &RegistryParts, shot: &EnrolStranger) -> Person {
    let id = format!("{ID_PREFIX}{}", uuid::Uuid::now_v7());
    let photo_sha256 = hex::encode(Sha256::digest(&shot.photo));
    let now_ms = parts.clock.wall_ms();
    let info = json!({ "name": STRANGER_NAME, "type": PersonKind::Stranger.number() });
    Person {
        name: STRANGER_NAME.to_owned(),
        kind: PersonKind::Stranger,
        register_type: RegisterType::Stranger,
        permission_ids: shot.permission_ids.clone(),
        info: info.as_object().cloned().unwrap_or_default(),
        features: vec![Feature {
            embedding: shot.embedding.clone(),
            photo: photo_name(&id, &photo_sha256),
            photo_sha256,
            quality: shot.quality,
        }],
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        id,
    }
}
