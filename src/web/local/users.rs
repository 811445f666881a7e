//! People of the registry, as the calls are published: one person a call, with group names and photos. Beside that our own
//! lists, `user_info_list` and `userid_list`. Answers have the published keys and ours side by side.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::answer::{Answer, as_local, ask, wrong};
use super::body::{Call, list_of, said, text_of};
use super::groups;
use super::person_body::{Switches, with_switches, without_answered};
use super::person_view::{PhotoBudget, identity, image_id_of, published_info};
use super::state::LocalDeps;
use crate::actors::registry::message::{
    DeletePeople, EditPermissions, EnrolPeople, EnrolRequest, FindPeople, GetPerson, ListPermissions,
};
use crate::actors::registry::request::UnusableUser;
use crate::telemetry::log_line::log_name;
use menshen_domain::limits;
use menshen_domain::permission_groups::GroupEdit;
use menshen_domain::person::{PermissionGroup, Person};
use menshen_domain::registry_groups::{DEFAULT_REGISTRY_GROUP, RegistryGroup};
use menshen_domain::status::{ProtocolError, StatusCode, success_with_lookalike};
use menshen_protocol::command::erase_of;
use menshen_protocol::lenient;
use menshen_protocol::local::user_of;

/// Whether people must be new or must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Update,
}

pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = list_now(&deps, &call).await;
    deps.respond(answer)
}

async fn list_now(deps: &LocalDeps, call: &Call) -> Answer {
    let (total, people) = if let Some(id) = call.text("identity_id") {
        (1, vec![find(deps, id).await?.ok_or_else(|| unknown(id))?])
    } else {
        let limit = call.number("limit", 10, limits::LOCAL_PAGE_MAX as u64)? as usize;
        let skip = call.number("skip_num", 0, limits::GALLERY_CAPACITY_MAX as u64)? as usize;
        let group = match call.text("group_name") {
            None => None,
            Some(key) => Some(groups::named(&groups::all(deps).await?, key)?),
        };
        let page = ask(deps.registry.send(FindPeople { group, skip, limit })).await??;
        (page.total, page.people)
    };
    let mut budget = PhotoBudget::take(deps).await;
    let mut identities = Vec::with_capacity(people.len());
    for person in &people {
        identities.push(identity(deps, &mut budget, person).await?);
    }
    let users: Vec<_> = people.iter().map(user_of).collect();
    Ok(json!({ "identities_list": identities, "total": total, "users": users }))
}

async fn find(deps: &LocalDeps, id: &str) -> Result<Option<Person>, ProtocolError> {
    ask(deps.registry.send(GetPerson { id: id.to_owned() })).await?
}

fn unknown(id: &str) -> ProtocolError {
    ProtocolError::new(StatusCode::IdNotFound, id)
}

pub async fn add(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, Verb::Add).await;
    deps.respond(answer)
}

pub async fn update(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = put_now(&deps, call, Verb::Update).await;
    deps.respond(answer)
}

/// What is known of the groups before people are put.
struct Groups {
    registry: Vec<RegistryGroup>,
    /// Ids of permission groups.
    permissions: Vec<String>,
}

impl Groups {
    async fn read(deps: &LocalDeps) -> Result<Self, ProtocolError> {
        let permissions = ask(deps.registry.send(ListPermissions)).await??;
        Ok(Self {
            registry: groups::all(deps).await?,
            permissions: permissions.into_iter().map(|group| group.id).collect(),
        })
    }
}

/// Whom to put, and the permission groups that are to be made then.
struct Put {
    request: EnrolRequest,
    permissions: Vec<String>,
}

