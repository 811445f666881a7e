//! Events that are stored on the box, and their pictures.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use serde_json::json;
use tokio::sync::Semaphore;

use super::answer::{Answer, ask, wrong};
use super::body::Call;
use super::groups;
use super::state::LocalDeps;
use crate::actors::reporter::message::{DeleteEvents, DeletePictures, FindEvents, GetEventPicture};
use menshen_domain::event_query::EventQuery;
use menshen_domain::limits;
use menshen_domain::person::PersonKind;
use menshen_domain::registry_groups::RegistryGroup;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::event_entry::{EntryContext, event_entry};

/// Entries of a page where no number is asked for, as published.
const PER_PAGE: u64 = 10;

/// Opening many rows takes a core for a while.
pub(super) static PLACES: Semaphore = Semaphore::const_new(limits::EVENT_QUERIES_AT_ONCE);

/// A moment in seconds since 1970, with or without a fraction; as published, not in milliseconds.
fn time(call: &Call, key: &str) -> Result<Option<u64>, ProtocolError> {
    let Some(text) = call.text(key) else { return Ok(None) };
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|seconds| (0.0..1e11).contains(seconds));
    let seconds = seconds.ok_or_else(|| wrong(format!("`{key}` must be seconds since 1970")))?;
    Ok(Some((seconds * 1000.0).round() as u64))
}

fn score(call: &Call, key: &str) -> Result<Option<f32>, ProtocolError> {
    let Some(text) = call.text(key) else { return Ok(None) };
    let score: Option<f32> = text.parse().ok();
    let score = score.filter(|score| (0.0..=100.0).contains(score));
    score.map(Some).ok_or_else(|| wrong(format!("`{key}` must be a score from 0 to 100")))
}

fn query_of(deps: &LocalDeps, call: &Call, groups: &[RegistryGroup]) -> Result<EventQuery, ProtocolError> {
    if call.text("room").is_some() {
        let detail = "room: events do not hold the rooms of people";
        return Err(ProtocolError::new(StatusCode::NotImplemented, detail));
    }
    let kind = match call.text("userType") {
        None => None,
        Some(text) => {
            let kind = text.parse().ok().and_then(PersonKind::from_number);
            Some(kind.ok_or_else(|| wrong("`userType` must be 1 to 5"))?)
        }
    };
    let streams = call.list("streams");
    let devices = deps.device_list.all();
    let ips =
        devices.iter().filter(|device| streams.contains(&device.device_id) || streams.contains(&device.ip));
    let wanted = call.list("groups");
    let names = groups.iter().filter(|group| wanted.contains(&group.id) || wanted.contains(&group.name));
    Ok(EventQuery {
        from_ms: time(call, "datetime_gte")?,
        to_ms: time(call, "datetime_lte")?,
        name: call.text("name").map(str::to_owned),
        identity_id: call.text("identity_id").map(str::to_owned),
        score_min: score(call, "score_min")?,
        score_max: score(call, "score_max")?,
        kind,
        devices: (!streams.is_empty()).then(|| ips.map(|device| device.ip.clone()).collect()),
        groups: (!wanted.is_empty()).then(|| names.map(|group| group.name.clone()).collect()),
    })
}

pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    match list_now(&deps, &call).await {
        // `pagination` stands beside `data`.
        Ok(answer) => HttpResponse::Ok().json(answer),
        Err(refusal) => deps.respond(Err(refusal)),
    }
}

async fn list_now(deps: &LocalDeps, call: &Call) -> Answer {
    let groups = groups::all(deps).await?;
    let query = query_of(deps, call, &groups)?;
    let per_page = call.number("per_page", PER_PAGE, limits::LOCAL_PAGE_MAX as u64)?.max(1);
    let page = call.number("page", 0, u32::MAX.into())?;
    let top = call.number("top_k", u64::MAX, u64::MAX)?;
    let skip = page.saturating_mul(per_page);
    let limit = per_page.min(top.saturating_sub(skip)) as usize;
    let found = {
        let _place = PLACES.acquire().await.map_err(|_| wrong("the box is stopping"))?;
        // None of a page beyond the last is asked for, but they are counted all the same.
        ask(deps.reporter.send(FindEvents { query, skip, limit: limit.max(1) })).await??
    };
    let devices = deps.device_list.all();
    let entries: Vec<_> = found
        .events
        .iter()
        .take(limit)
        .map(|(event, is_sent)| {
            let name = event.device.registry_group.as_str();
            let id = groups.iter().find(|group| group.name == name).map_or(name, |group| &group.id);
            let device = devices.iter().find(|device| device.ip == event.device.ip);
            event_entry(event, &EntryContext { device, group: (id, name), is_sent: *is_sent })
        })
        .collect();
    let total = found.total.min(top);
    Ok(json!({
        "data": entries,
        "pagination": {
            "num_pages": total.div_ceil(per_page), "page": page, "per_page": per_page, "total_count": total,
            // Of very many events only the newest are looked at.
            "looked_at": found.looked_at, "stored": found.stored,
        },
    }))
}

