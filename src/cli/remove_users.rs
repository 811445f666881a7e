//! `menshen users remove`: by the running box, over its local API, or in its place.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use reqwest::Method;
use serde_json::{Value, json};

use super::language::said;
use super::local_api::LocalApi;
use super::note_change::write_down_parts;
use super::offline::offline;
use super::output::print_line;
use crate::actors::registry::message::DeletePeople;
use crate::config::Settings;
use crate::runtime::problems::Problems;
use crate::runtime::run::{PartError, build};
use crate::telemetry::log_line::log_name;
use menshen_domain::change_result::ChangeParts;
use menshen_domain::status::{ProtocolError, StatusCode};

const ASKED_BY: &str = "command line";

/// Removes people; with `erase` everything that is kept of them. Exit code 1 when one could not be removed.
pub fn remove(settings: Settings, ids: &[String], erase: bool) -> anyhow::Result<ExitCode> {
    if ids.iter().any(|id| id.trim().is_empty()) {
        bail!(said!("an id is empty", "编号为空"));
    }
    let outcomes = if offline(&settings)?.is_some() {
        let kept = settings.clone();
        let outcomes = actix::System::new().block_on(in_its_place(settings, ids, erase))?;
        // The running box writes it down itself.
        let mut parts = ChangeParts::default();
        for outcome in &outcomes {
            parts.count(outcome["code"].as_i64().unwrap_or_default());
        }
        let about = match ids {
            [id] => log_name(id),
            _ => format!("{} people", ids.len()),
        };
        write_down_parts(&kept, if erase { "users remove --erase" } else { "users remove" }, &about, parts);
        outcomes
    } else {
        let body = json!({ "userid_list": ids, "erase": erase });
        let data = LocalApi::new(&settings)?.call(Method::DELETE, "/SophonFogSys/api/users", Some(&body))?;
        [&data["success_users"], &data["failed_users"]]
            .into_iter()
            .flat_map(|list| list.as_array().cloned().unwrap_or_default())
            .collect()
    };
    let mut is_all = true;
    for outcome in &outcomes {
        print_line(&outcome.to_string());
        is_all &= outcome["code"] == 0;
    }
    Ok(if is_all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn in_its_place(settings: Settings, ids: &[String], erase: bool) -> anyhow::Result<Vec<Value>> {
    let language = settings.language;
    // Without the devices' part nothing reads the configuration again.
    let app = build(settings, Arc::new(|| Err(Problems::default()))).await?;
    let mut part = app.registry_part();
    part.start().map_err(|reason| PartError::new(part.name(), reason))?;
    let entry = |id: &str, result: Result<Value, ProtocolError>| match result {
        Ok(mut more) => {
            more["userid"] = id.into();
            more["code"] = StatusCode::Success.code().into();
            more["message"] = StatusCode::Success.text(language).into();
            more
        }
        Err(refusal) => {
            json!({ "userid": id, "code": refusal.code.code(), "message": refusal.message(language) })
        }
    };
    Ok(if erase {
        let outcomes = app.eraser().erase(ids.to_vec(), ASKED_BY).await;
        let shown = |receipt| json!({ "erased": receipt });
        outcomes.into_iter().map(|outcome| entry(&outcome.id, outcome.result.map(shown))).collect()
    } else {
        let outcomes = app.handles.registry.send(DeletePeople { ids: ids.to_vec() }).await?;
        outcomes.into_iter().map(|outcome| entry(&outcome.id, outcome.result.map(|()| json!({})))).collect()
    })
}
