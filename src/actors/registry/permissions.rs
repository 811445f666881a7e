//! Changing the list of permission groups, and the people in a group that is removed.

use std::collections::BTreeSet;

use super::deps::{RegistryDeps, report_size};
use super::message::{EditPermissions, EditedGroups};
use super::request::TooLong;
use super::{forget, groups};
use crate::actors::blocking::store_refusal;
use crate::ports::store::StoreError;
use menshen_domain::limits;
use menshen_domain::permission_groups::{GroupEdit, GroupFault, edited, with_used};
use menshen_domain::person::{PermissionGroup, Person};
use menshen_domain::status::{ProtocolError, StatusCode};

/// All groups; one that people are in and nobody has described has its id as its name.
pub fn list(deps: &RegistryDeps) -> Result<Vec<PermissionGroup>, StoreError> {
    Ok(with_used(deps.store.permission_groups()?, used(deps)))
}

/// Ids that somebody has.
fn used(deps: &RegistryDeps) -> BTreeSet<String> {
    deps.recogniser.get().read().permission_groups()
}

/// Blocks on the disk; called by one change at a time.
pub fn edit(deps: &RegistryDeps, message: EditPermissions) -> Result<EditedGroups, ProtocolError> {
    let refused = |error: StoreError| store_refusal(&error);
    let EditPermissions { edit, delete_people } = message;
    let is_removal = matches!(edit, GroupEdit::Remove { .. });
    let known = deps.store.permission_groups().map_err(refused)?;
    let (groups, group) = edited(known, &used(deps), edit).map_err(|fault| refusal(&fault))?;
    TooLong::check_groups(&groups)
        .map_err(|error| ProtocolError::new(StatusCode::ParamError, error.to_string()))?;
    let people_deleted = match &group {
        // Before the list: after a crash the call is repeated, and finds the group still there.
        Some(group) if is_removal && delete_people => leave_group(deps, &group.id).map_err(refused)?,
        _ => 0,
    };
    deps.store.set_permission_groups(&groups).map_err(refused)?;
    Ok(EditedGroups { groups: with_used(groups, used(deps)), group, people_deleted })
}

/// Whoever is in no other group is deleted, the rest lose this one. Returns how many were deleted.
fn leave_group(deps: &RegistryDeps, id: &str) -> Result<u64, StoreError> {
    let committing = deps.committing();
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    deps.store.for_each(&mut |person: Person| {
        if !person.permission_ids.iter().any(|known| known == id) {
            return;
        }
        let others: Vec<String> =
            person.permission_ids.iter().filter(|known| *known != id).cloned().collect();
        if others.is_empty() { gone.push(person.id) } else { kept.push((person.id, others)) }
    })?;
    for chunk in kept.chunks(limits::REBUILD_CHUNK) {
        let mut people = Vec::with_capacity(chunk.len());
        for (id, others) in chunk {
            if let Some(person) = deps.store.get(id)? {
                people.push(Person { permission_ids: others.clone(), ..person });
            }
        }
        groups::store(deps, &people)?;
    }
    let mut count = 0;
    drop(committing);
    for chunk in gone.chunks(limits::REBUILD_CHUNK) {
        count += forget::delete(deps, chunk)?.len() as u64;
    }
    report_size(&deps.recogniser);
    Ok(count)
}

/// In the protocol's words.
fn refusal(fault: &GroupFault) -> ProtocolError {
    let code = match fault {
        GroupFault::NameTaken(_) => StatusCode::GroupNameError,
        GroupFault::Unknown(_) => StatusCode::LocalNotFound,
        GroupFault::EmptyName | GroupFault::Comma(_) | GroupFault::Ambiguous { .. } | GroupFault::Default => {
            StatusCode::LocalParamError
        }
    };
    ProtocolError::new(code, fault.to_string())
}
