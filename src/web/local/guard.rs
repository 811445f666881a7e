//! Who may call: with a token every caller that has it, without one only this machine.

use std::net::IpAddr;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode as Http;
use actix_web::http::header::{AUTHORIZATION, HOST};
use actix_web::middleware::Next;
use actix_web::web::Data;
use sha2::{Digest as _, Sha256};

use super::answer::refused_as;
use super::state::LocalDeps;
use menshen_domain::status::{ProtocolError, StatusCode};

pub async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(deps) = request.app_data::<Data<LocalDeps>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let problem = if deps.token.is_empty() {
        (!is_local_host(&request))
            .then_some((Http::FORBIDDEN, "without local_api.token only this machine may call"))
    } else {
        (!has_token(&request, &deps.token)).then_some((
            Http::UNAUTHORIZED,
            "the token is missing or wrong: send Authorization: Bearer TOKEN, or ?token=TOKEN",
        ))
    };
    match problem {
        None => Ok(next.call(request).await?.map_into_boxed_body()),
        Some((status, detail)) => {
            metrics::counter!("menshen_local_calls_refused_total").increment(1);
            let refusal = ProtocolError::new(StatusCode::BadRequest, detail);
            Ok(request.into_response(refused_as(status, &refusal, deps.language)))
        }
    }
}

/// Compares digests, so that the time taken says nothing about the token.
fn is_same(given: &str, token: &str) -> bool {
    Sha256::digest(given.as_bytes()) == Sha256::digest(token.as_bytes())
}

fn has_token(request: &ServiceRequest, token: &str) -> bool {
    let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(given) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
        return is_same(given.trim(), token);
    }
    url::form_urlencoded::parse(request.query_string().as_bytes())
        .any(|(key, value)| key == "token" && is_same(&value, token))
}

/// A web page in this machine's browser can make it call `127.0.0.1` under a name of its own; such a name is refused.
fn is_local_host(request: &ServiceRequest) -> bool {
    let Some(host) = request.headers().get(HOST).and_then(|value| value.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
