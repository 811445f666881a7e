//! From the platform's users to enrolment requests, and from outcomes to the reply's lists.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use url::Url;

use super::parts::{Interrupted, LinkParts};
use crate::actors::registry::message::{EnrolOutcome, EnrolPeople, EnrolRequest, Photo};
use crate::core::limits;
use crate::core::person::PersonKind;
use crate::core::status::{Language, Refusal, StatusCode};
use crate::wire::lenient;
use crate::wire::login::Session;
use crate::wire::picture::{self, PictureTextError};
use crate::wire::reply::{AddUsersResult, AddedUser};
use crate::wire::user::{PhotoSource, WireUser};

/// A user that cannot even be tried.
struct Unusable {
    id: String,
    name: String,
    kind: PersonKind,
    refusal: Refusal,
}

/// Enrols users whose details came in the message.
pub async fn add_users(parts: &LinkParts, session: &Session, users: Vec<Value>) -> AddUsersResult {
    let mut result = AddUsersResult::default();
    let mut requests = Vec::new();
    for user in users {
        match to_request(user, session, &parts.head.dev_sno) {
            Ok(request) => requests.push(request),
            Err(unusable) => result.failed_users.push(failed(unusable, parts.head.language)),
        }
        if requests.len() == limits::ENROL_COMMIT_CHUNK {
            enrol(parts, std::mem::take(&mut requests), &mut result).await;
        }
    }
    enrol(parts, requests, &mut result).await;
    result
}

/// Fetches details in chunks and enrols each chunk, so that 50 000 ids need no more memory than 100.
pub async fn add_users_by_id(
    parts: &LinkParts,
    session: &Session,
    ids: Vec<String>,
    url: &Url,
) -> Result<AddUsersResult, Interrupted> {
    let mut result = AddUsersResult::default();
    let total = ids.len();
    for chunk in ids.chunks(limits::USER_DETAILS_CHUNK) {
        match parts.platform.user_details(session, url, chunk).await {
            Ok(users) => add_chunk(parts, session, chunk, users, &mut result).await,
            Err(error) if error.is_session_rejected() => return Err(Interrupted::SessionRejected),
            Err(error) => {
                tracing::warn!(%error, users = chunk.len(), "details of users could not be fetched");
                let refusal = error.to_refusal();
                for id in chunk {
                    let unusable = nameless(id, refusal.clone());
                    result.failed_users.push(failed(unusable, parts.head.language));
                }
            }
        }
        if total > limits::USER_DETAILS_CHUNK {
            let done = result.success_users.len() + result.failed_users.len();
            metrics::gauge!("menshen_command_progress_ratio").set(done as f64 / total as f64);
            tracing::info!(done, total, failed = result.failed_users.len(), "adding users");
        }
    }
    Ok(result)
}

async fn add_chunk(
    parts: &LinkParts,
    session: &Session,
    chunk: &[String],
    users: Vec<Value>,
    result: &mut AddUsersResult,
) {
    let mut by_id: HashMap<String, Value> = HashMap::new();
    for user in users {
        if let Some(id) = id_of(&user) {
            by_id.insert(id, user);
        }
    }
    let mut requests = Vec::new();
    for id in chunk {
        let made = match by_id.remove(id) {
            Some(user) => to_request(user, session, &parts.head.dev_sno),
            None => Err(nameless(
                id,
                Refusal::new(StatusCode::RemoteDataFailed, "the platform gave no details for this id"),
            )),
        };
        match made {
            Ok(request) => requests.push(request),
            Err(unusable) => result.failed_users.push(failed(unusable, parts.head.language)),
        }
    }
    enrol(parts, requests, result).await;
}

async fn enrol(parts: &LinkParts, requests: Vec<EnrolRequest>, result: &mut AddUsersResult) {
    if requests.is_empty() {
        return;
    }
    let requests = Arc::new(requests);
    let outcomes =
        parts.registry.send_until_answered(|| EnrolPeople { requests: Arc::clone(&requests) }).await;
    for EnrolOutcome { id, name, kind, result: outcome } in outcomes {
        let language = parts.head.language;
        match outcome {
            Ok(_) => result.success_users.push(AddedUser {
                userid: id,
                username: name,
                kind: kind.number(),
                message: StatusCode::Success.text(language).to_owned(),
                code: StatusCode::Success.code(),
            }),
            Err(refusal) => result.failed_users.push(failed(Unusable { id, name, kind, refusal }, language)),
        }
    }
}

fn failed(unusable: Unusable, language: Language) -> AddedUser {
    AddedUser {
        userid: unusable.id,
        username: unusable.name,
        kind: unusable.kind.number(),
        message: unusable.refusal.message(language),
        code: unusable.refusal.code.code(),
    }
}

fn nameless(id: &str, refusal: Refusal) -> Unusable {
    Unusable { id: id.to_owned(), name: String::new(), kind: PersonKind::default(), refusal }
}

fn id_of(user: &Value) -> Option<String> {
    match user.get("identity_id")? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn to_request(user: Value, session: &Session, dev_sno: &str) -> Result<EnrolRequest, Unusable> {
    let id = id_of(&user).unwrap_or_default();
    let wrong = |detail: String| Refusal::new(StatusCode::ParamError, detail);
    let user: WireUser =
        lenient::object(user).map_err(|error| nameless(&id, wrong(format!("user: {error}"))))?;
    let name = user.name();
    let read = || -> Result<EnrolRequest, Refusal> {
        Ok(EnrolRequest {
            id: id.clone(),
            name: name.clone(),
            kind: user.kind().map_err(wrong)?,
            register_type: user.register_type().map_err(wrong)?,
            permission_ids: user.permission_ids().map_err(wrong)?,
            photo: photo_of(&user, session, dev_sno)?,
            info: user.info.clone(),
        })
    };
    read().map_err(|refusal| Unusable {
        kind: user.kind().unwrap_or_default(),
        id: id.clone(),
        name: name.clone(),
        refusal,
    })
}

fn photo_of(user: &WireUser, session: &Session, dev_sno: &str) -> Result<Photo, Refusal> {
    let wrong = |detail: String| Refusal::new(StatusCode::ParamError, detail);
    match user.photo() {
        None => Err(wrong("one of reg_photo, reg_url, relative_pic_url must be there".to_owned())),
        Some(PhotoSource::Base64(text)) => {
            let bytes = picture::decode(&text, limits::PHOTO_BYTES_MAX).map_err(|error| {
                let code = match error {
                    PictureTextError::TooLarge { .. } => StatusCode::ImageTooLarge,
                    _ => StatusCode::ImageError,
                };
                Refusal::new(code, error.to_string())
            })?;
            Ok(Photo::Bytes(bytes.into()))
        }
        Some(PhotoSource::Url(text)) => {
            let url = Url::parse(text.trim()).map_err(|error| wrong(format!("reg_url: {error}")))?;
            if !matches!(url.scheme(), "http" | "https") {
                return Err(wrong(format!("reg_url must be http or https, not {}", url.scheme())));
            }
            Ok(Photo::Url(url))
        }
        Some(PhotoSource::RelativeUrl(path)) => {
            let mut url =
                session.photo_url(&path).map_err(|error| wrong(format!("relative_pic_url: {error}")))?;
            // The token belongs to the platform; another photo server must not get it.
            if url.origin() == session.origin.origin() {
                url.query_pairs_mut().append_pair("token", &session.token).append_pair("dev_sno", dev_sno);
            }
            Ok(Photo::Url(url))
        }
    }
}
