//! In which generation of the protocol reports are written, to be changed while the box runs.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::answer::{Answer, wrong};
use super::body::{Call, said, text_of};
use super::state::LocalDeps;
use super::urls::{as_known, http_url};
use crate::actors::reporter::message::{ReceiversChanged, ReportDevices};
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_domain::report_options::{Dialect, ReceiverDialect};
use menshen_domain::status::ProtocolError;
use menshen_protocol::lenient;

fn show(deps: &LocalDeps) -> Value {
    let tuning = deps.tuner.shared().load_full();
    let dialects = &tuning.reports.dialects;
    let receivers: Vec<Value> = dialects
        .receivers
        .iter()
        .map(|one| json!({ "url": shown(&one.url), "dialect": one.dialect }))
        .collect();
    let history = dialects.history.unwrap_or(dialects.platform);
    json!({ "platform": dialects.platform, "history": history, "receivers": receivers })
}

pub async fn get(deps: Data<LocalDeps>) -> HttpResponse {
    deps.respond(Ok(show(&deps)))
}

pub async fn set(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change(&deps, call).await;
    deps.respond(answer)
}

/// Changes what is said; `receivers` replaces their whole list.
async fn change(deps: &LocalDeps, mut call: Call) -> Answer {
    let body = call.json().await?;
    let (platform, history) = (dialect_of(&body, "platform")?, dialect_of(&body, "history")?);
    let receivers = match body.get("receivers").filter(|value| !value.is_null()) {
        None => None,
        Some(list) => Some(receivers_of(list, deps)?),
    };
    if platform.is_none() && history.is_none() && receivers.is_none() {
        return Err(wrong("`platform`, `history` or `receivers` is missing"));
    }
    let word = |dialect: Option<Dialect>| dialect.map_or("-", Dialect::wire);
    call.note(format!("platform {}, history {}", word(platform), word(history)));
    deps.change(move |changes| {
        changes.platform_dialect = platform.or(changes.platform_dialect);
        changes.history_dialect = history.or(changes.history_dialect);
        if receivers.is_some() {
            changes.receiver_dialects = receivers;
        }
    })
    .await?;
    deps.reporter.send_until_answered(|| ReceiversChanged).await;
    if platform.is_some() {
        // Its words differ.
        deps.reporter.send_until_answered(|| ReportDevices).await;
    }
    Ok(show(deps))
}

fn dialect_of(body: &Map<String, Value>, key: &str) -> Result<Option<Dialect>, ProtocolError> {
    if said(body, key).is_none() {
        return Ok(None);
    }
    Dialect::from_wire(&text_of(body, &[key])?)
        .map(Some)
        .ok_or_else(|| wrong(format!("`{key}` must be \"2.4\" or \"2.6\"")))
}

fn receivers_of(list: &Value, deps: &LocalDeps) -> Result<Vec<ReceiverDialect>, ProtocolError> {
    let list = match list {
        Value::Array(list) => list.as_slice(),
        absent if lenient::is_absent(absent) => &[],
        other => {
            return Err(wrong(format!("`receivers` must be a list, got {}", lenient::kind_of(other))));
        }
    };
    if list.len() > limits::HISTORY_RECEIVERS_MAX {
        return Err(wrong(format!("`receivers`: at most {}", limits::HISTORY_RECEIVERS_MAX)));
    }
    list.iter().map(|entry| receiver_of(entry, deps)).collect()
}

fn receiver_of(entry: &Value, deps: &LocalDeps) -> Result<ReceiverDialect, ProtocolError> {
    let Value::Object(entry) = entry else {
        return Err(wrong("`receivers` holds objects of `url` and `dialect`"));
    };
    let text = text_of(entry, &["url"])?;
    let url = http_url(&text, deps.require_tls).map_err(|problem| wrong(format!("`url` {problem}")))?;
    let Some(dialect) = dialect_of(entry, "dialect")? else { return Err(wrong("`dialect` is missing")) };
    Ok(ReceiverDialect { url: as_known(url, &deps.tuner.shared().load().history_urls), dialect })
}
