//! Photo terminals and snapshot cameras: a picture in, who it is out.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode as Http;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::answer::{Answer, ask, refused_as};
use super::body::Call;
use super::picture;
use super::state::LocalDeps;
use crate::actors::face_engine::message::{PhotoAnswer, RecognisePhoto};
use crate::actors::face_engine::photos::PhotoDevice;
use crate::actors::identify::Identified;
use crate::actors::registry::message::GetPerson;
use menshen_domain::candidate::SearchGroups;
use menshen_domain::person::DEFAULT_PERMISSION_GROUP;
use menshen_domain::photo::{DevicePicture, PhotoResult};
use menshen_domain::registry_groups::DEFAULT_REGISTRY_GROUP;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::local::info_of;

pub async fn recognize(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    if let Err(refusal) = check_caller(&deps, &call) {
        return refused_as(Http::FORBIDDEN, &refusal, deps.language);
    }
    let Some(device) = call.device().map(str::to_owned) else {
        let answer = recognize_now(&deps, call).await;
        return deps.respond(answer);
    };
    match passage(&deps, call, &device).await {
        // Worth sending again, which the general code for a failure does not say.
        Err(refusal) if refusal.code == StatusCode::ServerProcessFailed => {
            refused_as(Http::SERVICE_UNAVAILABLE, &refusal, deps.language)
        }
        answer => deps.respond(answer),
    }
}

/// The token of a device is for its own photos: it neither asks for other devices nor chooses whom to search for.
fn check_caller(deps: &LocalDeps, call: &Call) -> Result<(), ProtocolError> {
    let Some(own) = call.only_device() else { return Ok(()) };
    let named = call.device().or_else(|| call.text("device_ip")).unwrap_or_default();
    let device = deps.photos.find(named).map_or_else(|| named.to_owned(), |device| device.config.ip.clone());
    call.check_device(&device)?;
    if call.text("permission_ids").is_some() || call.text("device_ip").is_some_and(|ip| ip != own) {
        return Err(ProtocolError::new(StatusCode::BadRequest, "this token is for photos of its own device"));
    }
    Ok(())
}

/// The groups whose people are searched: those of the device where one is named, else the default groups; `permission_ids`
/// where they are given.
fn groups(deps: &LocalDeps, call: &Call) -> Result<SearchGroups, ProtocolError> {
    let mut groups = SearchGroups {
        registry: DEFAULT_REGISTRY_GROUP.to_owned(),
        permissions: vec![DEFAULT_PERMISSION_GROUP.to_owned()],
    };
    if let Some(ip) = call.text("device_ip") {
        let device = deps.device_list.find(ip).ok_or_else(|| no_device(ip))?;
        groups = SearchGroups { registry: device.registry_group, permissions: device.permission_groups };
    }
    if let Some(ids) = call.text("permission_ids") {
        groups.permissions = ids.split(',').map(|id| id.trim().to_owned()).collect();
    }
    Ok(groups)
}

pub(super) fn no_device(name: &str) -> ProtocolError {
    let detail = format!("no device has ip `{name}`: add it as [[devices]] in the configuration");
    ProtocolError::new(StatusCode::LocalNotFound, detail)
}

/// Only the question: no event is kept.
async fn recognize_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let (received_ms, started_ms) = ((deps.wall_ms)(), (deps.monotonic_ms)());
    let groups = groups(deps, &call)?;
    let pictures = call.picture().await?;
    let found = identify(deps, pictures, &groups).await?;
    let who = found.best.filter(|_| found.passed);
    let id = who.map(|candidate| candidate.person.id);
    Ok(json!({
        "result": id.is_some(),
        "score": rounded(found.score),
        "identity_info": info(deps, id.as_deref()).await?,
        "identity_id": id.unwrap_or_default(),
        "timestamp": received_ms,
        "cost_ms": (deps.monotonic_ms)().saturating_sub(started_ms),
    }))
}

