//! What enrolling a person takes before anything is stored: the photo, its judgement, its feature.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::deps::RegistryDeps;
use super::message::{EnrolRequest, EnrolSuccess, Photo};
use crate::actors::blocking::run_blocking;
use crate::actors::face_engine::message::AnalysePhoto;
use crate::ports::store::Namespace;
use menshen_domain::limits;
use menshen_domain::person::{Feature, Person, RegisterType};
use menshen_domain::quality::QualityLevel;
use menshen_domain::registry_groups::DEFAULT_REGISTRY_GROUP;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::validity::Validity;
use menshen_protocol::login::Session;

/// A person ready to be committed.
pub struct PreparedPerson {
    pub person: Person,
    pub success: EnrolSuccess,
    pub files: PhotoFiles,
}

/// What becomes of the files of a person's photos, each of which holds the facts of the person too.
pub enum PhotoFiles {
    /// Nothing has changed.
    Keep,
    /// All are written: these new ones, and those that are stored with their new facts.
    Write(BTreeMap<String, Bytes>),
}

async fn download(deps: &RegistryDeps, photo: &Photo) -> Result<Option<Bytes>, ProtocolError> {
    let downloaded = match photo {
        Photo::Kept => return Ok(None),
        Photo::Bytes(bytes) => return Ok(Some(bytes.clone())),
        Photo::Url(url) => deps.platform.photo(url).await,
        Photo::OfPlatform(url) => {
            let get = |session: Arc<Session>| async move {
                let url = deps.sessions.signed(url, &session);
                deps.platform.photo(&url).await
            };
            deps.sessions.call(get).await
        }
    };
    downloaded.map(Some).map_err(|error| error.to_refusal())
}

/// The stored photo of someone whose face the present model has not embedded: what an update without a photo makes good.
async fn not_embedded(
    deps: &RegistryDeps,
    old: Option<&Person>,
    model: &str,
) -> Result<Option<Bytes>, ProtocolError> {
    let missing = old.filter(|old| old.features_of(model).next().is_none());
    let Some(name) = missing.and_then(|old| old.features.first()).map(|feature| feature.photo.clone()) else {
        return Ok(None);
    };
    let pictures = Arc::clone(&deps.pictures);
    run_blocking(move || Ok(pictures.get(Namespace::Registry, &name)?.map(Into::into))).await
}

pub async fn prepare(deps: &RegistryDeps, request: &EnrolRequest) -> Result<PreparedPerson, ProtocolError> {
    if request.id.trim().is_empty() {
        return Err(ProtocolError::new(StatusCode::ParamError, "identity_id is empty"));
    }
    // Limits fail closed: a limit nobody can read must not become none.
    if let Err(error) = Validity::of(&request.info) {
        return Err(ProtocolError::new(StatusCode::ParamError, error.to_string()));
    }
    let mut photo = download(deps, &request.photo).await?;
    let old = {
        let (store, id) = (Arc::clone(&deps.store), request.id.clone());
        run_blocking(move || store.get(&id)).await?
    };
    let model = deps.recogniser.get().id().to_owned();
    if photo.is_none() {
        photo = not_embedded(deps, old.as_ref(), &model).await?;
    }
    let mut new_photos = BTreeMap::new();
    let (features, success) = match photo {
        None => {
            let success = if old.is_some() { EnrolSuccess::PhotoUnchanged } else { EnrolSuccess::Added };
            (old.as_ref().map(|old| old.features.clone()).unwrap_or_default(), success)
        }
        Some(photo) => {
            let (features, success) = features(deps, request, old.as_ref(), &model, &photo).await?;
            let name = features.first().map(|feature| feature.photo.clone()).unwrap_or_default();
            new_photos.insert(name, photo);
            (features, success)
        }
    };
    let now_ms = deps.clock.wall_ms();
    let person = Person {
        id: request.id.clone(),
        name: request.name.clone(),
        kind: request.kind,
        register_type: request.register_type,
        permission_ids: request.permission_ids.clone(),
        registry_groups: groups_of(request, old.as_ref()),
        info: request.info.clone(),
        features,
        created_at_ms: old.as_ref().map_or(now_ms, |old| old.created_at_ms),
        updated_at_ms: now_ms,
    };
    let is_same = old.is_some_and(|old| Person { updated_at_ms: now_ms, ..old } == person);
    let files = if is_same { PhotoFiles::Keep } else { PhotoFiles::Write(new_photos) };
    Ok(PreparedPerson { person, success, files })
}

