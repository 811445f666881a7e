//! People as the published calls answer them: with photos, as far as one answer holds them.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::answer::ask;
use super::state::LocalDeps;
use crate::actors::blocking::spawn_blocking;
use crate::actors::registry::message::GetPhoto;
use menshen_domain::limits;
use menshen_domain::person::Person;
use menshen_domain::photo::PictureKind;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::local::info_of;

/// Answers with photos that are made at one time.
static PLACES: Semaphore = Semaphore::const_new(limits::LOCAL_PHOTO_ANSWERS_AT_ONCE);

/// Ending of the names of registry photos in the picture store.
const ENDING: &str = ".img";

/// The opaque id of a registry photo: a keyed hash, which says nothing of the person.
fn image_id(photo: &str) -> &str {
    photo.strip_suffix(ENDING).unwrap_or(photo)
}

/// The photo of an id; `None` for what cannot be one.
fn photo_of(image_id: &str) -> Option<String> {
    let is_id =
        !image_id.is_empty() && image_id.len() <= 64 && image_id.bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| format!("{image_id}{ENDING}"))
}

/// Names of a person's photos, each once, the newest first.
fn photos(person: &Person) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for feature in &person.features {
        if !names.contains(&feature.photo.as_str()) {
            names.push(&feature.photo);
        }
    }
    names
}

/// The id of a person's photo; empty for whoever has none.
pub fn image_id_of(person: &Person) -> &str {
    photos(person).first().copied().map_or("", image_id)
}

/// `info` with what the published answers have in it besides: who it is, and the ids of the photos.
pub fn published_info(person: &Person) -> Value {
    let Value::Object(mut info) = info_of(person) else { return Value::Object(Map::new()) };
    info.insert("user_id".to_owned(), person.id.clone().into());
    info.insert("image_id".to_owned(), image_id_of(person).into());
    info.insert("face_ids".to_owned(), photos(person).into_iter().map(image_id).collect());
    Value::Object(info)
}

/// Photos of one answer, as long as it does not become too long.
pub struct PhotoBudget {
    /// Bytes of base64 that are left; once a photo does not fit, none does.
    left: usize,
    _place: Option<tokio::sync::SemaphorePermit<'static>>,
}

impl PhotoBudget {
    /// Waits until few enough such answers are being made.
    pub async fn take(deps: &LocalDeps) -> Self {
        if !deps.shows_photos {
            return Self { left: 0, _place: None };
        }
        // It is never closed, so there is always a permit in the end.
        Self { left: limits::LOCAL_PHOTOS_BYTES_MAX, _place: PLACES.acquire().await.ok() }
    }

    /// A person's photo in base64; empty where there is none or no room for it.
    pub async fn photo(&mut self, deps: &LocalDeps, person: &Person) -> Result<String, ProtocolError> {
        let Some(name) = photos(person).first().map(|name| (*name).to_owned()) else {
            return Ok(String::new());
        };
        if self.left == 0 {
            return Ok(String::new());
        }
        let Some(photo) = ask(deps.registry.send(GetPhoto { name })).await?? else {
            return Ok(String::new());
        };
        self.text(photo).await
    }

    async fn text(&mut self, photo: Bytes) -> Result<String, ProtocolError> {
        let length = photo.len().div_ceil(3) * 4;
        let Some(left) = self.left.checked_sub(length) else {
            self.left = 0;
            return Ok(String::new());
        };
        self.left = left;
        Ok(spawn_blocking(move || BASE64_STANDARD.encode(&photo)).await?)
    }
}

/// A person as an entry of `identities_list`.
pub async fn identity(
    deps: &LocalDeps,
    budget: &mut PhotoBudget,
    person: &Person,
) -> Result<Value, ProtocolError> {
    Ok(json!({
        "identity_id": person.id,
        "reg_photo": budget.photo(deps, person).await?,
        "group_name": person.registry_groups,
        "info": published_info(person),
    }))
}

/// A registry photo by its `image_id`.
pub async fn image(deps: Data<LocalDeps>, path: Path<String>) -> HttpResponse {
    match image_now(&deps, &path).await {
        Ok(photo) => {
            let kind = match PictureKind::of(&photo) {
                Some(PictureKind::Png) => "image/png",
                Some(PictureKind::WebP) => "image/webp",
                Some(PictureKind::Bmp) => "image/bmp",
                _ => "image/jpeg",
            };
            let mut answer = HttpResponse::Ok();
            answer.insert_header((CONTENT_TYPE, kind)).insert_header((CACHE_CONTROL, "no-store"));
            answer.insert_header(("X-Content-Type-Options", "nosniff")).body(photo)
        }
        Err(refusal) => deps.respond(Err(refusal)),
    }
}

async fn image_now(deps: &LocalDeps, image_id: &str) -> Result<Bytes, ProtocolError> {
    let not_found = |detail: &str| ProtocolError::new(StatusCode::LocalNotFound, detail);
    if !deps.shows_photos {
        return Err(not_found("photos are not given out: local_api.photos is false"));
    }
    let name = photo_of(image_id).ok_or_else(|| not_found("no such image_id"))?;
    ask(deps.registry.send(GetPhoto { name })).await??.ok_or_else(|| not_found("no such image_id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_holds_photos_up_to_its_limit_and_none_after() {
        let mut budget = PhotoBudget { left: 20, _place: None };
        let mut lengths = Vec::new();
        for bytes in [3, 10, 4, 1] {
            lengths.push(budget.text(Bytes::from(vec![7; bytes])).await.unwrap().len());
        }
        assert_eq!(lengths, [4, 16, 0, 0]);
        let mut budget = PhotoBudget { left: 10, _place: None };
        let mut lengths = Vec::new();
        for bytes in [3, 9, 1] {
            lengths.push(budget.text(Bytes::from(vec![7; bytes])).await.unwrap().len());
        }
        assert_eq!(lengths, [4, 0, 0], "one that does not fit ends it, though a smaller one would");
    }

    #[test]
    fn an_image_id_is_no_path() {
        assert_eq!(photo_of(image_id("0aF3.img")).as_deref(), Some("0aF3.img"));
        for wrong in ["", "..", "../a", "0a.img", "0a/0b", "0a%00", &"a".repeat(65)] {
            assert_eq!(photo_of(wrong), None, "{wrong}");
        }
    }
}