/// One user object, or `user_info_list` with several. A single one that fails is an error.
async fn put_now(deps: &LocalDeps, mut call: Call, verb: Verb) -> Answer {
    let mut body = call.json().await?;
    let is_single =
        body.get("user_info_list").is_none_or(|list| !list.is_array() && lenient::is_absent(list));
    if !is_single && said(&body, "identity_id").is_some() {
        return Err(wrong("`identity_id` or `user_info_list`, not both"));
    }
    let users = if is_single {
        vec![Value::Object(body)]
    } else {
        let users = list_of(&mut body, "user_info_list", limits::LOCAL_USERS_MAX)?;
        with_switches(&body, users)
    };
    call.note(match &users[..] {
        [user] => {
            user.get("identity_id").and_then(lenient::id_of).map_or_else(String::new, |id| log_name(&id))
        }
        _ => format!("{} people", users.len()),
    });
    let groups = Groups::read(deps).await?;
    let (mut success, mut failed, mut puts) = (Vec::new(), Vec::new(), Vec::new());
    for user in users {
        match make(deps, &groups, user, verb).await {
            Ok(put) => puts.push(put),
            Err(UnusableUser { id, name, refusal, .. }) if !is_single => {
                failed.push(entry(deps, &id, &name, &Err(refusal)));
            }
            Err(unusable) => return Err(unusable.refusal),
        }
    }
    enrol(deps, puts, is_single, (&mut success, &mut failed)).await?;
    let mut answer = match &success[..] {
        [one] if is_single => {
            let id = one["userid"].as_str().unwrap_or_default();
            let person = find(deps, id).await?.ok_or_else(|| unknown(id))?;
            put_answer(deps, &person, verb).await?
        }
        _ => json!({}),
    };
    note_parts(&call, success.iter().chain(&failed));
    answer["success_users"] = success.into();
    answer["failed_users"] = failed.into();
    Ok(answer)
}

/// The people of a call one by one, for the audit log.
fn note_parts<'a>(call: &Call, entries: impl Iterator<Item = &'a Value>) {
    for entry in entries {
        call.part(entry["code"].as_i64().unwrap_or_default());
    }
}

/// A name or a type beside `info` would be left out in silence.
fn check_places(user: &Map<String, Value>) -> Result<(), ProtocolError> {
    let info = user.get("info").and_then(Value::as_object);
    let is_in_info = |key: &str| info.is_some_and(|info| said(info, key).is_some());
    match ["name", "type"].into_iter().find(|key| said(user, key).is_some() && !is_in_info(key)) {
        None => Ok(()),
        Some(key) => Err(wrong(format!(
            "`{key}` belongs into `info`: {{\"info\":{{\"{key}\":…}}}}, that is `info.{key}`"
        ))),
    }
}

/// As published: of a new person with the photo and the groups in one text, of one that was changed with the photo's id.
async fn put_answer(deps: &LocalDeps, person: &Person, verb: Verb) -> Answer {
    let mut answer = json!({ "identity_id": person.id, "info": published_info(person) });
    match verb {
        Verb::Add => {
            let mut budget = PhotoBudget::take(deps).await;
            answer["reg_photo"] = budget.photo(deps, person).await?.into();
            answer["group_name"] = person.registry_groups.join(",").into();
        }
        Verb::Update => {
            answer["image_id"] = image_id_of(person).into();
            answer["group_name"] = json!(person.registry_groups);
        }
    }
    Ok(answer)
}

