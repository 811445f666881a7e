//! Events a history receiver refused for good.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;
use url::Url;

use super::answer::{Answer, ask, wrong};
use super::body::{Call, said, text_of};
use super::state::LocalDeps;
use crate::actors::reporter::message::{ListQuarantined, RetryQuarantined};
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_protocol::lenient;

pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = list_now(&deps, &call).await;
    deps.respond(answer)
}

async fn list_now(deps: &LocalDeps, call: &Call) -> Answer {
    let limit = call.number("limit", 10, limits::LOCAL_PAGE_MAX as u64)? as usize;
    let skip = call.number("skip_num", 0, u32::MAX.into())? as usize;
    let rows = ask(deps.reporter.send(ListQuarantined { skip, limit })).await??;
    let events: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "receiver": show(&row.receiver), "sequence": row.sequence, "reason": row.reason,
                "at": row.at_ms, "retry": row.retry,
            })
        })
        .collect();
    Ok(json!({ "events": events }))
}

/// A receiver's address without its secrets.
fn show(receiver: &str) -> String {
    Url::parse(receiver).map_or_else(|_| "?".to_owned(), |url| shown(&url))
}

/// `receiver` and `sequence` narrow it down; without a body all are tried again.
pub async fn retry(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = retry_now(&deps, call).await;
    deps.respond(answer)
}

async fn retry_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let body = call.json_opt().await?;
    // What is there and cannot be read must not widen it to everything.
    let receiver = said(&body, "receiver").map(|_| text_of(&body, &["receiver"])).transpose()?;
    let sequence = match said(&body, "sequence").map(lenient::integer_of) {
        None => None,
        Some(Some(sequence)) if sequence >= 0 => Some(sequence.unsigned_abs()),
        Some(_) => return Err(wrong("`sequence` must be a number from 0 up")),
    };
    let about = receiver.as_deref().map_or_else(|| "all receivers".to_owned(), show);
    call.note(sequence.map_or_else(|| about.clone(), |sequence| format!("{about}, event {sequence}")));
    let count = ask(deps.reporter.send(RetryQuarantined { receiver, sequence })).await??;
    Ok(json!({ "retried": count }))
}
