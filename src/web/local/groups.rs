//! Registry groups by name, and who is in them.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Answer, as_local, ask, wrong};
use super::body::{Call, said, text_of};
use super::permissions::lookup;
use super::person_body::switch;
use super::state::LocalDeps;
use crate::actors::registry::message::{ChangeMembers, EditGroups, EditedRegistryGroups, ListGroups};
use menshen_domain::limits;
use menshen_domain::registry_groups::{RegistryGroup, RegistryGroupEdit, find};
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::lenient;

const NAME: &str = "group_name";

/// All groups, the default one first.
pub async fn all(deps: &LocalDeps) -> Result<Vec<RegistryGroup>, ProtocolError> {
    ask(deps.registry.send(ListGroups)).await?
}

/// The name of the group that a call about people names.
pub fn named(groups: &[RegistryGroup], key: &str) -> Result<String, ProtocolError> {
    let fault = |fault: menshen_domain::registry_groups::RegistryGroupFault| {
        ProtocolError::new(StatusCode::GroupNameError, fault.to_string())
    };
    find(groups, key).map(|group| group.name.clone()).map_err(fault)
}

async fn edit(
    deps: &LocalDeps,
    edit: RegistryGroupEdit,
    delete_people: bool,
) -> Result<EditedRegistryGroups, ProtocolError> {
    ask(deps.registry.send(EditGroups { edit, delete_people })).await?.map_err(as_local)
}

/// A group with the published keys; whatever else was said of it is beside them.
fn published(group: &RegistryGroup) -> Value {
    let mut shown = group.info.clone();
    shown.insert("name".to_owned(), group.name.clone().into());
    shown.insert("description".to_owned(), group.description.clone().into());
    shown.insert("id".to_owned(), group.id.clone().into());
    Value::Object(shown)
}

/// `group_name`, which must be there; an empty one is a wrong name.
fn name_of(body: &Map<String, Value>) -> Result<String, ProtocolError> {
    match body.get(NAME) {
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(ProtocolError::new(StatusCode::GroupNameError, "the name of a group must not be empty"))
        }
        _ => text_of(body, &[NAME]),
    }
}

fn description_of(body: &Map<String, Value>) -> Result<String, ProtocolError> {
    match said(body, "description") {
        None => Ok(String::new()),
        Some(_) => text_of(body, &["description"]),
    }
}

/// What else is said of a group, without what has fields of its own.
fn info_of(body: &Map<String, Value>) -> Result<Option<Map<String, Value>>, ProtocolError> {
    match said(body, "info") {
        None => Ok(None),
        Some(Value::Object(info)) => {
            let mut info = info.clone();
            info.retain(|key, _| !matches!(key.as_str(), "id" | "name" | "description"));
            Ok(Some(info))
        }
        Some(other) => Err(wrong(format!("`info` must be an object, got {}", lenient::kind_of(other)))),
    }
}

/// All groups, that of a name, or a page of them.
pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = list_now(&deps, &call).await;
    deps.respond(answer)
}

async fn list_now(deps: &LocalDeps, call: &Call) -> Answer {
    let mut groups = all(deps).await?;
    if let Some(key) = call.text(NAME) {
        let found = find(&groups, key).map_err(|fault| not_found(&fault.to_string()))?.clone();
        groups = vec![found];
    }
    let total = groups.len();
    // Who asks for no page gets them all, as the generation before pages did.
    let is_paged = call.text("limit").is_some() || call.text("skip_num").is_some();
    let skip = call.number("skip_num", 0, limits::GROUPS_MAX as u64)? as usize;
    let limit =
        if is_paged { call.number("limit", 10, limits::LOCAL_PAGE_MAX as u64)? as usize } else { total };
    let entry = |group: &RegistryGroup| {
        let mut shown = published(group);
        shown["group_id"] = group.id.clone().into();
        shown["groupname"] = group.name.clone().into();
        shown
    };
    let page: Vec<Value> = groups.iter().skip(skip).take(limit).map(entry).collect();
    let pages = if limit == 0 { 0 } else { total.div_ceil(limit) };
    let pagination = json!({ "skip_num": skip, "limit": limit, "num_pages": pages, "total_count": total });
    Ok(json!({ "groups_list": page, "pagination": pagination }))
}

