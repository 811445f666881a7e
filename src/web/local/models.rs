//! Which embedder recognises, and swapping it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::answer::{Answer, ask, wrong};
use super::body::{Call, said, text_of};
use super::state::LocalDeps;
use crate::actors::registry::message::{CancelSwap, UseModel, WantedModel};
use menshen_protocol::lenient;

pub async fn show(deps: Data<LocalDeps>) -> HttpResponse {
    deps.respond(Ok(json!(deps.models.facts())))
}

/// `name`: the embedder to go to; or `back`: true, the one before. Answers when the swap has begun; [`show`]
/// reports its progress.
pub async fn use_model(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = use_now(&deps, call).await;
    deps.respond(answer)
}

/// Cancels the running swap; [`show`] reports when it has ended.
pub async fn cancel(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    call.note("the running swap");
    let answer = ask(deps.registry.send(CancelSwap)).await.and_then(|done| done);
    deps.respond(answer.map(|()| json!(deps.models.facts())))
}

async fn use_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let body = call.json().await?;
    let back = said(&body, "back").map(lenient::switch_of);
    let wanted = match (back, said(&body, "name").is_some()) {
        (Some(Some(true)), true) => return Err(wrong("`name` or `back`, not both")),
        (Some(Some(true)), false) => WantedModel::Previous,
        (Some(Some(false)), true) | (None, _) => WantedModel::Named(text_of(&body, &["name"])?),
        (Some(_), _) => return Err(wrong("`back` must be true")),
    };
    call.note(match &wanted {
        WantedModel::Previous => "the previous embedder".to_owned(),
        WantedModel::Named(name) => name.clone(),
    });
    ask(deps.registry.send(UseModel { wanted })).await??;
    Ok(json!(deps.models.facts()))
}
