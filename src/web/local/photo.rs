//! Photo terminals: a picture in, who it is out.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::LocalParts;
use super::answer::{Answer, ask};
use super::body::Call;
use crate::actors::registry::message::GetPerson;
use crate::core::person::DEFAULT_PERMISSION_GROUP;
use crate::core::status::{Refusal, StatusCode};
use crate::wire::local::info_of;

pub async fn recognize(parts: Data<LocalParts>, call: Call) -> HttpResponse {
    let answer = recognize_now(&parts, call).await;
    parts.say(answer)
}

/// People of the device's groups are looked for, of `permission_ids` where they are given, else of the default group.
fn groups(parts: &LocalParts, call: &Call) -> Result<Vec<String>, Refusal> {
    if let Some(ids) = call.text("permission_ids") {
        return Ok(ids.split(',').map(|id| id.trim().to_owned()).collect());
    }
    let Some(ip) = call.text("device_ip") else { return Ok(vec![DEFAULT_PERMISSION_GROUP.to_owned()]) };
    let device = parts.roster.find(ip);
    let missing = || {
        let detail = format!("no device has ip `{ip}`: add it as [[devices]] in the configuration");
        Refusal::new(StatusCode::LocalNotFound, detail)
    };
    device.map(|device| device.permission_groups.clone()).ok_or_else(missing)
}

async fn recognize_now(parts: &LocalParts, mut call: Call) -> Answer {
    let (received_ms, started_ms) = ((parts.wall_ms)(), (parts.monotonic_ms)());
    let groups = groups(parts, &call)?;
    let picture = call.picture().await?;
    let found = parts.identifier.identify(picture, &groups).await?;
    let who = found.best.filter(|_| found.passed);
    let person = match &who {
        Some(candidate) => ask(parts.registry.send(GetPerson { id: candidate.person.id.clone() })).await??,
        None => None,
    };
    Ok(json!({
        "result": who.is_some(),
        "score": (f64::from(found.score) * 10_000.0).round() / 10_000.0,
        "identity_id": who.map_or_else(String::new, |candidate| candidate.person.id),
        "identity_info": person.map_or_else(|| json!({}), |found| info_of(&found.person)),
        "timestamp": received_ms,
        "cost_ms": (parts.monotonic_ms)().saturating_sub(started_ms),
    }))
}
