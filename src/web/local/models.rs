//! Which embedder recognises, and swapping it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::LocalDeps;
use super::answer::{Answer, ask, wrong};
use super::body::{Call, text_of};
use crate::actors::registry::message::{CancelSwap, UseModel, WantedModel};

pub async fn show(parts: Data<LocalDeps>) -> HttpResponse {
    parts.say(Ok(json!(parts.models.facts())))
}

/// `name`: the embedder to go to; or `back`: true, the one before. Answers when the swap has begun; how it goes on is told by
/// [`show`].
pub async fn use_model(parts: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = use_now(&parts, call).await;
    parts.say(answer)
}

/// Ends the swap that is going on; [`show`] tells when it has.
pub async fn cancel(parts: Data<LocalDeps>) -> HttpResponse {
    let answer = ask(parts.registry.send(CancelSwap)).await.and_then(|done| done);
    parts.say(answer.map(|()| json!(parts.models.facts())))
}

async fn use_now(parts: &LocalDeps, mut call: Call) -> Answer {
    let body = call.json().await?;
    let wanted = match (body.get("back"), body.contains_key("name")) {
        (Some(_), true) => return Err(wrong("`name` or `back`, not both")),
        (Some(serde_json::Value::Bool(true)), false) => WantedModel::Previous,
        (Some(_), false) => return Err(wrong("`back` must be true")),
        (None, _) => WantedModel::Named(text_of(&body, &["name"])?),
    };
    ask(parts.registry.send(UseModel { wanted })).await??;
    Ok(json!(parts.models.facts()))
}
