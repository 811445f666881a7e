//! What every call is answered with.

use actix_web::http::StatusCode as Http;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::time::Duration;

use super::state::LocalDeps;
use crate::actors::handle::NotDelivered;
use menshen_domain::limits;
use menshen_domain::status::{Language, ProtocolError, StatusCode};

pub type Answer = Result<Value, ProtocolError>;

/// Wrong or missing parameters of a local call.
pub fn wrong(detail: impl Into<String>) -> ProtocolError {
    ProtocolError::new(StatusCode::LocalParamError, detail)
}

/// What is a wrong parameter of a command is one of a local call here, which has a code of its own.
pub fn as_local(refusal: ProtocolError) -> ProtocolError {
    if refusal.code == StatusCode::ParamError { wrong(refusal.detail) } else { refusal }
}

impl LocalDeps {
    /// The response of a call that was taken.
    pub fn respond(&self, answer: Answer) -> HttpResponse {
        match answer {
            Ok(data) => HttpResponse::Ok().json(json!({ "data": data })),
            Err(refusal) => refused(&refusal, self.language),
        }
    }
}

/// Waits for an actor's answer, but not for ever.
pub async fn ask<T>(asked: impl Future<Output = Result<T, NotDelivered>>) -> Result<T, ProtocolError> {
    let busy = |reason: String| ProtocolError::new(StatusCode::ServerProcessFailed, reason);
    match tokio::time::timeout(Duration::from_millis(limits::LOCAL_CALL_TIMEOUT_MS), asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(busy(error.to_string())),
        Err(_) => Err(busy("the box is busy; the call may still be carried out".to_owned())),
    }
}

pub fn refused(refusal: &ProtocolError, language: Language) -> HttpResponse {
    refused_as(http_status(refusal.code), refusal, language)
}

/// The code a call was refused with, beside the response.
pub struct RefusedWith(pub i64);

pub fn refused_as(status: Http, refusal: &ProtocolError, language: Language) -> HttpResponse {
    let body = json!({ "error": {
        "code": refusal.code.code(),
        "message": refusal.message(language),
        "status": refusal.code.name(),
    }});
    let mut response = HttpResponse::build(status).json(body);
    response.extensions_mut().insert(RefusedWith(refusal.code.code()));
    response
}

fn http_status(code: StatusCode) -> Http {
    match code {
        StatusCode::LocalNotFound | StatusCode::NotFound | StatusCode::IdNotFound => Http::NOT_FOUND,
        StatusCode::ContentTypeError | StatusCode::UnsupportedContentType => Http::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::PayloadTooLarge => Http::PAYLOAD_TOO_LARGE,
        StatusCode::IdentityExists => Http::CONFLICT,
        StatusCode::CapacityExceeded => Http::INSUFFICIENT_STORAGE,
        StatusCode::ServerProcessFailed => Http::INTERNAL_SERVER_ERROR,
        StatusCode::RemoteServerFailed | StatusCode::RemoteDataFailed => Http::BAD_GATEWAY,
        StatusCode::NotImplemented => Http::NOT_IMPLEMENTED,
        _ => Http::BAD_REQUEST,
    }
}

/// Paths that have no handler.
pub async fn no_such_call(deps: Data<LocalDeps>) -> HttpResponse {
    deps.respond(Err(ProtocolError::new(StatusCode::LocalNotFound, "no such path")))
}

/// Methods that a path does not have.
pub fn no_such_method(request: &HttpRequest) -> HttpResponse {
    let language = request.app_data::<Data<LocalDeps>>().map_or_else(Language::default, |deps| deps.language);
    let refusal = ProtocolError::new(StatusCode::LocalNotFound, "this path has other methods, see Allow");
    refused_as(Http::METHOD_NOT_ALLOWED, &refusal, language)
}
