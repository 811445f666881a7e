//! An answer of the gallery: a person and how similar the probe is.

use super::person::PersonKind;

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