/// Enrols, and fills the lists of those who are and are not; then makes the permission groups of those who are.
async fn enrol(
    deps: &LocalDeps,
    puts: Vec<Put>,
    is_single: bool,
    (success, failed): (&mut Vec<Value>, &mut Vec<Value>),
) -> Result<(), ProtocolError> {
    if puts.is_empty() {
        return Ok(());
    }
    let (requests, permissions): (Vec<_>, Vec<_>) =
        puts.into_iter().map(|put| (put.request, put.permissions)).unzip();
    let requests = Arc::new(requests);
    let mut made: Vec<PermissionGroup> = Vec::new();
    let outcomes = ask(deps.registry.send(EnrolPeople { requests })).await?;
    for (outcome, permissions) in outcomes.into_iter().zip(permissions) {
        let looks_like = outcome.result.as_ref().ok().and_then(|enrolled| enrolled.looks_like.clone());
        let result = outcome.result.map(|_| ()).map_err(as_local);
        if let (true, Err(refusal)) = (is_single, &result) {
            return Err(refusal.clone());
        }
        let list = if result.is_ok() {
            made.extend(permissions.into_iter().map(PermissionGroup::undescribed));
            &mut *success
        } else {
            &mut *failed
        };
        let mut entry = entry(deps, &outcome.id, &outcome.name, &result);
        if let Some(other) = looks_like {
            entry["message"] = success_with_lookalike(&other, deps.language).into();
            entry["looks_like"] = other.into();
        }
        list.push(entry);
    }
    if !made.is_empty() {
        let edit = EditPermissions::new(GroupEdit::Merge(made));
        ask(deps.registry.send(edit)).await?.map_err(as_local)?;
    }
    Ok(())
}

fn entry(deps: &LocalDeps, id: &str, name: &str, result: &Result<(), ProtocolError>) -> Value {
    let (code, message) = match result {
        Ok(()) => (StatusCode::Success.code(), StatusCode::Success.text(deps.language).to_owned()),
        Err(refusal) => (refusal.code.code(), refusal.message(deps.language)),
    };
    json!({ "userid": id, "username": name, "message": message, "code": code })
}

async fn make(deps: &LocalDeps, groups: &Groups, mut user: Value, verb: Verb) -> Result<Put, UnusableUser> {
    let nothing = Map::new();
    let fields = user.as_object().unwrap_or(&nothing);
    let id = text_of(fields, &["identity_id"]).map_err(|refusal| UnusableUser::nameless("", refusal))?;
    let unusable = |refusal| UnusableUser::nameless(&id, refusal);
    check_places(fields).map_err(unusable)?;
    let switches = Switches::read(fields).map_err(unusable)?;
    let joins = match (&switches.groups, verb) {
        (Some(names), _) => {
            let named = names.iter().map(|name| groups::named(&groups.registry, name));
            named.collect::<Result<Vec<_>, _>>().map_err(unusable)?
        }
        (None, Verb::Add) => vec![DEFAULT_REGISTRY_GROUP.to_owned()],
        (None, Verb::Update) => Vec::new(),
    };
    if let Some(fields) = user.as_object_mut() {
        without_answered(fields);
    }
    let old = find(deps, &id).await.map_err(unusable)?;
    match (verb, &old) {
        (Verb::Add, Some(_)) if !switches.ignore_exist => {
            let detail = "PUT changes a person who is there, and so does POST with ignore_exist";
            return Err(unusable(ProtocolError::new(StatusCode::IdentityExists, detail)));
        }
        (Verb::Update, None) => {
            return Err(unusable(ProtocolError::new(StatusCode::IdNotFound, "POST adds a person")));
        }
        _ => {}
    }
    let session = deps.session.load_full();
    let mut request = EnrolRequest::from_wire(user, id.clone(), old.as_ref(), session.as_deref())
        .map_err(|unusable| UnusableUser { refusal: as_local(unusable.refusal), ..unusable })?;
    request.joins = joins;
    let is_new = |id: &&String| switches.creates_permissions && !groups.permissions.contains(*id);
    let permissions = request.permission_ids.iter().filter(is_new).cloned().collect();
    Ok(Put { request, permissions })
}

pub async fn delete(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = delete_now(&deps, call).await;
    deps.respond(answer)
}

/// Lists of ids: ours, and that of a later published generation.
const LISTS: [&str; 2] = ["userid_list", "identity_ids"];

