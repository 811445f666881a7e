//! Capture devices: their state, and adding, changing and removing them while the box runs.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::answer::{Answer, ask, wrong};
use super::body::{Call, text_of};
use super::state::LocalDeps;
use crate::actors::devices::message::{ChangeDevice, ListDevices, ReloadDevices};
use menshen_domain::device::DeviceStatus;
use menshen_domain::limits;
use menshen_domain::status::{Language, ProtocolError, StatusCode};
use menshen_domain::stream::StreamState;
use menshen_domain::stream_fault::StreamFault;
use menshen_domain::tuning::DeviceChange;
use menshen_protocol::local::device_keys;

/// A device as these calls show it: the keys of a `[[devices]]` block, the address without its password, and its state.
fn shown(device: &DeviceStatus, language: Language) -> Value {
    let config = &device.config;
    let (state, fault) = match &device.state {
        StreamState::Opening => ("opening", None),
        StreamState::Online => ("online", None),
        StreamState::AwaitingKeyFrame => ("waiting-for-key-frame", None),
        StreamState::Offline(fault) => ("offline", Some(fault)),
        StreamState::Finished => ("finished", None),
        StreamState::Stopped if config.enabled => ("stopped", None),
        StreamState::Stopped => ("disabled", None),
    };
    json!({
        "ip": config.ip, "device_id": config.device_id, "ep_id": config.ep_id, "name": config.name, "type": config.kind, "pipeline": config.pipeline,
        "url": config.masked_url(), "direction": config.direction, "permission_groups": config.permission_groups,
        "registry_group": config.registry_group,
        "enabled": config.enabled, "memo": config.memo, "location": config.location, "group_name": config.group_name,
        "regions": config.view.regions.iter().map(|r| [r.left, r.top, r.right, r.bottom]).collect::<Vec<_>>(),
        "face_min_px": config.view.face_min_px,
        "has_door": config.action_url.is_some(), "state": state,
        "fault": fault.map(StreamFault::kind), "reason": fault.map(|fault| fault.text(language)), "since_ms": device.since_ms,
        "last_frame_ms": device.last_frame_ms, "reconnects": device.reconnects,
        "codec": device.codec,
    })
}

pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = list_now(&deps, &call).await;
    deps.respond(answer)
}

async fn list_now(deps: &LocalDeps, call: &Call) -> Answer {
    let limit = call.number("limit", limits::DEVICES_MAX as u64, limits::LOCAL_PAGE_MAX as u64)? as usize;
    let skip = call.number("skip_num", 0, limits::DEVICES_MAX as u64)? as usize;
    let language = language_of(deps, call)?;
    let mut devices = ask(deps.devices.send(ListDevices)).await?;
    if let Some(ip) = call.text("ip") {
        devices.retain(|device| device.config.ip == ip);
        if devices.is_empty() {
            return Err(ProtocolError::new(StatusCode::LocalNotFound, format!("no device has ip `{ip}`")));
        }
    }
    let page: Vec<Value> =
        devices.iter().skip(skip).take(limit).map(|device| shown(device, language)).collect();
    Ok(json!({ "total": devices.len(), "devices": page }))
}

pub async fn add(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, DeviceChange::Add).await;
    deps.respond(answer)
}

pub async fn change(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, DeviceChange::Set).await;
    deps.respond(answer)
}

async fn put_now(
    deps: &LocalDeps,
    mut call: Call,
    change: impl Fn(menshen_domain::tuning::DeviceTable) -> DeviceChange,
) -> Answer {
    let language = language_of(deps, &call)?;
    let mut table = device_keys(call.json().await?);
    let ip = text_of(&table, &["ip"])?;
    call.note(ip.clone());
    table.remove("ip");
    // Where it moves to.
    if let Some(new_ip) = table.remove("new_ip") {
        table.insert("ip".to_owned(), new_ip);
    }
    let done = ask(deps.devices.send(ChangeDevice { ip, change: change(table) })).await??;
    Ok(done.as_ref().map_or(Value::Null, |device| shown(device, language)))
}

/// Of the reasons: `lang` of the call, else that of the configuration.
fn language_of(deps: &LocalDeps, call: &Call) -> Result<Language, ProtocolError> {
    match call.text("lang") {
        None => Ok(deps.language),
        Some("zh") => Ok(Language::Zh),
        Some("en") => Ok(Language::En),
        Some(_) => Err(wrong("`lang` must be zh or en")),
    }
}

pub async fn reset(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = reset_now(&deps, call).await;
    deps.respond(answer)
}

/// As the configuration file says again; null for one that is not in it.
async fn reset_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let language = language_of(deps, &call)?;
    let ip = text_of(&call.json().await?, &["ip"])?;
    call.note(ip.clone());
    let done = ask(deps.devices.send(ChangeDevice { ip, change: DeviceChange::Reset })).await??;
    Ok(done.as_ref().map_or(Value::Null, |device| shown(device, language)))
}

pub async fn remove(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = remove_now(&deps, call).await;
    deps.respond(answer)
}

async fn remove_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let ip = match call.text("ip") {
        Some(ip) => ip.to_owned(),
        None => text_of(&call.json_opt().await?, &["ip"]).map_err(|_| wrong("`ip` says which device"))?,
    };
    call.note(ip.clone());
    ask(deps.devices.send(ChangeDevice { ip: ip.clone(), change: DeviceChange::Remove })).await??;
    Ok(json!({ "ip": ip }))
}

/// Pipelines and the configuration file's devices are read again.
pub async fn reload(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    call.note("pipelines, devices of the configuration");
    let answer = ask(deps.devices.send(ReloadDevices)).await.and_then(|done| done);
    deps.respond(answer.map(|done| json!({ "changed": done.changed, "devices": done.devices })))
}
