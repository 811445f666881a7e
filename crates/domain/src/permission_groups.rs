//! The list of permission groups, and what may be done to it.
//!
//! A platform speaks of groups by their ids; tools of the local API by their names. Both change the same list.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::person::{DEFAULT_PERMISSION_GROUP, PermissionGroup};

/// A change of the list.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupEdit {
    /// Adds the groups, or renames those whose ids are known; the others stay.
    Merge(Vec<PermissionGroup>),
    /// These and no others.
    Replace(Vec<PermissionGroup>),
    /// A new group; its name must be new.
    Create(PermissionGroup),
    /// New texts for one that is there, by its name or id.
    Describe {
        /// Name or id.
        key: String,
        /// The new description.
        description: String,
        /// Kept as it is without.
        info: Option<Map<String, Value>>,
    },
    /// Removes one, by its name or id.
    Remove {
        /// Name or id.
        key: String,
    },
}

/// Why the list stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupFault {
    /// A group without a name.
    #[error("the name of a group must not be empty")]
    EmptyName,
    /// Lists of names are written with commas.
    #[error("the name of a group must not contain a comma, got `{0}`")]
    Comma(String),
    /// There is a group of that name.
    #[error("there is a permission group `{0}` already")]
    NameTaken(String),
    /// Neither a name nor an id.
    #[error("no permission group `{0}`")]
    Unknown(String),
    /// Names of a platform need not differ.
    #[error("permission groups {} are both called `{name}`; give the id", ids.join(" and "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Ids of the groups that have it.
        ids: Vec<String>,
    },
    /// Everyone without a group is in it.
    #[error("group `{DEFAULT_PERMISSION_GROUP}` cannot be deleted: whoever was given no group is in it")]
    Default,
}

/// The group of that name, or else of that id.
///
/// # Errors
/// When there is none, or several have that name.
pub fn find<'a>(groups: &'a [PermissionGroup], key: &str) -> Result<&'a PermissionGroup, GroupFault> {
    let named: Vec<_> = groups.iter().filter(|group| group.name == key).collect();
    match named.as_slice() {
        [one] => Ok(one),
        [] => groups.iter().find(|group| group.id == key).ok_or_else(|| GroupFault::Unknown(key.to_owned())),
        several => Err(GroupFault::Ambiguous {
            name: key.to_owned(),
            ids: several.iter().map(|group| group.id.clone()).collect(),
        }),
    }
}

/// The list with those groups added that people are in and nobody has described: their id is their name.
pub fn with_used(
    mut groups: Vec<PermissionGroup>,
    used: impl IntoIterator<Item = String>,
) -> Vec<PermissionGroup> {
    let known: BTreeSet<String> = groups.iter().map(|group| group.id.clone()).collect();
    let more: BTreeSet<String> = used.into_iter().filter(|id| !known.contains(id)).collect();
    groups.extend(more.into_iter().map(PermissionGroup::undescribed));
    groups
}

/// The list after a change, and the group that was created, described or removed. `used` are the ids people have.
///
/// # Errors
/// Why it cannot be made.
pub fn edited(
    mut groups: Vec<PermissionGroup>,
    used: &BTreeSet<String>,
    edit: GroupEdit,
) -> Result<(Vec<PermissionGroup>, Option<PermissionGroup>), GroupFault> {
    match edit {
        GroupEdit::Replace(new) => Ok((merged(Vec::new(), new), None)),
        GroupEdit::Merge(new) => Ok((merged(groups, new), None)),
        GroupEdit::Create(new) => {
            check_name(&new.name)?;
            let all = with_used(groups.clone(), used.iter().cloned());
            if all.iter().any(|group| group.name == new.name || group.id == new.name) {
                return Err(GroupFault::NameTaken(new.name));
            }
            groups.push(new.clone());
            Ok((groups, Some(new)))
        }
        GroupEdit::Describe { key, description, info } => {
            let all = with_used(groups.clone(), used.iter().cloned());
            let mut group = find(&all, &key)?.clone();
            group.description = description;
            group.info = info.unwrap_or(group.info);
            Ok((merged(groups, vec![group.clone()]), Some(group)))
        }
        GroupEdit::Remove { key } => {
            let all = with_used(groups.clone(), used.iter().cloned());
            let group = find(&all, &key)?.clone();
            if group.id == DEFAULT_PERMISSION_GROUP {
                return Err(GroupFault::Default);
            }
            groups.retain(|known| known.id != group.id);
            Ok((groups, Some(group)))
        }
    }
}

