//! What a call is refused with.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

/// The protocol's error body.
pub fn error(status: u16, message: &str) -> HttpResponse {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({ "error": { "code": i64::from(status) * 100 + 71, "message": message, "status": code.canonical_reason() } });
    HttpResponse::build(code).json(body)
}
