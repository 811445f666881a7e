//! What an integrator asks of the platform itself: examples of commands, sending one and seeing its reply, and the ledger.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes, Data, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::commands;
use super::refusal::error;
use super::state::State;

/// A reply may wait behind an enrolment of thousands.
const WAIT_S_MAX: u64 = 600;
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sim/command", web::post().to(command))
        .route("/sim/commands", web::get().to(names))
        .route("/sim/commands/{name}", web::get().to(example))
        .route("/sim/ledger", web::get().to(ledger));
}

async fn names() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "commands": commands::NAMES }))
}

async fn example(request: actix_web::HttpRequest, name: Path<String>) -> HttpResponse {
    let host = request.connection_info().host().to_owned();
    match commands::example(&name, &|path| format!("http://{host}{path}")) {
        Some(command) => HttpResponse::Ok().json(command),
        None => error(404, "no such example; see /sim/commands"),
    }
}

#[derive(Deserialize)]
struct Wanted {
    /// Seconds to wait for the reply; without it, nothing is waited for.
    #[serde(default)]
    wait_s: u64,
}

/// Publishes the body as a command, and answers the box's reply where it is waited for.
async fn command(state: Data<State>, wanted: Query<Wanted>, body: Bytes) -> HttpResponse {
    let mut body = body.to_vec();
    let mut id = Value::Null;
    let mut is_fiqa = false;
    if wanted.wait_s > 0 {
        let Ok(Value::Object(mut command)) = serde_json::from_slice(&body) else {
            return error(400, "the command is no JSON object, so no reply can be told to be its own");
        };
        let fresh = || Value::from(uuid::Uuid::now_v7().to_string());
        id = command.entry("messageId").or_insert_with(fresh).clone();
        is_fiqa = state.config.fiqa && command.get("method").is_some_and(|method| method == "fiqa");
        body = Value::Object(command).to_string().into_bytes();
    }
    let before = state.ledger.len();
    let published = if is_fiqa {
        super::mq::publish_fiqa_once(&state, body).await
    } else {
        super::mq::publish_once(&state, body).await
    };
    match published {
        Err(reason) => error(503, &format!("{reason:#}")),
        Ok(()) if wanted.wait_s == 0 => HttpResponse::Ok().json(json!({ "published": true })),
        Ok(()) => reply(&state, before, &id, wanted.wait_s).await,
    }
}

async fn reply(state: &State, before: u64, id: &Value, wait_s: u64) -> HttpResponse {
    let until = Instant::now() + Duration::from_secs(wait_s.min(WAIT_S_MAX));
    loop {
        let found = state.ledger.since(before, |entry| entry.is_reply() && entry.body["messageId"] == *id);
        if let Some(entry) = found.into_iter().next() {
            return HttpResponse::Ok().json(json!({ "published": true, "reply": entry.body }));
        }
        if Instant::now() >= until {
            return error(
                504,
                "published, and no reply yet: is a box logged in, and not busy? See /sim/ledger?kind=reply",
            );
        }
        actix_rt::time::sleep(LOOK_EVERY).await;
    }
}

#[derive(Deserialize)]
struct LedgerQuery {
    kind: Option<String>,
    #[serde(default)]
    after: u64,
}

async fn ledger(state: Data<State>, query: Query<LedgerQuery>) -> HttpResponse {
    let wanted = |kind: &str| query.kind.as_ref().is_none_or(|wanted| wanted == kind);
    HttpResponse::Ok().json(state.ledger.since(query.after, |entry| wanted(entry.kind)))
}
