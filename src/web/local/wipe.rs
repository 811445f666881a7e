//! Deleting everything, as `wipe_data` does.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::answer::{Answer, ask, wrong};
use super::body::Call;
use super::state::LocalDeps;
use crate::actors::registry::message::WipePeople;
use crate::actors::reporter::message::WipeEvents;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::command::WipeOptions;
use menshen_protocol::lenient;

pub async fn wipe(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = wipe_now(&deps, call).await;
    deps.respond(answer)
}

async fn wipe_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let mut body = call.json().await?;
    // With or without the wrapper that the command has.
    let options = body.remove("wipe_options").filter(|options| !lenient::is_absent(options));
    let options = options.unwrap_or_else(|| Value::Object(body.clone()));
    // It stands beside the wrapper or in it, and resets the whole box, its configuration too.
    let is_all = [options.get("all"), body.get("all")].into_iter().flatten().any(|all| !is_off(all));
    if is_all {
        return Err(ProtocolError::new(
            StatusCode::NotImplemented,
            "`all`: the configuration is not reset over this call",
        ));
    }
    // A misspelt key must not look like a wipe that was done.
    if options.get("users").is_none() && options.get("events").is_none() {
        return Err(wrong("`users` or `events` is missing: true or false"));
    }
    let options: WipeOptions =
        lenient::object(options).map_err(|error| wrong(format!("wipe_options: {error}")))?;
    call.note(match (options.users, options.events) {
        (true, true) => "users, events",
        (true, false) => "users",
        (false, true) => "events",
        (false, false) => "nothing",
    });
    if options.users {
        let count = ask(deps.registry.send(WipePeople)).await??;
        call.part(StatusCode::Success.code());
        tracing::warn!(count, "everyone was deleted, as the local API asked");
    }
    if options.events {
        ask(deps.reporter.send(WipeEvents)).await??;
        call.part(StatusCode::Success.code());
        tracing::warn!("all events were deleted, as the local API asked");
    }
    Ok(json!({ "wipe_options": options }))
}

/// A switch that asks for nothing.
fn is_off(switch: &Value) -> bool {
    lenient::is_absent(switch) || lenient::switch_of(switch) == Some(false)
}
