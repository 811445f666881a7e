//! Permission groups: by name, as the local API is published, and by id, as the platform's `sync_permissions` has them.
//!
//! A body with `permission_name` is the published one; one with `id` or `permissions_info_list` is ours. Answers have the
//! published keys and ours side by side.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::{Answer, as_local, ask, wrong};
use super::body::{Call, list_of, said, text_of};
use super::state::LocalDeps;
use crate::actors::registry::message::{EditPermissions, EditedGroups, ListPermissions};
use menshen_domain::limits;
use menshen_domain::permission_groups::{GroupEdit, find};
use menshen_domain::person::PermissionGroup;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::command::WirePermission;
use menshen_protocol::lenient;
use menshen_protocol::local::permission_of;

const NAME: &str = "permission_name";

async fn groups(deps: &LocalDeps) -> Result<Vec<PermissionGroup>, ProtocolError> {
    ask(deps.registry.send(ListPermissions)).await?
}

async fn edit(deps: &LocalDeps, edit: GroupEdit, delete_people: bool) -> Result<EditedGroups, ProtocolError> {
    ask(deps.registry.send(EditPermissions { edit, delete_people })).await?.map_err(as_local)
}

/// A group with the published keys; whatever else was said of it is beside them.
fn published(group: &PermissionGroup) -> Value {
    let mut shown = group.info.clone();
    shown.insert("name".to_owned(), group.name.clone().into());
    shown.insert("description".to_owned(), group.description.clone().into());
    shown.insert("id".to_owned(), group.id.clone().into());
    Value::Object(shown)
}

fn show(groups: &[PermissionGroup]) -> Value {
    let ours: Vec<_> = groups.iter().map(permission_of).collect();
    let list: Vec<_> = groups.iter().map(published).collect();
    json!({ "permissions_list": list, "total": ours.len(), "permissions_info_list": ours })
}

fn show_one(edited: &EditedGroups) -> Value {
    let mut shown = show(&edited.groups);
    if let Some(group) = &edited.group {
        shown["info"] = published(group);
    }
    shown
}

/// Whether the body names one group as published; both ways at once are refused.
fn is_published(body: &Map<String, Value>) -> Result<bool, ProtocolError> {
    let is_ours = ["id", "permissions_info_list"].iter().any(|key| said(body, key).is_some());
    match (body.contains_key(NAME), is_ours) {
        (true, true) => Err(wrong(format!("`{NAME}` or `id` and `permissions_info_list`, not both"))),
        (published, _) => Ok(published),
    }
}

/// The published body: name, description, whatever else.
struct Published {
    name: String,
    description: String,
    info: Option<Map<String, Value>>,
}

fn read_published(body: &Map<String, Value>) -> Result<Published, ProtocolError> {
    let name = text_of(body, &[NAME])?;
    let description = match said(body, "description") {
        None => String::new(),
        Some(_) => text_of(body, &["description"])?,
    };
    let info = match said(body, "info") {
        None => None,
        Some(Value::Object(info)) => Some(info.clone()),
        Some(other) => {
            return Err(wrong(format!("`info` must be an object, got {}", lenient::kind_of(other))));
        }
    };
    let info = info.map(|mut info| {
        info.retain(|key, _| !matches!(key.as_str(), "id" | "name" | "description"));
        info
    });
    Ok(Published { name, description, info })
}

/// `permissions_info_list`, or one group as the whole body; and whether it was the list.
fn groups_of(mut body: Map<String, Value>) -> Result<(Vec<PermissionGroup>, bool), ProtocolError> {
    let has_list =
        body.get("permissions_info_list").is_some_and(|list| list.is_array() || !lenient::is_absent(list));
    let raw = if has_list {
        list_of(&mut body, "permissions_info_list", limits::LOCAL_PAGE_MAX)?
    } else {
        vec![Value::Object(body)]
    };
    let groups: Result<_, _> = raw
        .into_iter()
        .map(|raw| {
            let group: WirePermission =
                lenient::object(raw).map_err(|error| wrong(format!("permissions_info_list: {error}")))?;
            if group.id.trim().is_empty() {
                return Err(wrong("permissions_info_list: `id` is empty"));
            }
            let (name, description) = (group.info.name, group.info.description);
            Ok(PermissionGroup { id: group.id, name, description, info: Map::new() })
        })
        .collect();
    Ok((groups?, has_list))
}

/// A group by its name or id, for the audit log.
fn about(key: &str) -> String {
    format!("group {key}")
}

fn about_all(groups: &[PermissionGroup]) -> String {
    match groups {
        [group] => about(&group.id),
        _ => format!("{} groups", groups.len()),
    }
}