/// Each id once; the later entry counts, at the place of the earlier.
fn merged(mut groups: Vec<PermissionGroup>, new: Vec<PermissionGroup>) -> Vec<PermissionGroup> {
    // A list of a hundred thousand must be refused in no time, not compared with itself.
    let mut places = HashMap::new();
    for (place, known) in groups.iter().enumerate() {
        places.entry(known.id.clone()).or_insert(place);
    }
    for group in new {
        match places.entry(group.id.clone()) {
            Entry::Occupied(known) => groups[*known.get()] = group,
            Entry::Vacant(free) => {
                free.insert(groups.len());
                groups.push(group);
            }
        }
    }
    groups
}

fn check_name(name: &str) -> Result<(), GroupFault> {
    if name.trim().is_empty() {
        Err(GroupFault::EmptyName)
    } else if name.contains(',') {
        Err(GroupFault::Comma(name.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str, name: &str) -> PermissionGroup {
        PermissionGroup { name: name.to_owned(), ..PermissionGroup::undescribed(id.to_owned()) }
    }

    fn names(groups: &[PermissionGroup]) -> Vec<(&str, &str)> {
        groups.iter().map(|group| (group.id.as_str(), group.name.as_str())).collect()
    }

    fn edit(groups: &[PermissionGroup], edit: GroupEdit) -> Result<Vec<PermissionGroup>, GroupFault> {
        let used = BTreeSet::from(["0".to_owned(), "9".to_owned()]);
        edited(groups.to_vec(), &used, edit).map(|(groups, _)| groups)
    }

    #[test]
    fn a_group_more_does_not_make_the_box_forget_the_rest() {
        let known = [group("1", "研发部"), group("2", "门卫")];
        let merged = edit(&known, GroupEdit::Merge(vec![group("2", "保安"), group("3", "访客")])).unwrap();
        assert_eq!(names(&merged), [("1", "研发部"), ("2", "保安"), ("3", "访客")]);
        assert_eq!(edit(&known, GroupEdit::Merge(Vec::new())).unwrap(), known);
        let replaced = edit(&known, GroupEdit::Replace(vec![group("3", "a"), group("3", "b")])).unwrap();
        assert_eq!(names(&replaced), [("3", "b")]);
    }

    #[test]
    fn a_list_that_nobody_can_have_meant_is_merged() {
        let many = (0..300_000).map(|n: u32| group(&n.to_string(), "x")).collect();
        assert_eq!(edit(&[], GroupEdit::Replace(many)).unwrap().len(), 300_000);
    }

    #[test]
    fn names_are_new_plain_and_found_before_ids() {
        let known = [group("1", "lab"), group("2", "1"), group("3", "twice"), group("4", "twice")];
        assert_eq!(find(&known, "lab").unwrap().id, "1");
        assert_eq!(find(&known, "1").unwrap().id, "2", "a name comes before an id");
        assert_eq!(find(&known, "3").unwrap().id, "3");
        assert_eq!(find(&known, "none"), Err(GroupFault::Unknown("none".to_owned())));
        let error = find(&known, "twice").unwrap_err();
        assert_eq!(error.to_string(), "permission groups 3 and 4 are both called `twice`; give the id");
        for (name, expected) in [
            ("lab", GroupFault::NameTaken("lab".to_owned())),
            ("4", GroupFault::NameTaken("4".to_owned())),
            ("9", GroupFault::NameTaken("9".to_owned())),
            ("  ", GroupFault::EmptyName),
            ("a,b", GroupFault::Comma("a,b".to_owned())),
        ] {
            assert_eq!(edit(&known, GroupEdit::Create(group("new", name))).unwrap_err(), expected, "{name}");
        }
        assert_eq!(edit(&known, GroupEdit::Create(group("new", "新"))).unwrap().len(), 5);
    }

    #[test]
    fn one_group_is_described_or_removed_and_no_other() {
        let known = [group("1", "lab"), group("2", "hall")];
        let describe = |key: &str| GroupEdit::Describe {
            key: key.to_owned(),
            description: "new".to_owned(),
            info: None,
        };
        let described = edit(&known, describe("lab")).unwrap();
        assert_eq!((described[0].description.as_str(), described[1].description.as_str()), ("new", ""));
        assert_eq!(edit(&known, describe("none")), Err(GroupFault::Unknown("none".to_owned())));
        // In use and not described yet: it is now.
        assert_eq!(names(&edit(&known, describe("9")).unwrap())[2], ("9", "9"));
        let remove = |key: &str| GroupEdit::Remove { key: key.to_owned() };
        assert_eq!(names(&edit(&known, remove("hall")).unwrap()), [("1", "lab")]);
        assert_eq!(edit(&known, remove("0")), Err(GroupFault::Default));
        assert_eq!(edit(&known, remove("9")).unwrap(), known);
    }

    #[test]
    fn groups_people_are_in_are_listed_with_their_id_as_name() {
        let listed = with_used(vec![group("1", "lab")], ["1".to_owned(), "7".to_owned(), "0".to_owned()]);
        assert_eq!(names(&listed), [("1", "lab"), ("0", "0"), ("7", "7")]);
    }
}
