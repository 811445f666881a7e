//! Whether the clock can be right, and an operator's word that it is.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::answer::ask;
use super::body::Call;
use super::state::LocalDeps;
use crate::actors::reporter::message::ConfirmClock;

/// `now` (milliseconds since 1970), `ok`, and while it is not, `fault` and `detail`.
pub async fn show(deps: Data<LocalDeps>) -> HttpResponse {
    let shown = shown(&deps);
    deps.respond(Ok(shown))
}

fn shown(deps: &LocalDeps) -> Value {
    let now_ms = (deps.wall_ms)();
    let fault = deps.clock_status.fault_at(now_ms);
    let mut shown = json!({ "now": now_ms, "ok": fault.is_none() });
    if let Some(fault) = fault {
        shown["fault"] = fault.name().into();
        shown["detail"] = fault.to_string().into();
    }
    shown
}

/// Events of a later time were stored by a wrong clock; that of now is right. Answers as [`show`].
pub async fn confirm(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let now = std::time::UNIX_EPOCH + std::time::Duration::from_millis((deps.wall_ms)());
    call.note(httpdate::fmt_http_date(now));
    let answer = ask(deps.reporter.send(ConfirmClock)).await.and_then(|done| done);
    let answer = answer.map(|()| shown(&deps));
    deps.respond(answer)
}
