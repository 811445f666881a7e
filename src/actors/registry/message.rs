//! Messages of the registry.

use std::sync::Arc;

use actix::Message;
use bytes::Bytes;
use url::Url;

use menshen_domain::erasure::ErasedPerson;
use menshen_domain::permission_groups::GroupEdit;
use menshen_domain::person::{PermissionGroup, Person, PersonKind, RegisterType};
use menshen_domain::quality::LevelName;
use menshen_domain::registry_groups::{RegistryGroup, RegistryGroupEdit};
use menshen_domain::status::ProtocolError;
use menshen_domain::stranger::StrangerShot;

/// Where the registry photo of an enrolment is.
#[derive(Clone)]
pub enum Photo {
    Bytes(Bytes),
    Url(Url),
    /// On the platform itself, which wants its token.
    OfPlatform(Url),
    /// What is stored; whoever has none is kept without a feature and matched nowhere.
    Kept,
}

/// One person to be enrolled or updated.
#[derive(Clone)]
pub struct EnrolRequest {
    pub id: String,
    pub name: String,
    pub kind: PersonKind,
    pub register_type: RegisterType,
    pub permission_ids: Vec<String>,
    /// Registry groups they are put into besides those they are in; whoever is new and put into none is in the default group.
    pub joins: Vec<String>,
    /// Kept as it came.
    pub info: serde_json::Map<String, serde_json::Value>,
    pub photo: Photo,
    /// Level the photo must pass; else that of `register_type`.
    pub level: Option<LevelName>,
    /// The face comes beside those that are stored, instead of in their place.
    pub adds_face: bool,
}

/// The outcome for one person. `Err` leaves an existing record as it was.
#[derive(Clone)]
pub struct EnrolOutcome {
    pub id: String,
    pub name: String,
    pub kind: PersonKind,
    pub result: Result<Enrolled, ProtocolError>,
}

/// A person was enrolled or updated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    pub how: EnrolSuccess,
    /// Another person of the registry whom this face resembles: perhaps one person under two ids.
    pub looks_like: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolSuccess {
    Added,
    Updated,
    /// The same photo as before: only the person's data was written.
    PhotoUnchanged,
}

/// Enrols or updates people. Answers when every success is on disk and searchable, in the order asked.
#[derive(Clone, Message)]
#[rtype(result = "Vec<EnrolOutcome>")]
pub struct EnrolPeople {
    pub requests: Arc<Vec<EnrolRequest>>,
}

/// Enrols the stranger of a passage that has ended. `None`: a person of the registry who is not allowed at that camera.
#[derive(Clone, Message)]
#[rtype(result = "Result<Option<KnownStranger>, ProtocolError>")]
pub struct EnrolStranger(pub StrangerShot);

/// A stranger of the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownStranger {
    pub id: String,
    /// Registry photo, in the picture store.
    pub photo: String,
    pub is_new: bool,
}

/// The outcome of one deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteOutcome {
    pub id: String,
    /// Registry groups the person was in.
    pub groups: Vec<String>,
    pub result: Result<(), ProtocolError>,
}

/// Deletes people; unknown ids are reported, the rest are deleted.
#[derive(Clone, Message)]
#[rtype(result = "Vec<DeleteOutcome>")]
pub struct DeletePeople {
    pub ids: Vec<String>,
}

/// People who are to be erased, with what only the registry knows of them: the name, and the strangers who have their face.
#[derive(Clone, Message)]
#[rtype(result = "Result<Vec<ErasedPerson>, ProtocolError>")]
pub struct FindErased {
    pub ids: Vec<String>,
}

/// Deletes people who are being erased. Unknown ids are no error.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), ProtocolError>")]
pub struct ForgetPeople {
    pub ids: Vec<String>,
}

/// Changes the list of permission groups.
#[derive(Clone, Message)]
#[rtype(result = "Result<EditedGroups, ProtocolError>")]
pub struct EditPermissions {
    pub edit: GroupEdit,
    /// With the group that is removed go the people who are in no other; the rest lose it.
    pub delete_people: bool,
}

impl EditPermissions {
    pub fn new(edit: GroupEdit) -> Self {
        Self { edit, delete_people: false }
    }
}

/// What became of the list.
#[derive(Debug, Clone)]
pub struct EditedGroups {
    /// All groups, those in use that nobody has described included.
    pub groups: Vec<PermissionGroup>,
    /// The one that was created, described or removed.
    pub group: Option<PermissionGroup>,
    /// People who went with it.
    pub people_deleted: u64,
}

/// Changes the list of registry groups.
#[derive(Clone, Message)]
#[rtype(result = "Result<EditedRegistryGroups, ProtocolError>")]
pub struct EditGroups {
    pub edit: RegistryGroupEdit,
    /// With the group that is removed go the people who are in no other.
    pub delete_people: bool,
}

/// What became of a registry group.
#[derive(Debug, Clone)]
pub struct EditedRegistryGroups {
    /// The one that was created, described or removed.
    pub group: RegistryGroup,
    /// People who went with it.
    pub people_deleted: u64,
}

/// The registry groups, the default one first.
#[derive(Clone, Message)]
#[rtype(result = "Result<Vec<RegistryGroup>, ProtocolError>")]
pub struct ListGroups;

/// Puts people into a registry group, or takes them out. Unknown ids fail the whole of it where people are put in.
#[derive(Clone, Message)]
#[rtype(result = "Result<Members, ProtocolError>")]
pub struct ChangeMembers {
    /// Name or id.
    pub group: String,
    pub ids: Vec<String>,
    pub join: bool,
    /// Whether the answer lists who is in the group then.
    pub with_ids: bool,
}

/// Who is in a registry group.
#[derive(Debug, Clone)]
pub struct Members {
    /// The group's name.
    pub group: String,
    /// Empty where they were not asked for.
    pub ids: Vec<String>,
}

/// Deletes everyone, with features and photos.
#[derive(Clone, Message)]
#[rtype(result = "Result<u64, ProtocolError>")]
pub struct WipePeople;

/// One page of people in order of id, with how many there are.
#[derive(Clone, Message)]
#[rtype(result = "Result<PeoplePage, ProtocolError>")]
pub struct FindPeople {
    /// Name of a registry group; `None`: everyone.
    pub group: Option<String>,
    pub skip: usize,
    pub limit: usize,
}

#[derive(Clone)]
pub struct PeoplePage {
    pub total: u64,
    pub people: Vec<Person>,
}

/// A registry photo by its name in the picture store; `None` when there is none.
#[derive(Clone, Message)]
#[rtype(result = "Result<Option<Bytes>, ProtocolError>")]
pub struct GetPhoto {
    pub name: String,
}

/// One person; `None` when the id is unknown.
#[derive(Clone, Message)]
#[rtype(result = "Result<Option<Person>, ProtocolError>")]
pub struct GetPerson {
    pub id: String,
}

/// The permission groups as they are kept.
#[derive(Clone, Message)]
#[rtype(result = "Result<Vec<PermissionGroup>, ProtocolError>")]
pub struct ListPermissions;

/// Starts a swap of the embedder, or says why not. Its progress is in the model status.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), ProtocolError>")]
pub struct UseModel {
    pub wanted: WantedModel,
}

/// Cancels the running swap; the active embedder stays.
#[derive(Clone, Message)]
#[rtype(result = "Result<(), ProtocolError>")]
pub struct CancelSwap;

/// Which embedder a swap goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedModel {
    Named(String),
    /// The one before.
    Previous,
}

/// Finish what is running, take nothing new; answers when idle.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Drain;