/// All groups, or that of a name (or id).
pub async fn list(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = async {
        let groups = groups(&deps).await?;
        let Some(key) = call.text(NAME) else { return Ok(show(&groups)) };
        let found = find(&groups, key)
            .map_err(|fault| ProtocolError::new(StatusCode::LocalNotFound, fault.to_string()))?;
        Ok(show(std::slice::from_ref(found)))
    }
    .await;
    deps.respond(answer)
}

/// A new group by name, with an id of the box's own; or groups by id, added or renamed.
pub async fn add(deps: Data<LocalDeps>, mut call: Call) -> HttpResponse {
    let answer = async {
        let body = call.json().await?;
        let change = if is_published(&body)? {
            let Published { name, description, info } = read_published(&body)?;
            call.note(about(&name));
            let id = Uuid::now_v7().to_string();
            GroupEdit::Create(PermissionGroup { id, name, description, info: info.unwrap_or_default() })
        } else {
            let groups = groups_of(body)?.0;
            call.note(about_all(&groups));
            GroupEdit::Merge(groups)
        };
        Ok(show_one(&edit(&deps, change, false).await?))
    }
    .await;
    deps.respond(answer)
}

/// Describes one group, by name or as a bare `{id, info}`; only `permissions_info_list` replaces the whole list.
pub async fn change(deps: Data<LocalDeps>, mut call: Call) -> HttpResponse {
    let answer = async {
        let body = call.json().await?;
        let change = if is_published(&body)? {
            let Published { name: key, description, info } = read_published(&body)?;
            call.note(about(&key));
            GroupEdit::Describe { key, description, info }
        } else {
            let (groups, is_list) = groups_of(body)?;
            call.note(about_all(&groups));
            if is_list { GroupEdit::Replace(groups) } else { GroupEdit::Merge(groups) }
        };
        Ok(show_one(&edit(&deps, change, false).await?))
    }
    .await;
    deps.respond(answer)
}

/// Removes one group, by name in the body or by id in the query.
pub async fn remove(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = remove_now(&deps, call).await;
    deps.respond(answer)
}

async fn remove_now(deps: &LocalDeps, mut call: Call) -> Answer {
    let in_query = call.text("id").map(str::to_owned);
    let body = call.json_opt().await?;
    let (key, delete_people) = match (in_query, body.contains_key(NAME)) {
        (Some(_), true) => return Err(wrong(format!("`{NAME}` or `id`, not both"))),
        (Some(id), false) => (id, false),
        (None, true) => {
            let switch = said(&body, "user_recursive_delete").map(lenient::switch_of);
            let Some(delete_people) = switch.unwrap_or(Some(false)) else {
                return Err(wrong("`user_recursive_delete` must be true or false"));
            };
            (text_of(&body, &[NAME])?, delete_people)
        }
        (None, false) => return Err(wrong(format!("`{NAME}` is missing in the body"))),
    };
    call.note(if delete_people { format!("{} with its people", about(&key)) } else { about(&key) });
    let edited = edit(deps, GroupEdit::Remove { key: key.clone() }, delete_people).await?;
    let mut shown = show(&edited.groups);
    shown[NAME] = edited.group.map_or(key, |group| group.name).into();
    shown["message"] = StatusCode::Success.text(deps.language).into();
    shown["people_deleted"] = edited.people_deleted.into();
    Ok(shown)
}

/// Ids by name, as the vendor's tools look them up.
pub async fn find_by_name(deps: Data<LocalDeps>, call: Call) -> HttpResponse {
    let answer = groups(&deps).await.map(|groups| {
        lookup(&call, groups.iter().map(|group| (group.id.as_str(), group.name.as_str(), published(group))))
    });
    deps.respond(answer)
}

/// A list of `_id` and `info` of the groups (id, name, as published) that the query's `info.name` names: all without it, a part of
/// the name without `exact`.
pub fn lookup<'a>(call: &Call, groups: impl Iterator<Item = (&'a str, &'a str, Value)>) -> Value {
    let is_exact = call.text("exact").is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1");
    let is_wanted = |name: &str| match call.text("info.name") {
        None => true,
        Some(wanted) if is_exact => name == wanted,
        Some(wanted) => name.contains(wanted),
    };
    let entry = |(id, _, mut info): (&str, &str, Value)| {
        if let Some(info) = info.as_object_mut() {
            info.remove("id");
        }
        json!({ "_id": id, "info": info })
    };
    groups.filter(|(_, name, _)| is_wanted(name)).map(entry).collect()
}
