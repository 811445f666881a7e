//! Registry groups: named sets of people. A device compares faces with one of them.
//!
//! A group's name is its key and never changes; its id is for tools that look ids up. Permission groups are something
//! else: whoever is recognised is in the device's registry group and in one of its permission groups.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::limits;

/// The group everyone is in who was put into no other. It is always there.
pub const DEFAULT_REGISTRY_GROUP: &str = "default_group";

/// A set of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryGroup {
    /// Made by the box; unique.
    pub id: String,
    /// Unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Whatever else was said of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub info: Map<String, Value>,
}

impl RegistryGroup {
    /// One of which nobody has said more than the name.
    pub fn undescribed(name: String) -> Self {
        Self { id: name.clone(), name, description: String::new(), info: Map::new() }
    }
}

/// A change of the list.
#[derive(Debug, Clone, PartialEq)]
pub enum RegistryGroupEdit {
    /// A new group; its name must be new.
    Create(RegistryGroup),
    /// New texts for one that is there.
    Describe {
        /// Name or id.
        key: String,
        /// The new description.
        description: String,
        /// Kept as it is without.
        info: Option<Map<String, Value>>,
    },
    /// Removes one; people in it stay, without it.
    Remove {
        /// Name or id.
        key: String,
    },
}

/// Why the groups stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryGroupFault {
    /// A group without a name.
    #[error("the name of a group must not be empty")]
    EmptyName,
    /// Lists of names are written with commas.
    #[error("the name of a group must not contain a comma, got `{0}`")]
    Comma(String),
    /// There is a group of that name or id.
    #[error("there is a group `{0}` already")]
    NameTaken(String),
    /// Neither a name nor an id.
    #[error("no group `{0}`")]
    Unknown(String),
    /// Everyone without a group is in it.
    #[error("group `{DEFAULT_REGISTRY_GROUP}` cannot be deleted: whoever was given no group is in it")]
    Default,
    /// More than a box keeps.
    #[error("a box has at most {} groups", limits::GROUPS_MAX)]
    TooMany,
}

/// The group of that id, or else of that name; no name is another group's id.
///
/// # Errors
/// [`RegistryGroupFault::Unknown`].
pub fn find<'a>(groups: &'a [RegistryGroup], key: &str) -> Result<&'a RegistryGroup, RegistryGroupFault> {
    position(groups, key).map(|at| &groups[at])
}

fn position(groups: &[RegistryGroup], key: &str) -> Result<usize, RegistryGroupFault> {
    let of_id = groups.iter().position(|group| group.id == key);
    let found = of_id.or_else(|| groups.iter().position(|group| group.name == key));
    found.ok_or_else(|| RegistryGroupFault::Unknown(key.to_owned()))
}

/// The list as it is shown: with [`DEFAULT_REGISTRY_GROUP`], first, and with groups that people are in and nobody has described.
pub fn with_used(
    described: Vec<RegistryGroup>,
    used: impl IntoIterator<Item = String>,
) -> Vec<RegistryGroup> {
    let (mut groups, others): (Vec<_>, Vec<_>) =
        described.into_iter().partition(|group| group.name == DEFAULT_REGISTRY_GROUP);
    if groups.is_empty() {
        groups.push(RegistryGroup::undescribed(DEFAULT_REGISTRY_GROUP.to_owned()));
    }
    groups.extend(others);
    let known: BTreeSet<String> = groups.iter().map(|group| group.name.clone()).collect();
    let more: BTreeSet<String> = used.into_iter().filter(|name| !known.contains(name)).collect();
    groups.extend(more.into_iter().map(RegistryGroup::undescribed));
    groups
}

