//! People and permission groups, as the registry keeps them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::face::Embedding;

/// The group everyone is in who was given none.
pub const DEFAULT_PERMISSION_GROUP: &str = "0";

/// The protocol's person types (section 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonKind {
    /// May pass.
    #[default]
    Employee,
    /// May pass.
    Visitor,
    /// Must not pass; a match raises an alarm where the gate is configured so.
    Blacklist,
    /// Not enrolled by the platform; may not pass.
    Stranger,
    /// May pass.
    Vip,
}

impl PersonKind {
    /// As the protocol writes it, 1 to 5.
    pub fn number(self) -> i64 {
        match self {
            Self::Employee => 1,
            Self::Visitor => 2,
            Self::Blacklist => 3,
            Self::Stranger => 4,
            Self::Vip => 5,
        }
    }

    /// From the protocol's number, 1 to 5.
    pub fn from_number(number: i64) -> Option<Self> {
        [Self::Employee, Self::Visitor, Self::Blacklist, Self::Stranger, Self::Vip]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

/// How a person came into the registry; decides the FIQA level the photo must pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegisterType {
    /// Photo must pass level `high`.
    #[default]
    Regular,
    /// Photo must pass level `custom`.
    Stranger,
}

/// A face feature and the registry photo it was computed from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// The feature itself.
    pub embedding: Embedding,
    /// Name of the photo in the picture store, so that the feature can be computed again.
    pub photo: String,
    /// SHA-256 of the photo as it came, hex; the same photo is not computed twice.
    pub photo_sha256: String,
    /// FIQA score of the photo, 0–1.
    pub quality: f32,
}

/// One person of the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    /// Chosen by the platform; unique.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// Decides what a match does.
    pub kind: PersonKind,
    /// How the person was enrolled.
    pub register_type: RegisterType,
    /// Never empty; `["0"]` when nothing was given.
    pub permission_ids: Vec<String>,
    /// Names of registry groups; `default_group` when nothing was given. Who is in none is matched nowhere.
    pub registry_groups: Vec<String>,
    /// The `info` object as it came, unknown keys included.
    pub info: Map<String, Value>,
    /// Of one model or, around a swap, of two: every photo once for each model it was embedded with.
    pub features: Vec<Feature>,
    /// Wall clock, ms since the epoch, UTC.
    pub created_at_ms: u64,
    /// Wall clock, ms since the epoch, UTC.
    pub updated_at_ms: u64,
}

impl Person {
    /// The features of one model.
    pub fn features_of<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a Feature> {
        self.features.iter().filter(move |feature| feature.embedding.model == model)
    }

    /// The photos that have not been embedded with `model`, each once.
    pub fn photos_without(&self, model: &str) -> Vec<&Feature> {
        let mut missing: Vec<&Feature> = Vec::new();
        for feature in &self.features {
            let has = |known: &Feature| known.photo_sha256 == feature.photo_sha256;
            if !self.features_of(model).any(has) && !missing.iter().any(|known| has(known)) {
                missing.push(feature);
            }
        }
        missing
    }
}

/// A permission group as the platform describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionGroup {
    /// Chosen by the platform; unique.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Whatever else was said of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub info: Map<String, Value>,
}

impl PermissionGroup {
    /// One of which nobody has said more than the id.
    pub fn undescribed(id: String) -> Self {
        Self { name: id.clone(), id, description: String::new(), info: Map::new() }
    }
}
