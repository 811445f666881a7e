//! Registry groups: the list, and who is in which.

use std::collections::{BTreeMap, BTreeSet};

use super::deps::{RegistryDeps, report_size};
use super::forget;
use super::message::{ChangeMembers, EditGroups, EditedRegistryGroups, Members};
use super::request::TooLong;
use crate::actors::blocking::store_refusal;
use crate::ports::store::{Namespace, NewPicture, Owner, StoreError};
use crate::telemetry::log_line::log_name;
use menshen_domain::limits;
use menshen_domain::person::Person;
use menshen_domain::registry_groups::{
    RegistryGroup, RegistryGroupEdit, RegistryGroupFault, edited, find, with_used,
};
use menshen_domain::status::{ProtocolError, StatusCode};

/// All groups, those in use that nobody has described included.
pub fn list(deps: &RegistryDeps) -> Result<Vec<RegistryGroup>, StoreError> {
    let used = deps.recogniser.get().read().registry_groups();
    Ok(with_used(deps.store.registry_groups()?, used))
}

/// Blocks on the disk; called by one change at a time.
pub fn edit(deps: &RegistryDeps, message: EditGroups) -> Result<EditedRegistryGroups, ProtocolError> {
    let failed = |error: StoreError| store_refusal(&error);
    let EditGroups { edit, delete_people } = message;
    let is_removal = matches!(edit, RegistryGroupEdit::Remove { .. });
    let (groups, group) = edited(list(deps).map_err(failed)?, edit).map_err(|fault| refusal(&fault))?;
    TooLong::check_group(&group)
        .map_err(|error| ProtocolError::new(StatusCode::ParamError, error.to_string()))?;
    let people_deleted = if is_removal {
        // Before the list: after a crash the call is repeated, and finds the group still there.
        leave_all(deps, &group.name, delete_people).map_err(failed)?
    } else {
        0
    };
    deps.store.set_registry_groups(&groups).map_err(failed)?;
    Ok(EditedRegistryGroups { group, people_deleted })
}

/// Everyone leaves the group; with `delete_people`, those who are in no other are deleted. Returns how many.
fn leave_all(deps: &RegistryDeps, group: &str, delete_people: bool) -> Result<u64, StoreError> {
    let (mut gone, mut kept) = (Vec::new(), Vec::new());
    deps.store.for_each(&mut |person: Person| {
        if person.registry_groups.iter().any(|known| known == group) {
            let is_only = person.registry_groups.iter().all(|known| known == group);
            if is_only && delete_people { gone.push(person.id) } else { kept.push(person.id) }
        }
    })?;
    for ids in kept.chunks(limits::REBUILD_CHUNK) {
        let _committing = deps.committing();
        let mut people = Vec::with_capacity(ids.len());
        for id in ids {
            people.extend(deps.store.get(id)?);
        }
        for person in &mut people {
            person.registry_groups.retain(|known| known != group);
        }
        store(deps, &people)?;
    }
    let mut count = 0;
    for ids in gone.chunks(limits::REBUILD_CHUNK) {
        count += forget::delete(deps, ids)?.len() as u64;
    }
    report_size(&deps.recogniser);
    Ok(count)
}

/// Rows, then the gallery; called with the commit lock held.
pub fn store(deps: &RegistryDeps, people: &[Person]) -> Result<(), StoreError> {
    deps.store.put(people)?;
    let recogniser = deps.recogniser.get();
    let mut gallery = recogniser.write();
    for person in people {
        if let Err(error) = gallery.put(person) {
            tracing::error!(person = log_name(&person.id), %error, "a person cannot be searched for before a restart");
        }
    }
    Ok(())
}

/// Blocks on the disk; called by one change at a time.
pub fn change_members(deps: &RegistryDeps, message: ChangeMembers) -> Result<Members, ProtocolError> {
    let failed = |error: StoreError| store_refusal(&error);
    let ChangeMembers { group, ids, join, with_ids } = message;
    let groups = list(deps).map_err(failed)?;
    let name = find(&groups, &group).map_err(|fault| refusal(&fault))?.name.clone();
    let ids: BTreeSet<String> = ids.into_iter().collect();
    {
        let _committing = deps.committing();
        let mut people = Vec::new();
        for id in &ids {
            match deps.store.get(id).map_err(failed)? {
                Some(person) => people.push(person),
                None if join => {
                    return Err(ProtocolError::new(
                        StatusCode::IdNotFound,
                        format!("{id}; nothing was changed"),
                    ));
                }
                None => {}
            }
        }
        people.retain(|person| person.registry_groups.contains(&name) != join);
        let now_ms = deps.clock.wall_ms();
        for person in &mut people {
            person.registry_groups.retain(|known| *known != name);
            if join {
                person.registry_groups.push(name.clone());
            }
            person.updated_at_ms = now_ms;
        }
        write_photos(deps, &people).and_then(|()| store(deps, &people)).map_err(failed)?;
    }
    let mut members = Vec::new();
    if with_ids {
        let is_in = |person: &Person| person.registry_groups.contains(&name);
        deps.store
            .for_each(&mut |person| members.extend(is_in(&person).then_some(person.id)))
            .map_err(failed)?;
        members.sort_unstable();
    }
    Ok(Members { group: name, ids: members })
}

/// The photos hold the facts of their person too: a registry that is rebuilt from them must not let in who was taken out.
fn write_photos(deps: &RegistryDeps, people: &[Person]) -> Result<(), StoreError> {
    for person in people {
        let photos = stored_photos(deps, person, &BTreeMap::new())?;
        let pictures: Vec<_> = photos
            .iter()
            .map(|(name, bytes)| NewPicture { name, bytes, owner: Owner::Person(person) })
            .collect();
        deps.pictures.put(&pictures)?;
    }
    Ok(())
}

/// The photos of a person by name: `new` ones, and the others as they are stored. One that is not there is left out.
pub fn stored_photos(
    deps: &RegistryDeps,
    person: &Person,
    new: &BTreeMap<String, bytes::Bytes>,
) -> Result<BTreeMap<String, bytes::Bytes>, StoreError> {
    let names: BTreeSet<&String> = person.features.iter().map(|feature| &feature.photo).collect();
    let mut photos = BTreeMap::new();
    for name in names {
        let bytes = match new.get(name) {
            Some(bytes) => Some(bytes.clone()),
            None => deps.pictures.get(Namespace::Registry, name)?.map(Into::into),
        };
        photos.extend(bytes.map(|bytes| (name.clone(), bytes)));
    }
    Ok(photos)
}

/// In the protocol's words.
pub fn refusal(fault: &RegistryGroupFault) -> ProtocolError {
    let code = match fault {
        RegistryGroupFault::Unknown(_) => StatusCode::LocalNotFound,
        RegistryGroupFault::TooMany => StatusCode::ParamError,
        RegistryGroupFault::EmptyName
        | RegistryGroupFault::Comma(_)
        | RegistryGroupFault::NameTaken(_)
        | RegistryGroupFault::Default => StatusCode::GroupNameError,
    };
    ProtocolError::new(code, fault.to_string())
}
