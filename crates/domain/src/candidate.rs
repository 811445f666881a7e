//! Among whom the gallery searches, and its answer: a person and how similar the probe is.

use super::person::PersonKind;
use super::registry_groups::DEFAULT_REGISTRY_GROUP;

/// Among whom is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Everyone who is enrolled, whatever their groups.
    Everyone,
    /// People of one registry group who are in one of these permission groups too.
    Groups {
        /// Its name.
        registry: &'a str,
        /// Their ids.
        permissions: &'a [String],
    },
}

impl<'a> Scope<'a> {
    /// People of these permission groups, in the registry group that everyone is in who was put into no other.
    pub fn of_permissions(permissions: &'a [String]) -> Self {
        Self::Groups { registry: DEFAULT_REGISTRY_GROUP, permissions }
    }
}

/// The groups of a [`Scope`], kept by whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchGroups {
    /// Name of the registry group.
    pub registry: String,
    /// Ids of permission groups.
    pub permissions: Vec<String>,
}

impl SearchGroups {
    /// Among whom they say to search.
    pub fn scope(&self) -> Scope<'_> {
        Scope::Groups { registry: &self.registry, permissions: &self.permissions }
    }
}

/// What a match needs to know of a person, without going to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryPerson {
    /// The platform's id.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// What the person may do.
    pub kind: PersonKind,
    /// The registry photo behind the best row.
    pub photo: String,
}

/// One candidate of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The person.
    pub person: GalleryPerson,
    /// Cosine similarity, −1 to 1.
    pub similarity: f32,
}
