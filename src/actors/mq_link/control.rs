//! `control_config`: values retuned by the platform, kept over restarts, effective at once.

use serde_json::{Map, Value};

use super::deps::LinkDeps;
use super::job::CommandOutput;
use crate::actors::blocking::run_blocking;
use menshen_domain::photo_rules::PassMode;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::control::check_fields;

pub async fn control_config(
    deps: &LinkDeps,
    fields: Map<String, Value>,
) -> Result<CommandOutput, ProtocolError> {
    let (wanted, result, rejected) = check_fields(&deps.tuner.shared().load(), fields);
    let pass_mode = wanted.pass_mode;
    if !result.success_field.is_empty() {
        let tuner = deps.tuner.clone();
        run_blocking(move || tuner.change(|changes| wanted.apply(changes))).await?;
        if let Some(mode) = pass_mode.filter(|mode| *mode != PassMode::Normal) {
            tracing::warn!(pass_mode = mode.wire(), "the platform has set who may pass at this box");
        }
        let names: Vec<_> = result.success_field.keys().map(String::as_str).collect();
        tracing::warn!(fields = names.join(", "), "configuration was changed on request of the platform");
    }
    let reasons: Vec<_> = rejected.iter().map(ToString::to_string).collect();
    let message = (!reasons.is_empty())
        .then(|| ProtocolError::new(StatusCode::ParamError, reasons.join("; ")).message(deps.head.language));
    Ok(CommandOutput { result: serde_json::to_value(&result).unwrap_or_default(), message })
}
