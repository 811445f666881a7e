//! People of the registry.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::answer::{Answer, as_local, ask, wrong};
use super::body::{Call, list_of, said, text_of};
use super::state::LocalDeps;
use crate::actors::registry::message::{DeletePeople, EnrolPeople, EnrolRequest, FindPeople, GetPerson};
use crate::actors::registry::request::UnusableUser;
use crate::telemetry::log_line::log_name;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode, success_with_lookalike};
use menshen_protocol::command::erase_of;
use menshen_protocol::event::DEFAULT_GROUP_NAME;
use menshen_protocol::lenient;
use menshen_protocol::local::user_of;

/// Whether people must be new or must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Update,
}

/// This box has one group.
fn check_group(name: Option<&str>) -> Result<(), ProtocolError> {
    match name {
        None | Some(DEFAULT_GROUP_NAME) => Ok(()),
        Some(_) => {
            Err(ProtocolError::new(StatusCode::GroupNameError, format!("there is only {DEFAULT_GROUP_NAME}")))
        }
    }
}

pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = list_now(&deps, &call).await;
    deps.respond(answer)
}

async fn list_now(deps: &LocalDeps, call: &Call) -> Answer {
    check_group(call.text("group_name"))?;
    if let Some(id) = call.text("identity_id") {
        let found = ask(deps.registry.send(GetPerson { id: id.to_owned() })).await??;
        let found = found.ok_or_else(|| ProtocolError::new(StatusCode::IdNotFound, id.to_owned()))?;
        return Ok(json!({ "total": 1, "users": [user_of(&found.person)] }));
    }
    let limit = call.number("limit", 10, limits::LOCAL_PAGE_MAX as u64)? as usize;
    let skip = call.number("skip_num", 0, limits::GALLERY_CAPACITY as u64)? as usize;
    let page = ask(deps.registry.send(FindPeople { skip, limit })).await??;
    Ok(json!({ "total": page.total, "users": page.people.iter().map(user_of).collect::<Vec<_>>() }))
}

pub async fn add(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, Verb::Add).await;
    deps.respond(answer)
}

pub async fn update(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, Verb::Update).await;
    deps.respond(answer)
}

