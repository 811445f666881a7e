//! Lets callers in: looks at who calls, from which page and for what, and writes changes down.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::StatusCode as Http;
use actix_web::middleware::Next;
use actix_web::web::Data;

use super::access::{Caller, Denied, is_foreign};
use super::answer::{RefusedWith, refused_as};
use super::state::LocalDeps;
use crate::ports::audit::AuditEntry;
use crate::telemetry;
use crate::web::connections::Connection;
use menshen_domain::change_result::ChangeParts;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};

/// What a call is about and what came of its parts, for the audit log: filled in by its handler.
#[derive(Clone, Default)]
pub struct Note(Arc<Mutex<Noted>>);

#[derive(Clone, Default)]
struct Noted {
    about: String,
    parts: ChangeParts,
}

impl Note {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set(&self, about: String) {
        self.noted().about = about;
    }

    /// Counts a part of the change by its status code.
    pub fn part(&self, code: i64) {
        self.noted().parts.count(code);
    }
}

pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(deps) = request.app_data::<Data<LocalDeps>>().cloned() else {
        let refused = actix_web::HttpResponse::InternalServerError().finish();
        return Ok(request.into_response(refused));
    };
    let connection = request.request().conn_data::<Connection>().cloned();
    let peer = connection.as_ref().map(|connection| connection.peer);
    if is_foreign(&request) {
        return Ok(refuse(request, &deps, Http::FORBIDDEN, "web pages of other servers may not call"));
    }
    let caller = match deps.access.check(&request, peer) {
        Ok(caller) => caller,
        Err(denied) => {
            if denied == Denied::WrongToken {
                wrong_token(&deps, peer).await;
            }
            let (status, detail) = told(denied);
            return Ok(refuse(request, &deps, status, detail));
        }
    };
    let _serving = connection.as_ref().map(Connection::serve);
    let may_call = caller.role.only_device().is_none() || is_of_device(&request);
    let is_change = !may_call || is_change(&request);
    let note = Note::default();
    request.extensions_mut().insert(caller.clone());
    request.extensions_mut().insert(note.clone());
    if let (false, Some(device)) = (may_call, caller.role.only_device()) {
        note.set(device.to_owned());
    }
    let what = format!("{} {}", request.method(), request.path());
    let response = if may_call {
        next.call(request).await?.map_into_boxed_body()
    } else {
        refuse(
            request,
            &deps,
            Http::FORBIDDEN,
            "the token of a device may post its photos and act on its door only",
        )
    };
    if is_change {
        // What no handler takes is no change, and its path may hold anything.
        let pattern = response.request().match_pattern();
        let what = match pattern {
            Some(_) if response.status() == Http::METHOD_NOT_ALLOWED => return Ok(response),
            Some(pattern) => format!("{} {pattern}", response.request().method()),
            None if may_call => return Ok(response),
            None => what,
        };
        let noted = note.noted().clone();
        write_down(&deps, caller, peer, what, noted, &response).await;
    }
    Ok(response)
}

fn refuse(request: ServiceRequest, deps: &LocalDeps, status: Http, detail: &str) -> ServiceResponse<BoxBody> {
    metrics::counter!("menshen_local_calls_refused_total").increment(1);
    let refusal = ProtocolError::new(StatusCode::BadRequest, detail);
    request.into_response(refused_as(status, &refusal, deps.language))
}

fn told(denied: Denied) -> (Http, &'static str) {
    match denied {
        Denied::NoToken | Denied::WrongToken => (
            Http::UNAUTHORIZED,
            "the token is missing or wrong: send Authorization: Bearer TOKEN, or ?token=TOKEN",
        ),
        Denied::NotLocal => (Http::FORBIDDEN, "without a token only this machine may call"),
        Denied::ForeignName => (
            Http::FORBIDDEN,
            "without a token the box is called by its IP address, or by a name in local_api.names",
        ),
    }
}

/// Answered late, so that trying is slow; nobody else waits for it, and no right token is refused for wrong ones.
async fn wrong_token(deps: &LocalDeps, peer: Option<IpAddr>) {
    telemetry::WRONG_TOKENS.get().increment(1);
    if let Some(peer) = peer {
        deps.access.tell_wrong(peer);
    }
    tokio::time::sleep(Duration::from_millis(limits::WRONG_TOKEN_DELAY_MS)).await;
}

const RECOGNIZE: &str = "/SophonFogSys/api/Recognize";
const PICTURE_MATCH: &str = "/SophonMatch/api/PictureMatch";

fn is_photo(path: &str) -> bool {
    let is_recognize = |rest: &str| rest.is_empty() || rest.starts_with('/');
    path == PICTURE_MATCH || path.strip_prefix(RECOGNIZE).is_some_and(is_recognize)
}

/// The calls a device makes. Which device they are about the handlers look at.
fn is_of_device(request: &ServiceRequest) -> bool {
    let path = request.path();
    let is_photo = is_photo(path);
    let is_door = path == "/SophonFogSys/api/EventAction";
    is_photo && request.method() == Method::POST || is_door && request.method() == Method::PUT
}

/// Questions that are asked with POST, since they bring a picture.
const QUESTIONS: [&str; 4] = [
    "/SophonFace/api/detect",
    "/SophonFace/api/FIQA",
    "/SophonMatch/api/compare",
    "/SophonMatch/api/picturesearch",
];

/// Photos are no changes: their events say what came of them.
fn is_change(request: &ServiceRequest) -> bool {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let path = request.path();
    !is_read && !is_photo(path) && !QUESTIONS.contains(&path)
}

async fn write_down(
    deps: &LocalDeps,
    caller: Caller,
    peer: Option<IpAddr>,
    what: String,
    Noted { about, parts }: Noted,
    response: &ServiceResponse<BoxBody>,
) {
    let code = response.response().extensions().get::<RefusedWith>().map(|refused| refused.0);
    let refusal = match code {
        None if response.status().is_success() => None,
        None => Some(response.status().as_u16().into()),
        Some(code) => Some(code),
    };
    let entry = AuditEntry {
        at_ms: (deps.wall_ms)(),
        who: caller.name,
        from: peer.map_or_else(|| "?".to_owned(), |peer| peer.to_string()),
        what,
        on: about,
        result: parts.text(refusal),
        refused: parts.changed_nothing(refusal),
        more: None,
    };
    deps.audit.record(entry).await;
}
