//! Devices as the local API is published: `/SophonDevice/api/Devices`, the same roster as `/menshen/api/devices`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::answer::{Answer, as_local, ask, wrong};
use super::body::{Call, list_of, said};
use super::groups;
use super::state::LocalDeps;
use crate::actors::device_groups::DeviceGroups;
use crate::actors::devices::message::{ListDevices, PutDevices, RemoveDevices};
use crate::actors::registry::message::ListPermissions;
use menshen_domain::device::{DeviceConfig, DeviceStatus};
use menshen_domain::device_wish::{DeviceWish, Verb};
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::device::{Form, device_of, read_wish};
use menshen_protocol::lenient;

const LIST: &str = "devices_list";

async fn groups(deps: &LocalDeps) -> Result<DeviceGroups, ProtocolError> {
    let permissions = ask(deps.registry.send(ListPermissions)).await??;
    Ok(DeviceGroups { permissions, registry: groups::all(deps).await? })
}

/// A device there is not.
fn as_not_found(refusal: ProtocolError) -> ProtocolError {
    match refusal.code {
        StatusCode::IdNotFound => ProtocolError::new(StatusCode::LocalNotFound, refusal.detail),
        _ => as_local(refusal),
    }
}

fn switch(value: Option<&Value>, key: &str) -> Result<bool, ProtocolError> {
    let Some(value) = value else { return Ok(false) };
    lenient::switch_of(value).ok_or_else(|| wrong(format!("`{key}` must be true or false")))
}

pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = list_now(&deps, &call).await;
    deps.respond(answer)
}

async fn list_now(deps: &LocalDeps, call: &Call) -> Answer {
    let with_previews = call.text("need_preview_list").map(Value::from);
    let with_previews = switch(with_previews.as_ref(), "need_preview_list")?;
    let groups = groups(deps).await?;
    let mut devices = ask(deps.devices.send(ListDevices)).await?;
    if let Some(id) = call.text("device_id") {
        devices.retain(|device| device.config.device_id == id);
        if devices.is_empty() {
            let detail = format!("no device has the device_id `{id}`");
            return Err(ProtocolError::new(StatusCode::LocalNotFound, detail));
        }
    }
    let show = |device: &DeviceStatus| device_of(device, groups.id_of(&device.config.registry_group));
    let mut shown =
        json!({ "devices_list": devices.iter().map(show).collect::<Vec<_>>(), "total": devices.len() });
    if with_previews {
        // This box previews nothing: the list of what is shown where is empty.
        shown["preview_list"] = json!({
            "preview_list": [], "current_preview_list": [], "preview_mode": "1", "last_set_name": "WEBUI",
        });
    }
    Ok(shown)
}

pub async fn add(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, Verb::Add).await;
    deps.respond(answer.map_err(as_not_found))
}

pub async fn change(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, Verb::Update).await;
    deps.respond(answer.map_err(as_not_found))
}

/// One that cannot be fails the call before anything changes.
async fn put_now(deps: &LocalDeps, mut call: Call, verb: Verb) -> Answer {
    let mut body = call.json().await?;
    if said(&body, "preview_list").is_some() {
        let detail = "preview_list: this box shows no previews";
        return Err(ProtocolError::new(StatusCode::NotImplemented, detail));
    }
    let mut wishes = list_of(&mut body, LIST, limits::DEVICES_MAX)?
        .into_iter()
        .map(|entry| read_wish(entry, Form::Api).map_err(ProtocolError::from))
        .collect::<Result<Vec<DeviceWish>, _>>()?;
    let groups = groups(deps).await?;
    let present = deps.device_list.all();
    for wish in &mut wishes {
        groups.look_up(wish, &present)?;
    }
    call.note(format!("{} device(s)", wishes.len()));
    let done = ask(deps.devices.send(PutDevices { wishes, verb })).await??;
    let ips: Vec<_> = done.iter().map(|device| device.config.ip.as_str()).collect();
    call.note(ips.join(","));
    Ok(success(done.iter().map(|device| &device.config)))
}

fn success<'a>(devices: impl Iterator<Item = &'a DeviceConfig>) -> Value {
    let entry = |device: &DeviceConfig| json!({ "device_id": device.device_id, "device_name": device.name, "ip": device.ip });
    json!({ "success_devices": devices.map(entry).collect::<Vec<_>>() })
}

pub async fn remove(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = remove_now(&deps, call).await;
    deps.respond(answer.map_err(as_not_found))
}

/// `clear_all`, or a list of ids, which may be empty.
async fn remove_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let body = call.json().await?;
    let all = switch(said(&body, "clear_all"), "clear_all")?;
    let ids = ids_of(&body)?;
    if all && !ids.is_empty() {
        return Err(wrong(format!("`clear_all` or the devices of `{LIST}`, not both")));
    }
    call.note(if all { "all devices".to_owned() } else { ids.join(",") });
    let ids = (!all).then_some(ids);
    let gone = ask(deps.devices.send(RemoveDevices { ids, pass_over_unknown: false })).await??;
    Ok(success(gone.iter()))
}

fn ids_of(body: &Map<String, Value>) -> Result<Vec<String>, ProtocolError> {
    let Some(list) = said(body, LIST) else { return Ok(Vec::new()) };
    let Value::Array(entries) = list else {
        return Err(wrong(format!("`{LIST}` must be a list, got {}", lenient::kind_of(list))));
    };
    if entries.len() > limits::DEVICES_MAX {
        return Err(wrong(format!(
            "`{LIST}` holds {} entries, at most {}",
            entries.len(),
            limits::DEVICES_MAX
        )));
    }
    let id = |entry: &Value| {
        let id = entry.get("device_id").or(Some(entry)).and_then(lenient::id_of);
        id.ok_or_else(|| wrong(format!("`{LIST}`: `device_id` is missing")))
    };
    entries.iter().map(id).collect()
}
