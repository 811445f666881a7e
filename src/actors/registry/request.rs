//! From a user object, of the platform or of the local API, to an enrolment request.

use serde_json::Value;

use super::message::{EnrolRequest, Photo, StoredPerson};
use super::photo::no_photo;
use menshen_domain::person::PersonKind;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::lenient;
use menshen_protocol::local::info_of;
use menshen_protocol::login::Session;
use menshen_protocol::user::WireUser;

/// A user object that cannot be enrolled, with as much of it as could be read.
#[derive(Debug)]
pub struct UnusableUser {
    pub id: String,
    pub name: String,
    pub kind: PersonKind,
    pub refusal: ProtocolError,
}

impl UnusableUser {
    /// Of a user of whom no more than the id is known.
    pub fn nameless(id: &str, refusal: ProtocolError) -> Self {
        Self { id: id.to_owned(), name: String::new(), kind: PersonKind::default(), refusal }
    }
}

impl EnrolRequest {
    /// Reads the user object of the person `id`. `old` is the person as stored, for an update: what the object leaves
    /// out stays as it was. `session` resolves relative photo addresses. What is wrong with the object is refused as
    /// [`StatusCode::ParamError`].
    pub fn from_wire(
        mut user: Value,
        id: String,
        old: Option<&StoredPerson>,
        session: Option<&Session>,
    ) -> Result<Self, UnusableUser> {
        if let (Some(old), Some(new)) = (old, user.as_object_mut()) {
            let mut info = info_of(&old.person).as_object().cloned().unwrap_or_default();
            let said = new.get("info").and_then(Value::as_object).cloned().unwrap_or_default();
            // An empty list of groups takes them away, and an empty name is none; a type or a null is only not set.
            let is_unset = |key: &str, value: &Value| {
                value.is_null()
                    || (key == "type" || value.is_string() && key == "permission_ids")
                        && lenient::is_absent(value)
            };
            info.extend(said.into_iter().filter(|(key, value)| !is_unset(key, value)));
            new.insert("info".to_owned(), Value::Object(info));
        }
        let user: WireUser = lenient::object(user)
            .map_err(|error| UnusableUser::nameless(&id, wrong(format!("user: {error}"))))?;
        let unusable = |refusal| UnusableUser {
            id: id.clone(),
            name: user.name(),
            kind: user.kind().unwrap_or_default(),
            refusal,
        };
        let register_type = match (old, user.register_type) {
            (Some(old), None) => Ok(old.person.register_type),
            _ => user.register_type(),
        };
        Ok(Self {
            kind: user.kind().map_err(|error| unusable(wrong(error)))?,
            register_type: register_type.map_err(|error| unusable(wrong(error)))?,
            permission_ids: user.permission_ids().map_err(|error| unusable(wrong(error)))?,
            photo: photo_of(&user, old, session).map_err(unusable)?,
            name: user.name(),
            info: user.info,
            id,
        })
    }
}

fn photo_of(
    user: &WireUser,
    old: Option<&StoredPerson>,
    session: Option<&Session>,
) -> Result<Photo, ProtocolError> {
    match user.photo() {
        Some(source) => Photo::from_source(source, session),
        // The same photo is recognised by its checksum and not embedded again.
        None => old.and_then(|old| old.photo.clone()).map(Photo::Bytes).ok_or_else(no_photo),
    }
}

fn wrong(detail: impl ToString) -> ProtocolError {
    ProtocolError::new(StatusCode::ParamError, detail.to_string())
}
