//! Back to the configuration file's value of what was changed in the field.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::answer::{Answer, wrong};
use super::body::{Call, text_of};
use super::state::LocalDeps;
use crate::actors::reporter::message::{ReceiversChanged, ReportDevices};
use menshen_domain::changed_setting::ChangedSetting;

pub async fn reset(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = reset_now(&deps, call).await;
    deps.respond(answer)
}

async fn reset_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let key = text_of(&call.json().await?, &["key"])?;
    let Some(setting) = ChangedSetting::find(&key) else {
        let known: Vec<&str> = ChangedSetting::ALL.into_iter().map(ChangedSetting::key).collect();
        return Err(wrong(format!("`key` must be one of {}", known.join(", "))));
    };
    call.note(setting.key());
    if setting == ChangedSetting::Embedder {
        return Err(wrong("another embedder has to embed everybody first: use POST /menshen/api/models/use"));
    }
    let was_changed = setting.is_in(&deps.tuner.changes());
    if was_changed {
        deps.change(move |changes| setting.clear(changes)).await?;
        tracing::info!(key, "a setting is as the configuration file says again");
    }
    match setting {
        ChangedSetting::HistoryUrls
        | ChangedSetting::MonitorUrls
        | ChangedSetting::HistoryDialect
        | ChangedSetting::ReceiverDialects => deps.reporter.send_until_answered(|| ReceiversChanged).await,
        ChangedSetting::GateMode => deps.reporter.send_until_answered(|| ReportDevices).await,
        ChangedSetting::PlatformDialect => {
            deps.reporter.send_until_answered(|| ReceiversChanged).await;
            deps.reporter.send_until_answered(|| ReportDevices).await;
        }
        _ if was_changed && setting.needs_restart() => deps.restart(),
        _ => {}
    }
    Ok(json!({ "key": key, "was_changed": was_changed, "restarts": was_changed && setting.needs_restart() }))
}
