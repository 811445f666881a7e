//! From a user object of the local API to an enrolment.

use serde_json::Value;

use crate::actors::registry::message::{EnrolRequest, Photo, StoredPerson};
use crate::actors::registry::photo::no_photo;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::lenient;
use menshen_protocol::login::Session;
use menshen_protocol::user::WireUser;

use super::answer::wrong;

/// A user that cannot even be tried.
pub struct Made {
    pub id: String,
    pub name: String,
    pub refusal: ProtocolError,
}

/// `old` is the person as stored; what the user object leaves out stays as it was.
pub fn request_of(
    mut user: Value,
    id: String,
    old: Option<StoredPerson>,
    session: Option<&Session>,
) -> Result<EnrolRequest, Made> {
    if let (Some(old), Some(new)) = (&old, user.as_object_mut()) {
        let mut info = menshen_protocol::local::info_of(&old.person).as_object().cloned().unwrap_or_default();
        info.extend(new.get("info").and_then(Value::as_object).cloned().unwrap_or_default());
        new.insert("info".to_owned(), Value::Object(info));
    }
    let failed = |name: &str, refusal| Made { id: id.clone(), name: name.to_owned(), refusal };
    let user: WireUser =
        lenient::object(user).map_err(|error| failed("", wrong(format!("user: {error}"))))?;
    let name = user.name();
    let read = || -> Result<EnrolRequest, ProtocolError> {
        let register_type = match (&old, user.register_type) {
            (Some(old), None) => old.person.register_type,
            _ => user.register_type().map_err(|error| wrong(error.to_string()))?,
        };
        Ok(EnrolRequest {
            id: id.clone(),
            name: name.clone(),
            kind: user.kind().map_err(|error| wrong(error.to_string()))?,
            register_type,
            permission_ids: user.permission_ids().map_err(|error| wrong(error.to_string()))?,
            photo: photo_of(&user, old.as_ref(), session).map_err(as_local)?,
            info: user.info.clone(),
        })
    };
    read().map_err(|refusal| failed(&name, refusal))
}

/// What is a wrong parameter of a command is one of a local call here, which has a code of its own.
fn as_local(refusal: ProtocolError) -> ProtocolError {
    if refusal.code == StatusCode::ParamError { wrong(refusal.detail) } else { refusal }
}

fn photo_of(
    user: &WireUser,
    old: Option<&StoredPerson>,
    session: Option<&Session>,
) -> Result<Photo, ProtocolError> {
    match user.photo() {
        Some(source) => Photo::from_source(source, session),
        // The same photo again is not computed twice.
        None => old.and_then(|old| old.photo.clone()).map(Photo::Bytes).ok_or_else(no_photo),
    }
}
