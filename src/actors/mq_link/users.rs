//! From the platform's users to enrolment requests, and from outcomes to the reply's lists.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::deps::LinkDeps;
use crate::actors::registry::message::{EnrolOutcome, EnrolPeople, EnrolRequest};
use crate::actors::registry::request::{UnusableUser, foreign_features};
use crate::ports::platform::PlatformError;
use menshen_domain::limits;
use menshen_domain::status::{Language, ProtocolError, StatusCode, success_with_lookalike};
use menshen_protocol::lenient;
use menshen_protocol::login::Session;
use menshen_protocol::reply::{AddUsersResult, AddedUser};

/// Enrols users whose details came in the message. With `import_mode` all of them are to come by features, and are refused.
pub async fn add_users(
    deps: &LinkDeps,
    users: Vec<Value>,
    import_mode: bool,
) -> Result<AddUsersResult, ProtocolError> {
    let mut result = AddUsersResult::default();
    let session = deps.sessions.current().ok_or_else(no_session)?;
    let (total, mut requests) = (users.len(), Vec::new());
    for mut user in users {
        if let (true, Some(fields)) = (import_mode, user.as_object_mut()) {
            fields.insert("import_mode".to_owned(), true.into());
        }
        match request_of(user, &session) {
            Ok(request) => requests.push(request),
            Err(unusable) => result.failed_users.push(failed(unusable, deps.head.language)),
        }
        if requests.len() == limits::ENROL_COMMIT_CHUNK {
            enrol(deps, std::mem::take(&mut requests), &mut result).await;
            report_progress(&result, total);
        }
    }
    enrol(deps, requests, &mut result).await;
    report_progress(&result, total);
    Ok(result)
}

/// Refuses people who are to be registered by features of the platform's model. Nothing is fetched, neither they nor their
/// features.
pub fn import_users(deps: &LinkDeps, ids: &[String]) -> AddUsersResult {
    let refused = |id: &String| failed(UnusableUser::nameless(id, foreign_features()), deps.head.language);
    AddUsersResult { failed_users: ids.iter().map(refused).collect(), ..AddUsersResult::default() }
}

/// Commands come over a broker that a login named, so this does not happen.
fn no_session() -> ProtocolError {
    ProtocolError::new(StatusCode::ServerProcessFailed, "not logged in")
}

/// Fetches details in chunks, the next while one is being enrolled, so that 50 000 ids need no more memory than
/// two chunks, and the vision workers never wait for the platform.
pub async fn add_users_by_id(
    deps: &LinkDeps,
    ids: Vec<String>,
    path: &str,
) -> Result<AddUsersResult, ProtocolError> {
    let mut result = AddUsersResult::default();
    let session = deps.sessions.current().ok_or_else(no_session)?;
    let url = session.platform_url(path).map_err(|reason| {
        ProtocolError::new(StatusCode::ParamError, format!("extend_params.path: {reason}"))
    })?;
    let mut chunks = ids.chunks(limits::USER_DETAILS_CHUNK);
    let fetch = |chunk: Option<&[String]>| {
        let (url, chunk) = (&url, chunk.map(<[String]>::to_vec));
        async move {
            let chunk = chunk?;
            let answer = details(deps, url, &chunk).await;
            Some((chunk, answer))
        }
    };
    let mut current = fetch(chunks.next()).await;
    while let Some((chunk, answer)) = current {
        let enrolled = add_chunk(deps, &chunk, answer, &mut result);
        let ((), next) = futures_util::future::join(enrolled, fetch(chunks.next())).await;
        report_progress(&result, ids.len());
        current = next;
    }
    Ok(result)
}

/// Details of a chunk, with the session they belong to. What may pass is tried again.
async fn details(
    deps: &LinkDeps,
    url: &Url,
    ids: &[String],
) -> Result<(Vec<Value>, Arc<Session>), PlatformError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let ask = |session: Arc<Session>| async move {
            let users = deps.platform.user_details(&session, url, ids).await?;
            Ok((users, session))
        };
        match deps.sessions.call(ask).await {
            Err(error) if !error.is_permanent() && tries < limits::USER_DETAILS_TRIES => {
                tracing::warn!(%error, tries, "fetching user details failed, trying again");
                tokio::time::sleep(Duration::from_millis(limits::USER_DETAILS_RETRY_MS)).await;
            }
            other => return other,
        }
    }
}

/// One log line for each chunk, and a gauge, for a command that takes minutes.
fn report_progress(result: &AddUsersResult, total: usize) {
    let done = result.success_users.len() + result.failed_users.len();
    metrics::gauge!("menshen_command_progress_ratio").set(done as f64 / total.max(1) as f64);
    if total > limits::USER_DETAILS_CHUNK {
        tracing::info!(done, total, failed = result.failed_users.len(), "users are being added");
    }
}

async fn add_chunk(
    deps: &LinkDeps,
    chunk: &[String],
    answer: Result<(Vec<Value>, Arc<Session>), PlatformError>,
    result: &mut AddUsersResult,
) {
    let (users, session) = match answer {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%error, users = chunk.len(), "fetching user details failed");
            let refusal = error.to_refusal();
            let nobody = chunk.iter().map(|id| UnusableUser::nameless(id, refusal.clone()));
            result.failed_users.extend(nobody.map(|unusable| failed(unusable, deps.head.language)));
            return;
        }
    };
    let mut by_id: HashMap<String, Value> = HashMap::new();
    for user in users {
        if let Some(id) = id_of(&user) {
            by_id.insert(id, user);
        }
    }
    let mut requests = Vec::new();
    for id in chunk {
        let made = match by_id.remove(id) {
            Some(user) => request_of(user, &session),
            None => Err(UnusableUser::nameless(
                id,
                ProtocolError::new(StatusCode::RemoteDataFailed, "the platform gave no details for this id"),
            )),
        };
        match made {
            Ok(request) => requests.push(request),
            Err(unusable) => result.failed_users.push(failed(unusable, deps.head.language)),
        }
    }
    enrol(deps, requests, result).await;
}

async fn enrol(deps: &LinkDeps, requests: Vec<EnrolRequest>, result: &mut AddUsersResult) {
    if requests.is_empty() {
        return;
    }
    let requests = Arc::new(requests);
    let outcomes =
        deps.registry.send_until_answered(|| EnrolPeople { requests: Arc::clone(&requests) }).await;
    for EnrolOutcome { id, name, kind, result: outcome } in outcomes {
        let language = deps.head.language;
        match outcome {
            Ok(enrolled) => result.success_users.push(AddedUser {
                userid: id,
                username: name,
                kind: kind.number(),
                message: enrolled.looks_like.as_ref().map_or_else(
                    || StatusCode::Success.text(language).to_owned(),
                    |other| success_with_lookalike(other, language),
                ),
                code: StatusCode::Success.code(),
            }),
            Err(refusal) => {
                result.failed_users.push(failed(UnusableUser { id, name, kind, refusal }, language));
            }
        }
    }
}

fn failed(unusable: UnusableUser, language: Language) -> AddedUser {
    AddedUser {
        userid: unusable.id,
        username: unusable.name,
        kind: unusable.kind.number(),
        message: unusable.refusal.message(language),
        code: unusable.refusal.code.code(),
    }
}

fn request_of(user: Value, session: &Session) -> Result<EnrolRequest, UnusableUser> {
    let id = id_of(&user).unwrap_or_default();
    EnrolRequest::from_wire(user, id, None, Some(session))
}

fn id_of(user: &Value) -> Option<String> {
    lenient::id_of(user.get("identity_id")?)
}