/// Those the person is in, and those they are put into; whoever is new is in the default one at least.
fn groups_of(request: &EnrolRequest, old: Option<&Person>) -> Vec<String> {
    let mut groups = old.map(|old| old.registry_groups.clone()).unwrap_or_default();
    for name in &request.joins {
        if !groups.contains(name) {
            groups.push(name.clone());
        }
    }
    if old.is_none() && groups.is_empty() {
        groups.push(DEFAULT_REGISTRY_GROUP.to_owned());
    }
    groups
}

/// The person's features with that of `photo`, which comes first, and what that was.
async fn features(
    deps: &RegistryDeps,
    request: &EnrolRequest,
    old: Option<&Person>,
    model: &str,
    photo: &Bytes,
) -> Result<(Vec<Feature>, EnrolSuccess), ProtocolError> {
    let photo_sha256 = hex::encode(Sha256::digest(photo));
    // With the features other models computed from the same photo: a running swap, or one to be undone, needs them.
    let (of_photo, others): (Vec<Feature>, Vec<Feature>) = old
        .map(|old| old.features.clone())
        .unwrap_or_default()
        .into_iter()
        .partition(|feature| feature.photo_sha256 == photo_sha256);
    let others = if request.adds_face || matches!(request.photo, Photo::Kept) { others } else { Vec::new() };
    if of_photo.iter().any(|feature| feature.embedding.model == model) {
        let success = if old.is_some_and(|old| old.features.len() != of_photo.len() + others.len()) {
            EnrolSuccess::Updated
        } else {
            EnrolSuccess::PhotoUnchanged
        };
        return Ok(([of_photo, others].concat(), success));
    }
    check_faces(&others)?;
    let level = match (request.level, request.register_type) {
        (Some(name), _) => QualityLevel::named(name, &deps.custom_level),
        (None, RegisterType::Regular) => QualityLevel::High,
        (None, RegisterType::Stranger) => QualityLevel::Custom(deps.custom_level.clone()),
    };
    let ask = || AnalysePhoto { photo: photo.clone(), level: level.clone() };
    let face = deps.engine.send_until_answered(ask).await?;
    if face.face_size_px < limits::ENROLLED_FACE_MIN_PX {
        let detail = format!(
            "face_size {:.0} px; at least {} are needed, whatever the level",
            face.face_size_px,
            limits::ENROLLED_FACE_MIN_PX
        );
        return Err(ProtocolError::new(StatusCode::FaceTooSmall, detail));
    }
    let success = if old.is_some() { EnrolSuccess::Updated } else { EnrolSuccess::Added };
    let feature = Feature {
        embedding: face.embedding,
        photo: deps.pictures.photo_name(&request.id, &photo_sha256),
        photo_sha256,
        quality: face.quality,
    };
    Ok(([vec![feature], others].concat(), success))
}

/// Whether one more face may come to these.
fn check_faces(others: &[Feature]) -> Result<(), ProtocolError> {
    let mut photos: Vec<&str> = others.iter().map(|feature| feature.photo_sha256.as_str()).collect();
    photos.sort_unstable();
    photos.dedup();
    if photos.len() < limits::FACES_PER_PERSON_MAX {
        return Ok(());
    }
    let detail = format!(
        "a person has at most {} faces; with support_single_face true the new one takes their place",
        limits::FACES_PER_PERSON_MAX
    );
    Err(ProtocolError::new(StatusCode::CapacityExceeded, detail))
}
