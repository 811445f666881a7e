//! An answer of the gallery: a person and how similar the probe is.

use super::person::PersonKind;

/// What a match needs to know of a person, without going to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryPerson {
    pub id: String,
    pub name: String,
    pub kind: PersonKind,
    /// The registry photo behind the best row.
    pub photo: String,
}

/// One candidate of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub person: GalleryPerson,
    /// Cosine similarity, −1 to 1.
    pub similarity: f32,
}
