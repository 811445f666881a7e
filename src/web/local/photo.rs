//! Photo terminals and snapshot cameras: a picture in, who it is out.

use actix_web::HttpResponse;
use actix_web::http::StatusCode as Http;
use actix_web::web::Data;
use serde_json::{Value, json};

use super::answer::{Answer, ask, refused_as};
use super::body::Call;
use super::{LocalDeps, picture};
use crate::actors::face_engine::message::{PhotoAnswer, RecognisePhoto};
use crate::actors::registry::message::GetPerson;
use menshen_domain::person::DEFAULT_PERMISSION_GROUP;
use menshen_domain::photo::PhotoResult;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::local::info_of;

pub async fn recognize(parts: Data<LocalDeps>, call: Call) -> HttpResponse {
    let Some(device) = call.device().map(str::to_owned) else {
        let answer = recognize_now(&parts, call).await;
        return parts.say(answer);
    };
    match passage(&parts, call, &device).await {
        // Worth sending again, which the general code for a failure does not say.
        Err(refusal) if refusal.code == StatusCode::ServerProcessFailed => {
            refused_as(Http::SERVICE_UNAVAILABLE, &refusal, parts.language)
        }
        answer => parts.say(answer),
    }
}

/// People of the device's groups are looked for, of `permission_ids` where they are given, else of the default group.
fn groups(parts: &LocalDeps, call: &Call) -> Result<Vec<String>, ProtocolError> {
    if let Some(ids) = call.text("permission_ids") {
        return Ok(ids.split(',').map(|id| id.trim().to_owned()).collect());
    }
    let Some(ip) = call.text("device_ip") else { return Ok(vec![DEFAULT_PERMISSION_GROUP.to_owned()]) };
    parts.roster.find(ip).map(|device| device.permission_groups).ok_or_else(|| no_device(ip))
}

fn no_device(name: &str) -> ProtocolError {
    let detail = format!("no device has ip `{name}`: add it as [[devices]] in the configuration");
    ProtocolError::new(StatusCode::LocalNotFound, detail)
}

/// Only the question: no event is kept.
async fn recognize_now(parts: &LocalDeps, mut call: Call) -> Answer {
    let (received_ms, started_ms) = ((parts.wall_ms)(), (parts.monotonic_ms)());
    let groups = groups(parts, &call)?;
    let picture = call.picture().await?;
    let found = parts.identifier.identify(picture, &groups).await?;
    let who = found.best.filter(|_| found.passed);
    let id = who.map(|candidate| candidate.person.id);
    Ok(json!({
        "result": id.is_some(),
        "score": rounded(found.score),
        "identity_info": info(parts, id.as_deref()).await?,
        "identity_id": id.unwrap_or_default(),
        "timestamp": received_ms,
        "cost_ms": (parts.monotonic_ms)().saturating_sub(started_ms),
    }))
}

/// The photo is a passage of `device`: it becomes an event, and the door acts.
async fn passage(parts: &LocalDeps, call: Call, device: &str) -> Answer {
    let (received_ms, started_ms) = ((parts.wall_ms)(), (parts.monotonic_ms)());
    let sender = parts.photos.find(device);
    let sender = sender.ok_or_else(|| {
        if parts.roster.find(device).is_none() {
            return no_device(device);
        }
        let detail = format!("device `{device}` has a stream; pipeline = \"post\" takes photos");
        ProtocolError::new(StatusCode::LocalNotFound, detail)
    })?;
    let (content_type, payload) = call.into_body();
    let photo = match picture::read(&content_type, payload).await {
        Ok(photo) => photo,
        Err(refusal) => {
            // Too many bodies at once is all that can fail on this side.
            let result = match PhotoResult::of_code(refusal.code) {
                PhotoResult::Failed => PhotoResult::QueueFull,
                result => result,
            };
            parts.photos.refuse(&sender, result);
            return Err(refusal);
        }
    };
    let photo = RecognisePhoto { device: sender.config.ep_id.clone(), photo, received_ms };
    let answer = parts.photos.recognise(photo).await.ok_or_else(|| no_device(device))?;
    tell(parts, answer, received_ms, started_ms).await
}

async fn tell(parts: &LocalDeps, answer: PhotoAnswer, received_ms: u64, started_ms: u64) -> Answer {
    // A door that opens for anyone opens for a poor picture too, and the terminal must hear of it.
    if let (Some(code), false) = (answer.result.code(), answer.opens) {
        return Err(ProtocolError::new(code, answer.detail));
    }
    let id = answer.who.as_ref().map(|who| who.id.clone());
    Ok(json!({
        "result": id.is_some(),
        "pass": answer.opens,
        "score": rounded(answer.score),
        "identity_info": info(parts, id.as_deref()).await?,
        "identity_id": id.unwrap_or_default(),
        "event_id": answer.event_id.unwrap_or_default(),
        "outcome": answer.result.name(),
        "faces": answer.faces,
        "timestamp": received_ms,
        "cost_ms": (parts.monotonic_ms)().saturating_sub(started_ms),
    }))
}

async fn info(parts: &LocalDeps, id: Option<&str>) -> Answer {
    let Some(id) = id else { return Ok(json!({})) };
    let found = ask(parts.registry.send(GetPerson { id: id.to_owned() })).await??;
    Ok(found.map_or_else(|| json!({}), |found| info_of(&found.person)))
}

fn rounded(score: f32) -> Value {
    json!((f64::from(score) * 10_000.0).round() / 10_000.0)
}
