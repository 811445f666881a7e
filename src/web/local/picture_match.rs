//! `PictureMatch`: the published way for a terminal to ask who is in a picture. The same lane and the same door as `Recognize?ip=`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode as Http;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::answer::{Answer, ask, refused_as, wrong};
use super::body::{Call, said, text_of};
use super::person_view::{PhotoBudget, published_info};
use super::photo::{find_sender, no_device, rounded};
use super::state::LocalDeps;
use crate::actors::blocking::spawn_blocking;
use crate::actors::face_engine::message::{PhotoAnswer, RecognisePhoto};
use crate::actors::registry::message::GetPerson;
use crate::actors::registry::photo::photo_bytes;
use menshen_domain::limits;
use menshen_domain::photo::{DevicePicture, PhotoResult};
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::event::STRANGER_NAME;
use menshen_protocol::lenient;

pub async fn picture_match(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    match match_now(&deps, call).await {
        // Published without a `data` around it.
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(refusal) if refusal.code == StatusCode::ServerProcessFailed => {
            refused_as(Http::SERVICE_UNAVAILABLE, &refusal, deps.language)
        }
        Err(refusal) if refusal.code == StatusCode::BadRequest => {
            refused_as(Http::FORBIDDEN, &refusal, deps.language)
        }
        Err(refusal) => deps.respond(Err(refusal)),
    }
}

/// What is asked, beside the picture.
struct Asked {
    device: String,
    with_photo: bool,
    /// In place of the time of arrival.
    at_ms: Option<u64>,
}

fn read(body: &Map<String, Value>, now_ms: u64) -> Result<Asked, ProtocolError> {
    if said(body, "image_file_path").is_some() {
        return Err(wrong("`image_file_path`: the box opens no files by name; send `rgb_image_base64`"));
    }
    if said(body, "liveness_mode").and_then(Value::as_str) == Some("liveness_rgb_ir") {
        let detail = "liveness_mode liveness_rgb_ir: there is no model for infrared pictures";
        return Err(ProtocolError::new(StatusCode::NotImplemented, detail));
    }
    let with_photo = match said(body, "need_register_photo") {
        None => false,
        Some(value) => {
            lenient::switch_of(value).ok_or_else(|| wrong("`need_register_photo` must be true or false"))?
        }
    };
    let device = text_of(body, &["device_ip"])?;
    let at_ms = said(body, "compare_time")
        .and_then(time_ms)
        .filter(|at| at.abs_diff(now_ms) <= limits::COMPARE_TIME_SPAN_MS);
    Ok(Asked { device, with_photo, at_ms })
}

/// A time in seconds or milliseconds since 1970.
pub(super) fn time_ms(value: &Value) -> Option<u64> {
    /// Milliseconds of 1973; in seconds the year 5138.
    const FIRST_MS: f64 = 1e11;
    let number = match value {
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        other => other.as_f64()?,
    };
    let ms = if number < FIRST_MS { number * 1000.0 } else { number };
    (ms.is_finite() && ms > 0.0).then_some(ms as u64)
}

async fn match_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let received_ms = (deps.wall_ms)();
    let mut body = call.json().await?;
    let asked = read(&body, received_ms)?;
    let sender = find_sender(deps, &asked.device)?;
    call.check_device(&sender.config.ip)?;
    let refuse = |refusal: ProtocolError| {
        deps.photos.refuse(&sender, PhotoResult::of_code(refusal.code));
        refusal
    };
    let picture = match body.remove("rgb_image_base64") {
        Some(Value::String(text)) if !text.trim().is_empty() => text,
        Some(other) if !lenient::is_absent(&other) => {
            let kind = lenient::kind_of(&other);
            return Err(wrong(format!("`rgb_image_base64` must be a string, got {kind}")));
        }
        _ => return Err(wrong("`rgb_image_base64` is missing")),
    };
    // Megabytes of base64 are not for the thread that answers calls.
    let photo = spawn_blocking(move || photo_bytes(&picture)).await?.map_err(refuse)?;
    // Its large body is no more: others need not wait for this one's answer.
    drop((call, body));
    let photo = RecognisePhoto {
        device: sender.config.ep_id.clone(),
        pictures: DevicePicture::only(photo),
        received_ms: asked.at_ms.unwrap_or(received_ms),
    };
    let answer = deps.photos.recognise(photo).await.ok_or_else(|| no_device(&asked.device))?;
    answer_of(deps, answer, asked.with_photo).await
}

async fn answer_of(deps: &LocalDeps, mut answer: PhotoAnswer, with_photo: bool) -> Answer {
    // As `Recognize`: the door has acted.
    let is_stored = answer.stored_soon().await;
    // A door that opens for anyone opens for a poor picture too, and the terminal must hear of it.
    if let (Some(code), false) = (answer.result.code(), answer.opens) {
        return Err(ProtocolError::new(code, answer.detail));
    }
    let known = match &answer.who {
        Some(who) => ask(deps.registry.send(GetPerson { id: who.id.clone() })).await??,
        None => None,
    };
    let is_known = answer.who.is_some();
    let name = answer.who.as_ref().map_or(STRANGER_NAME, |who| who.name.as_str());
    let mut shown = json!({
        "retcode": if is_known { "1" } else { "0" },
        "score": rounded(answer.score),
        "identity_id": answer.who.as_ref().map_or("", |who| who.id.as_str()),
        "name": name,
        "identity_info": known.as_ref().map_or_else(|| json!({}), published_info),
        "pass": answer.opens,
        "event_id": answer.event_id.unwrap_or_default(),
        "stored": is_stored,
        "outcome": answer.result.name(),
        "faces": answer.faces,
    });
    if with_photo {
        shown["reg_pic"] = match &known {
            Some(person) => PhotoBudget::take(deps).await.photo(deps, person).await?.into(),
            None => "".into(),
        };
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: Value) -> Result<Asked, ProtocolError> {
        read(body.as_object().unwrap(), 1_700_000_000_000)
    }

    #[test]
    fn only_a_time_near_by_counts() {
        for (said, expected) in [
            (json!(1_700_000_100), Some(1_700_000_100_000)),
            (json!("1700000100000"), Some(1_700_000_100_000)),
            (json!(1_699_999_999.5), Some(1_699_999_999_500)),
            (json!(1_600_000_000), None),
            (json!(1_700_000_301), None),
            (json!(-1), None),
            (json!("yesterday"), None),
            (json!(null), None),
        ] {
            let body = json!({ "device_ip": "a", "compare_time": said });
            assert_eq!(asked(body).unwrap().at_ms, expected, "{said}");
        }
    }

    #[test]
    fn what_is_not_done_is_refused() {
        for (more, code) in [
            (json!({ "image_file_path": "/etc/passwd" }), StatusCode::LocalParamError),
            (json!({ "liveness_mode": "liveness_rgb_ir" }), StatusCode::NotImplemented),
            (json!({ "need_register_photo": "perhaps" }), StatusCode::LocalParamError),
            (json!({ "device_ip": "" }), StatusCode::LocalParamError),
        ] {
            let mut body = json!({ "device_ip": "a", "rgb_image_base64": "x" });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(asked(body).err().unwrap().code, code, "{more}");
        }
        assert!(asked(json!({ "device_ip": 7, "liveness_mode": "liveness_rgb" })).unwrap().device == "7");
    }
}
