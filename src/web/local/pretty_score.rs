//! `PrettyScore`: the score scale, the same value as the platform's `control_config` sets.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::answer::{Answer, wrong};
use super::body::{Call, said};
use super::state::LocalDeps;
use menshen_protocol::control::check_fields;

const RANGE: &str = "threshold_range";

fn show(deps: &LocalDeps) -> Value {
    let range = deps.tuner.shared().load().range;
    json!({ RANGE: [range.lowest, range.best, range.highest] })
}

pub async fn get(deps: Data<LocalDeps>) -> HttpResponse {
    deps.respond(Ok(show(&deps)))
}

pub async fn set(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change(&deps, call).await;
    deps.respond(answer)
}

async fn change(deps: &LocalDeps, mut call: Call) -> Answer {
    let body = call.json().await?;
    let Some(range) = said(&body, RANGE) else {
        return Err(wrong(format!("`{RANGE}` is missing: [lowest, match threshold, highest]")));
    };
    let fields = Map::from_iter([(RANGE.to_owned(), range.clone())]);
    let now = deps.tuner.shared().load_full();
    let (wanted, _, rejected) = check_fields(&now, fields);
    if let Some(field) = rejected.first() {
        return Err(wrong(field.to_string()));
    }
    deps.change(move |changes| wanted.apply(changes)).await?;
    Ok(show(deps))
}