/// The first picture that shows a face good enough, as for a device.
async fn identify(
    deps: &LocalDeps,
    pictures: Vec<DevicePicture>,
    groups: &SearchGroups,
) -> Result<Identified, ProtocolError> {
    let mut refusal = ProtocolError::new(StatusCode::ImageError, "no picture was sent");
    for (index, picture) in pictures.into_iter().enumerate() {
        match deps.identifier.identify(picture.bytes, groups).await {
            Err(other) if other.code != StatusCode::ServerProcessFailed => {
                // What is wrong with the picture that should show the face says most.
                if index == 0 {
                    refusal = other;
                }
            }
            answer => return answer,
        }
    }
    Err(refusal)
}

/// The device that sends photos, by its `ip`, `ep_id` or `device_id`.
pub(super) fn find_sender(deps: &LocalDeps, device: &str) -> Result<Arc<PhotoDevice>, ProtocolError> {
    let by_id = || deps.device_list.all().iter().find(|known| known.device_id == device).cloned();
    let known = deps.device_list.find(device).or_else(by_id);
    let name = known.as_ref().map_or(device, |known| known.ip.as_str());
    deps.photos.find(name).ok_or_else(|| {
        if known.is_none() {
            return no_device(device);
        }
        let detail = format!("device `{device}` has a stream; pipeline = \"post\" takes photos");
        ProtocolError::new(StatusCode::LocalNotFound, detail)
    })
}

/// The photo is a passage of `device`: it becomes an event, and the door acts.
async fn passage(deps: &LocalDeps, call: Call, device: &str) -> Answer {
    let (received_ms, started_ms) = ((deps.wall_ms)(), (deps.monotonic_ms)());
    let sender = find_sender(deps, device)?;
    let awaiting = call.await_body();
    let (content_type, payload, from) = call.into_body();
    let read = picture::read(&content_type, payload, from).await;
    drop(awaiting);
    let pictures = match read {
        Ok(pictures) => pictures,
        Err(refusal) => {
            // Too many bodies at once is all that can fail on this side.
            let result = match PhotoResult::of_code(refusal.code) {
                PhotoResult::Failed => PhotoResult::QueueFull,
                result => result,
            };
            deps.photos.refuse(&sender, result);
            return Err(refusal);
        }
    };
    let photo = RecognisePhoto { device: sender.config.ep_id.clone(), pictures, received_ms };
    let answer = deps.photos.recognise(photo).await.ok_or_else(|| no_device(device))?;
    answer_of(deps, answer, received_ms, started_ms).await
}

/// What the terminal gets to know.
async fn answer_of(deps: &LocalDeps, mut answer: PhotoAnswer, received_ms: u64, started_ms: u64) -> Answer {
    // The door has acted. Whoever is told of an event finds it after a cut of the power.
    let is_stored = answer.stored_soon().await;
    // A door that opens for anyone opens for a poor picture too, and the terminal must hear of it.
    if let (Some(code), false) = (answer.result.code(), answer.opens) {
        return Err(ProtocolError::new(code, answer.detail));
    }
    let id = answer.who.as_ref().map(|who| who.id.clone());
    Ok(json!({
        "result": id.is_some(),
        "pass": answer.opens,
        "score": rounded(answer.score),
        "identity_info": info(deps, id.as_deref()).await?,
        "identity_id": id.unwrap_or_default(),
        "event_id": answer.event_id.unwrap_or_default(),
        "stored": is_stored,
        "outcome": answer.result.name(),
        "faces": answer.faces,
        "timestamp": received_ms,
        "cost_ms": (deps.monotonic_ms)().saturating_sub(started_ms),
    }))
}

async fn info(deps: &LocalDeps, id: Option<&str>) -> Answer {
    let Some(id) = id else { return Ok(json!({})) };
    let found = ask(deps.registry.send(GetPerson { id: id.to_owned() })).await??;
    Ok(found.map_or_else(|| json!({}), |found| info_of(&found)))
}

pub(super) fn rounded(score: f32) -> Value {
    json!((f64::from(score) * 10_000.0).round() / 10_000.0)
}