/// One user object, or `user_info_list` with several. A single one that fails is an error.
async fn put_now(deps: &LocalDeps, mut call: Call, verb: Verb) -> Answer {
    let mut body = call.json().await?;
    check_group(said(&body, "group_name").and_then(Value::as_str))?;
    let is_single =
        body.get("user_info_list").is_none_or(|list| !list.is_array() && lenient::is_absent(list));
    let users = if is_single {
        vec![Value::Object(body)]
    } else {
        list_of(&mut body, "user_info_list", limits::LOCAL_USERS_MAX)?
    };
    call.note(match &users[..] {
        [user] => {
            user.get("identity_id").and_then(lenient::id_of).map_or_else(String::new, |id| log_name(&id))
        }
        _ => format!("{} people", users.len()),
    });
    let (mut success, mut failed, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for user in users {
        match make(deps, user, verb).await {
            Ok(request) => requests.push(request),
            Err(UnusableUser { id, name, refusal, .. }) if !is_single => {
                failed.push(entry(deps, &id, &name, &Err(refusal)));
            }
            Err(unusable) => return Err(unusable.refusal),
        }
    }
    if !requests.is_empty() {
        let requests = Arc::new(requests);
        for outcome in ask(deps.registry.send(EnrolPeople { requests })).await? {
            let looks_like = outcome.result.as_ref().ok().and_then(|enrolled| enrolled.looks_like.clone());
            let result = outcome.result.map(|_| ());
            if let (true, Err(refusal)) = (is_single, &result) {
                return Err(refusal.clone());
            }
            let list = if result.is_ok() { &mut success } else { &mut failed };
            let mut entry = entry(deps, &outcome.id, &outcome.name, &result);
            if let Some(other) = looks_like {
                entry["message"] = success_with_lookalike(&other, deps.language).into();
                entry["looks_like"] = other.into();
            }
            list.push(entry);
        }
    }
    Ok(answer_with(&call, success, failed))
}

/// The people of a call one by one, also for the audit log.
fn answer_with(call: &Call, success: Vec<Value>, failed: Vec<Value>) -> Value {
    for entry in success.iter().chain(&failed) {
        call.part(entry["code"].as_i64().unwrap_or_default());
    }
    json!({ "success_users": success, "failed_users": failed })
}

fn entry(deps: &LocalDeps, id: &str, name: &str, result: &Result<(), ProtocolError>) -> Value {
    let (code, message) = match result {
        Ok(()) => (StatusCode::Success.code(), StatusCode::Success.text(deps.language).to_owned()),
        Err(refusal) => (refusal.code.code(), refusal.message(deps.language)),
    };
    json!({ "userid": id, "username": name, "message": message, "code": code })
}

/// A name beside `info` would be left out in silence.
fn check_name(user: &Value) -> Result<(), ProtocolError> {
    let named = user.as_object().is_some_and(|user| said(user, "name").is_some());
    let is_in_info =
        user.get("info").and_then(Value::as_object).is_some_and(|info| said(info, "name").is_some());
    if named && !is_in_info {
        return Err(wrong("`name` belongs into `info`: {\"info\":{\"name\":\"…\"}}, that is `info.name`"));
    }
    Ok(())
}

async fn make(deps: &LocalDeps, user: Value, verb: Verb) -> Result<EnrolRequest, UnusableUser> {
    let id = user.as_object().map_or(Ok(String::new()), |user| text_of(user, &["identity_id"]));
    let id = id.map_err(|refusal| UnusableUser::nameless("", refusal))?;
    let unknown = |refusal| UnusableUser::nameless(&id, refusal);
    check_name(&user).map_err(unknown)?;
    let old =
        async { ask(deps.registry.send(GetPerson { id: id.clone() })).await? }.await.map_err(unknown)?;
    match (verb, old.is_some()) {
        (Verb::Add, true) => {
            Err(unknown(ProtocolError::new(StatusCode::IdentityExists, "PUT changes a person who is there")))
        }
        (Verb::Update, false) => {
            Err(unknown(ProtocolError::new(StatusCode::IdNotFound, "POST adds a person")))
        }
        _ => {
            let session = deps.session.load_full();
            EnrolRequest::from_wire(user, id.clone(), old.as_ref(), session.as_deref())
                .map_err(|unusable| UnusableUser { refusal: as_local(unusable.refusal), ..unusable })
        }
    }
}

pub async fn delete(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = delete_now(&deps, call).await;
    deps.respond(answer)
}

/// `identity_id` in the query or the body, or `userid_list` in the body.
async fn delete_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let single = call.text("identity_id").map(str::to_owned);
    let mut body = call.json_opt().await?;
    check_group(call.text("group_name").or(said(&body, "group_name").and_then(Value::as_str)))?;
    let has_list = body.get("userid_list").is_some_and(|list| list.is_array() || !lenient::is_absent(list));
    let (ids, is_single) = match (single, has_list) {
        (Some(id), _) => (vec![id], true),
        (None, true) => {
            let ids = list_of(&mut body, "userid_list", limits::LOCAL_PAGE_MAX)?;
            let ids =
                lenient::texts(Value::Array(ids)).map_err(|error| wrong(format!("userid_list: {error}")))?;
            (ids, false)
        }
        (None, false) => (vec![text_of(&body, &["identity_id"])?], true),
    };
    call.note(match &ids[..] {
        [id] => log_name(id),
        _ => format!("{} people", ids.len()),
    });
    if wants_erasure(&call, &body)? {
        return erase_now(deps, &call, ids, is_single).await;
    }
    let (mut success, mut failed) = (Vec::new(), Vec::new());
    for outcome in ask(deps.registry.send(DeletePeople { ids })).await? {
        if let (true, Err(refusal)) = (is_single, &outcome.result) {
            return Err(refusal.clone());
        }
        let list = if outcome.result.is_ok() { &mut success } else { &mut failed };
        list.push(entry(deps, &outcome.id, "", &outcome.result));
    }
    Ok(answer_with(&call, success, failed))
}

/// `erase` in the query or the body.
fn wants_erasure(call: &Call, body: &Map<String, Value>) -> Result<bool, ProtocolError> {
    match call.text("erase") {
        Some(text) => {
            let said = lenient::switch_of(&Value::String(text.to_owned()));
            said.ok_or_else(|| wrong("`erase` must be true or false"))
        }
        None => erase_of(body).map_err(as_local),
    }
}

/// With everything that is kept of them; each entry has its receipt.
async fn erase_now(deps: &LocalDeps, call: &Call, ids: Vec<String>, is_single: bool) -> Answer {
    let (mut success, mut failed) = (Vec::new(), Vec::new());
    let asked_by = call.asked_by();
    let erased = async { Ok(deps.eraser.erase(ids, &asked_by).await) };
    for outcome in ask(erased).await? {
        match outcome.result {
            Ok(receipt) => {
                let mut entry = entry(deps, &outcome.id, "", &Ok(()));
                entry["erased"] = json!(receipt);
                success.push(entry);
            }
            Err(refusal) if is_single => return Err(refusal),
            Err(refusal) => failed.push(entry(deps, &outcome.id, "", &Err(refusal))),
        }
    }
    Ok(answer_with(call, success, failed))
}