pub async fn delete(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = delete_now(&deps, &call).await;
    deps.respond(answer)
}

/// A list of the query that must be there.
fn ids_of(call: &Call, key: &str) -> Result<Vec<String>, ProtocolError> {
    let ids = call.list(key);
    if ids.is_empty() {
        return Err(wrong(format!("`{key}` is missing")));
    }
    if ids.len() > limits::EVENTS_DELETED_MAX {
        return Err(wrong(format!(
            "`{key}` holds {} ids, at most {}",
            ids.len(),
            limits::EVENTS_DELETED_MAX
        )));
    }
    Ok(ids)
}

async fn delete_now(deps: &LocalDeps, call: &Call) -> Answer {
    let ids = ids_of(call, "event_id_list")?;
    call.note(format!("{} event(s)", ids.len()));
    let deleted = ask(deps.reporter.send(DeleteEvents { ids })).await??;
    tracing::warn!(deleted, "events were deleted, as the local API asked");
    Ok(json!({ "deleted": deleted }))
}

/// The event a picture is of, by the picture's name; `None` for a name no picture of an event has.
fn event_of(picture: &str) -> Option<&str> {
    let is_plain = picture.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    let id = picture.strip_suffix("-spot.jpg").or_else(|| picture.strip_suffix("-face.jpg"))?;
    (is_plain && !id.is_empty() && !id.starts_with('.')).then_some(id)
}

fn no_picture(name: &str) -> ProtocolError {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    ProtocolError::new(StatusCode::LocalNotFound, format!("no picture `{shown}`"))
}

/// `datetime` is not needed: the name is unique.
pub async fn picture(deps: Data<LocalDeps>, name: Path<String>) -> HttpResponse {
    match picture_now(&deps, &name).await {
        Ok(jpeg) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "image/jpeg"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(jpeg),
        Err(refusal) => deps.respond(Err(refusal)),
    }
}

async fn picture_now(deps: &LocalDeps, name: &str) -> Result<Vec<u8>, ProtocolError> {
    event_of(name).ok_or_else(|| no_picture(name))?;
    let found = ask(deps.reporter.send(GetEventPicture { name: name.to_owned() })).await??;
    found.ok_or_else(|| no_picture(name))
}

pub async fn delete_pictures(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = delete_pictures_now(&deps, &call).await;
    deps.respond(answer)
}

async fn delete_pictures_now(deps: &LocalDeps, call: &Call) -> Answer {
    let names = ids_of(call, "image_id_list")?;
    let id = |name: &String| event_of(name).map(str::to_owned).ok_or_else(|| no_picture(name));
    let event_ids = names.iter().map(id).collect::<Result<_, _>>()?;
    call.note(format!("{} picture(s)", names.len()));
    let deleted = ask(deps.reporter.send(DeletePictures { names, event_ids })).await??;
    tracing::warn!(deleted, "pictures of events were deleted, as the local API asked");
    Ok(json!({ "deleted": deleted }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_event_pictures_are_looked_for() {
        assert_eq!(event_of("0190-ab-spot.jpg"), Some("0190-ab"));
        assert_eq!(event_of("0190-ab-face.jpg"), Some("0190-ab"));
        for name in ["x.jpg", "../x-spot.jpg", "-spot.jpg", ".a-spot.jpg", "a b-face.jpg", "a/b-face.jpg", ""]
        {
            assert_eq!(event_of(name), None, "{name}");
        }
    }
}