fn not_found(detail: &str) -> ProtocolError {
    ProtocolError::new(StatusCode::LocalNotFound, detail)
}

/// A new group, with an id of the box's own.
pub async fn add(deps: Data<LocalDeps>, mut call: Call) -> HttpResponse {
    let answer = async {
        let body = call.json().await?;
        let (name, description) = (name_of(&body)?, description_of(&body)?);
        call.note(name.clone());
        let id = Uuid::now_v7().to_string();
        let info = info_of(&body)?.unwrap_or_default();
        let group = RegistryGroup { id, name, description, info };
        let edited = edit(&deps, RegistryGroupEdit::Create(group), false).await?;
        Ok(json!({ "info": published(&edited.group) }))
    }
    .await;
    deps.respond(answer)
}

/// New texts for one group.
pub async fn change(deps: Data<LocalDeps>, mut call: Call) -> HttpResponse {
    let answer = async {
        let body = call.json().await?;
        let (key, description, info) = (name_of(&body)?, description_of(&body)?, info_of(&body)?);
        call.note(key.clone());
        let edited = edit(&deps, RegistryGroupEdit::Describe { key, description, info }, false).await?;
        Ok(json!({ "info": published(&edited.group) }))
    }
    .await;
    deps.respond(answer)
}

/// Removes one group. Devices that compare with it recognise nobody from then on, which is said and logged.
pub async fn remove(deps: Data<LocalDeps>, mut call: Call) -> HttpResponse {
    let answer = async {
        let body = call.json().await?;
        let key = name_of(&body)?;
        call.note(key.clone());
        let delete_people = switch(&body, "user_recursive_delete")?.unwrap_or(false);
        let EditedRegistryGroups { group, people_deleted } =
            edit(&deps, RegistryGroupEdit::Remove { key }, delete_people).await?;
        let devices = deps.device_list.all();
        let devices: Vec<&str> = devices
            .iter()
            .filter(|device| device.registry_group == group.name)
            .map(|device| device.ip.as_str())
            .collect();
        for device in &devices {
            tracing::warn!(
                device,
                "its registry group was deleted, so it recognises nobody; give it another registry_group"
            );
        }
        Ok(json!({
            NAME: group.name,
            "message": StatusCode::Success.text(deps.language),
            "people_deleted": people_deleted,
            "devices": devices,
        }))
    }
    .await;
    deps.respond(answer)
}

/// Puts people into a group.
pub async fn join(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change_members(&deps, call, true).await;
    deps.respond(answer)
}

/// Takes people out of a group; they stay in the registry.
pub async fn leave(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = change_members(&deps, call, false).await;
    deps.respond(answer)
}

async fn change_members(deps: &LocalDeps, mut call: Call, join: bool) -> Answer {
    let body = call.json().await?;
    let key = name_of(&body)?;
    let ids = said(&body, "identity_id").ok_or_else(|| wrong("`identity_id` is missing: a list of ids"))?;
    let ids = lenient::texts(ids.clone()).map_err(|error| wrong(format!("identity_id: {error}")))?;
    if ids.is_empty() || ids.len() > limits::LOCAL_PAGE_MAX {
        let max = limits::LOCAL_PAGE_MAX;
        return Err(wrong(format!("`identity_id` holds {} ids, 1 to {max} are taken at once", ids.len())));
    }
    let with_ids = switch(&body, "with_identity_id")?.unwrap_or(false);
    call.note(format!("{} people, {key}", ids.len()));
    let group = named(&all(deps).await?, &key)?;
    let members =
        ask(deps.registry.send(ChangeMembers { group, ids, join, with_ids })).await?.map_err(as_local)?;
    let mut shown = json!({ NAME: members.group, "message": StatusCode::Success.text(deps.language) });
    if with_ids {
        shown["identity_id"] = members.ids.into();
    }
    Ok(shown)
}

/// Ids by name, as the vendor's tools look them up.
pub async fn find_by_name(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = all(&deps).await.map(|groups| {
        lookup(&call, groups.iter().map(|group| (group.id.as_str(), group.name.as_str(), published(group))))
    });
    deps.respond(answer)
}