/// The list after a change, and the group that was created, described or removed. `groups` is the list as it is shown.
///
/// # Errors
/// Why it cannot be made.
pub fn edited(
    mut groups: Vec<RegistryGroup>,
    edit: RegistryGroupEdit,
) -> Result<(Vec<RegistryGroup>, RegistryGroup), RegistryGroupFault> {
    match edit {
        RegistryGroupEdit::Create(new) => {
            check_name(&new.name)?;
            if groups.iter().any(|group| group.name == new.name || group.id == new.name) {
                return Err(RegistryGroupFault::NameTaken(new.name));
            }
            if groups.len() >= limits::GROUPS_MAX {
                return Err(RegistryGroupFault::TooMany);
            }
            groups.push(new.clone());
            Ok((groups, new))
        }
        RegistryGroupEdit::Describe { key, description, info } => {
            let at = position(&groups, &key)?;
            let group = &mut groups[at];
            group.description = description;
            if let Some(info) = info {
                group.info = info;
            }
            let group = group.clone();
            Ok((groups, group))
        }
        RegistryGroupEdit::Remove { key } => {
            let at = position(&groups, &key)?;
            if groups[at].name == DEFAULT_REGISTRY_GROUP {
                return Err(RegistryGroupFault::Default);
            }
            let group = groups.remove(at);
            Ok((groups, group))
        }
    }
}

/// Whether a group may be called so.
///
/// # Errors
/// What is wrong with the name.
pub fn check_name(name: &str) -> Result<(), RegistryGroupFault> {
    if name.trim().is_empty() {
        Err(RegistryGroupFault::EmptyName)
    } else if name.contains(',') {
        Err(RegistryGroupFault::Comma(name.to_owned()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: &str, name: &str) -> RegistryGroup {
        RegistryGroup { id: id.to_owned(), ..RegistryGroup::undescribed(name.to_owned()) }
    }

    fn names(groups: &[RegistryGroup]) -> Vec<&str> {
        groups.iter().map(|group| group.name.as_str()).collect()
    }

    #[test]
    fn the_default_group_is_always_there_and_first() {
        assert_eq!(names(&with_used(Vec::new(), [])), ["default_group"]);
        let described =
            RegistryGroup { description: "all".to_owned(), ..group("default_group", "default_group") };
        let listed = with_used(vec![group("1", "vip"), described], ["vip".to_owned(), "seen".to_owned()]);
        assert_eq!(names(&listed), ["default_group", "vip", "seen"]);
        assert_eq!((listed[0].description.as_str(), listed[2].id.as_str()), ("all", "seen"));
    }

    #[test]
    fn names_are_new_and_plain_and_ids_are_found_first() {
        let known = with_used(vec![group("1", "vip"), group("2", "1")], []);
        assert_eq!(find(&known, "1").unwrap().name, "vip");
        assert_eq!(find(&known, "vip").unwrap().id, "1");
        assert_eq!(find(&known, "x"), Err(RegistryGroupFault::Unknown("x".to_owned())));
        for (name, expected) in [
            ("vip", RegistryGroupFault::NameTaken("vip".to_owned())),
            ("2", RegistryGroupFault::NameTaken("2".to_owned())),
            ("default_group", RegistryGroupFault::NameTaken("default_group".to_owned())),
            (" ", RegistryGroupFault::EmptyName),
            ("a,b", RegistryGroupFault::Comma("a,b".to_owned())),
        ] {
            let create = RegistryGroupEdit::Create(group("new", name));
            assert_eq!(edited(known.clone(), create).unwrap_err(), expected, "{name}");
        }
        let create = RegistryGroupEdit::Create(group("new", "访客"));
        assert_eq!(names(&edited(known, create).unwrap().0), ["default_group", "vip", "1", "访客"]);
    }

    #[test]
    fn one_is_described_or_removed_and_no_other() {
        let known = with_used(vec![group("1", "vip")], ["seen".to_owned()]);
        let describe = |key: &str| RegistryGroupEdit::Describe {
            key: key.to_owned(),
            description: "new".to_owned(),
            info: None,
        };
        let (groups, one) = edited(known.clone(), describe("seen")).unwrap();
        assert_eq!((one.description.as_str(), groups[1].description.as_str()), ("new", ""));
        assert_eq!(edited(known.clone(), describe("default_group")).unwrap().0[0].description, "new");
        let remove = |key: &str| edited(known.clone(), RegistryGroupEdit::Remove { key: key.to_owned() });
        assert_eq!(names(&remove("1").unwrap().0), ["default_group", "seen"]);
        assert_eq!(remove("default_group"), Err(RegistryGroupFault::Default));
        assert_eq!(remove("none"), Err(RegistryGroupFault::Unknown("none".to_owned())));
    }
}