/// `identity_id` in the query or the body, or a list of ids in the body.
async fn delete_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let in_query = call.text("identity_id").map(str::to_owned);
    let mut body = call.json_opt().await?;
    refuse_group(&call, &body)?;
    let is_said =
        |key: &&&str| body.get(**key).is_some_and(|list| list.is_array() || !lenient::is_absent(list));
    let lists: Vec<&str> = LISTS.iter().filter(is_said).copied().collect();
    let has_one = in_query.is_some() || said(&body, "identity_id").is_some();
    let (ids, is_single) = match (&lists[..], has_one) {
        ([], _) => (vec![in_query.map_or_else(|| text_of(&body, &["identity_id"]), Ok)?], true),
        ([key], false) => {
            let ids = list_of(&mut body, key, limits::LOCAL_PAGE_MAX)?;
            let ids = lenient::texts(Value::Array(ids)).map_err(|error| wrong(format!("{key}: {error}")))?;
            (ids, false)
        }
        _ => return Err(wrong("`identity_id`, `identity_ids` or `userid_list`, and only one of them")),
    };
    call.note(match &ids[..] {
        [id] => log_name(id),
        _ => format!("{} people", ids.len()),
    });
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    let outcomes = if wants_erasure(&call, &body)? {
        erase(deps, &call, ids).await?
    } else {
        let outcomes = ask(deps.registry.send(DeletePeople { ids })).await?;
        outcomes
            .into_iter()
            .map(|one| Gone { id: one.id, groups: one.groups, result: one.result.map(|()| Value::Null) })
            .collect()
    };
    for Gone { id, groups, result } in outcomes {
        match result {
            Ok(receipt) => {
                let mut entry = entry(deps, &id, "", &Ok(()));
                if !receipt.is_null() {
                    entry["erased"] = receipt;
                }
                deleted.push((id, groups, entry));
            }
            Err(refusal) if is_single => return Err(refusal),
            Err(refusal) => failed.push(entry(deps, &id, "", &Err(refusal))),
        }
    }
    note_parts(&call, deleted.iter().map(|(.., entry)| entry).chain(&failed));
    let mut answer = json!({ "message": StatusCode::Success.text(deps.language) });
    match &deleted[..] {
        [(id, groups, _)] if is_single => {
            answer["identity_id"] = id.as_str().into();
            answer["group_name"] = json!(groups);
        }
        _ => answer["identity_ids"] = deleted.iter().map(|(id, ..)| id.as_str()).collect(),
    }
    answer["success_users"] = deleted.into_iter().map(|(.., entry)| entry).collect();
    answer["failed_users"] = failed.into();
    Ok(answer)
}

/// What became of one person, with the receipt of an erasure.
struct Gone {
    id: String,
    groups: Vec<String>,
    result: Result<Value, ProtocolError>,
}

/// Taking people out of a group is another call; who names a group here might mean that.
fn refuse_group(call: &Call, body: &Map<String, Value>) -> Result<(), ProtocolError> {
    let named = call.text("group_name").or(said(body, "group_name").and_then(Value::as_str));
    match named {
        None | Some(DEFAULT_REGISTRY_GROUP) => Ok(()),
        Some(_) => Err(ProtocolError::new(
            StatusCode::GroupNameError,
            "people are deleted whole; DELETE GroupUsers takes them out of a group",
        )),
    }
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

/// With everything that is kept of them.
async fn erase(deps: &LocalDeps, call: &Call, ids: Vec<String>) -> Result<Vec<Gone>, ProtocolError> {
    let asked_by = call.asked_by();
    let mut groups = std::collections::HashMap::new();
    for id in &ids {
        groups.extend(find(deps, id).await?.map(|person| (person.id, person.registry_groups)));
    }
    let outcomes = ask(async { Ok(deps.eraser.erase(ids, &asked_by).await) }).await?;
    let gone = outcomes.into_iter().map(|outcome| Gone {
        groups: groups.remove(&outcome.id).unwrap_or_default(),
        id: outcome.id,
        result: outcome.result.map(|receipt| json!(receipt)),
    });
    Ok(gone.collect())
}
