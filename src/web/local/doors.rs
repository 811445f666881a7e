//! Doors: what a match does, and commands for relays.

use actix_web::HttpResponse;
use actix_web::http::StatusCode as Http;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::answer::{Answer, ask, refused_as, wrong};
use super::body::{Call, list_of, text_of};
use super::state::LocalDeps;
use crate::actors::devices::door::order_of;
use crate::actors::devices::message::ActOnDoor;
use crate::actors::registry::request::TooLong;
use crate::actors::reporter::message::ReportDevices;
use menshen_domain::limits;
use menshen_domain::status::StatusCode;
use menshen_domain::tuning::GateMode;
use menshen_protocol::lenient;
use menshen_protocol::local::WireAction;

pub async fn mode(deps: Data<LocalDeps>) -> HttpResponse {
    let mode = deps.tuner.shared().load().gate_mode;
    deps.respond(Ok(json!({ "controller_mode": mode })))
}

pub async fn set_mode(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change_mode(&deps, call).await;
    deps.respond(answer)
}

async fn change_mode(deps: &LocalDeps, mut call: Call) -> Answer {
    let text = text_of(&call.json_or_form().await?, &["controller_mode"])?;
    let mode: GateMode = serde_json::from_value(Value::from(text))
        .map_err(|_| wrong("`controller_mode` must be opendoor, alarm or avoid"))?;
    call.note(format!("{mode:?}").to_lowercase());
    deps.change(move |changes| changes.gate_mode = Some(mode)).await?;
    // The platform hears of a changed mode with the device list.
    deps.reporter.send_until_answered(|| ReportDevices).await;
    Ok(json!({ "controller_mode": mode }))
}

pub async fn act(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    match act_now(&deps, call).await {
        // Of another device than the caller's.
        Err(refusal) if refusal.code == StatusCode::BadRequest => {
            refused_as(Http::FORBIDDEN, &refusal, deps.language)
        }
        answer => deps.respond(answer),
    }
}

async fn act_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let asked_ms = (deps.monotonic_ms)();
    let mut commands = Vec::new();
    for raw in list_of(&mut call.json().await?, "action", limits::LOCAL_ACTIONS_MAX)? {
        let action: WireAction = lenient::object(raw).map_err(|error| wrong(format!("action: {error}")))?;
        let command = action.command(limits::DOOR_SECONDS_MAX).map_err(|error| wrong(error.to_string()))?;
        // It is remembered, so that it is carried out once.
        TooLong::check("id", action.id.as_ref().map_or(0, String::len), limits::ID_BYTES_MAX)
            .map_err(|error| wrong(error.to_string()))?;
        call.note(action.action_ip.clone());
        call.check_device(&action.action_ip)?;
        // Nothing is done before everything can be.
        let ip = &action.action_ip;
        order_of(deps.device_list.find(ip).as_ref(), ip, &command)?;
        commands.push((action, command));
    }
    let doors: Vec<&str> = commands.iter().map(|(action, _)| action.action_ip.as_str()).collect();
    call.note(doors.join(","));
    let mut results = Vec::new();
    for (action, command) in commands {
        let ip = action.action_ip.clone();
        let id = action.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let act = ActOnDoor { id: id.clone(), ip, command, asked_ms };
        let outcome = ask(deps.devices.send(act)).await.and_then(|done| done);
        let (code, message) = match &outcome {
            Ok(()) => (StatusCode::Success.code(), StatusCode::Success.text(deps.language).to_owned()),
            Err(refusal) => (refusal.code.code(), refusal.message(deps.language)),
        };
        call.part(code);
        results.push(json!({
            "id": id,
            "action_ip": action.action_ip,
            "action_port": command.action_port,
            "action_mode": command.mode.wire(),
            "action_duration": command.seconds,
            "logic_port": command.logic_port,
            "result": outcome.is_ok(),
            "code": code,
            "message": message,
        }));
    }
    // Published is one mode, although there may be several actions.
    let mode = results.first().map_or(Value::Null, |first: &Value| first["action_mode"].clone());
    let message = StatusCode::Success.text(deps.language);
    Ok(json!({ "message": message, "action_mode": mode, "action": results }))
}
