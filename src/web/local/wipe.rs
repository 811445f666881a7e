//! Deleting everything, as `wipe_data` does.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::answer::{Answer, ask, wrong};
use super::body::Call;
use super::state::LocalDeps;
use crate::actors::registry::message::WipePeople;
use crate::actors::reporter::message::WipeEvents;
use menshen_domain::status::StatusCode;
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
    let options = options.unwrap_or(Value::Object(body));
    let options: WipeOptions =
        lenient::object(options).map_err(|error| wrong(format!("wipe_options: {error}")))?;
    if !options.users && !options.events {
        return Err(wrong("`users` or `events` must be true"));
    }
    call.note(match (options.users, options.events) {
        (true, true) => "users, events",
        (true, false) => "users",
        (false, _) => "events",
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
