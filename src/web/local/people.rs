//! From a user object of the local API to an enrolment.

use serde_json::Value;
use url::Url;

use crate::actors::registry::message::{EnrolRequest, Photo, StoredPerson};
use crate::core::limits;
use crate::core::status::{Refusal, StatusCode};
use crate::wire::lenient;
use crate::wire::login::Session;
use crate::wire::picture::{self, PictureTextError};
use crate::wire::user::{PhotoSource, WireUser};

use super::answer::wrong;

/// A user that cannot even be tried.
pub struct Made {
    pub id: String,
    pub name: String,
    pub refusal: Refusal,
}

/// `old` is the person as stored; what the user object leaves out stays as it was.
pub fn request_of(
    mut user: Value,
    id: String,
    old: Option<StoredPerson>,
    session: Option<&Session>,
    dev_sno: &str,
) -> Result<EnrolRequest, Made> {
    if let (Some(old), Some(new)) = (&old, user.as_object_mut()) {
        let mut info = crate::wire::local::info_of(&old.person).as_object().cloned().unwrap_or_default();
        info.extend(new.get("info").and_then(Value::as_object).cloned().unwrap_or_default());
        new.insert("info".to_owned(), Value::Object(info));
    }
    let failed = |name: &str, refusal| Made { id: id.clone(), name: name.to_owned(), refusal };
    let user: WireUser =
        lenient::object(user).map_err(|error| failed("", wrong(format!("user: {error}"))))?;
    let name = user.name();
    let read = || -> Result<EnrolRequest, Refusal> {
        let register_type = match (&old, user.register_type) {
            (Some(old), None) => old.person.register_type,
            _ => user.register_type().map_err(wrong)?,
        };
        Ok(EnrolRequest {
            id: id.clone(),
            name: name.clone(),
            kind: user.kind().map_err(wrong)?,
            register_type,
            permission_ids: user.permission_ids().map_err(wrong)?,
            photo: photo_of(&user, old.as_ref(), session, dev_sno)?,
            info: user.info.clone(),
        })
    };
    read().map_err(|refusal| failed(&name, refusal))
}

fn photo_of(
    user: &WireUser,
    old: Option<&StoredPerson>,
    session: Option<&Session>,
    dev_sno: &str,
) -> Result<Photo, Refusal> {
    match user.photo() {
        // The same photo again is not computed twice.
        None => match old.and_then(|old| old.photo.clone()) {
            Some(photo) => Ok(Photo::Bytes(photo)),
            None => Err(wrong("one of reg_photo, reg_url, relative_pic_url must be there")),
        },
        Some(PhotoSource::Base64(text)) => {
            let bytes = picture::decode(&text, limits::PHOTO_BYTES_MAX).map_err(|error| {
                let code = match error {
                    PictureTextError::TooLarge { .. } => StatusCode::ImageTooLarge,
                    _ => StatusCode::ImageError,
                };
                Refusal::new(code, error.to_string())
            })?;
            Ok(Photo::Bytes(bytes.into()))
        }
        Some(PhotoSource::Url(text)) => {
            let url: Url =
                super::urls::http_url(&text).map_err(|problem| wrong(format!("reg_url {problem}")))?;
            Ok(Photo::Url(url))
        }
        Some(PhotoSource::RelativeUrl(path)) => {
            let session =
                session.ok_or_else(|| wrong("relative_pic_url needs a platform that is logged in to"))?;
            let mut url =
                session.photo_url(&path).map_err(|error| wrong(format!("relative_pic_url: {error}")))?;
            // The token belongs to the platform; another photo server must not get it.
            if url.origin() == session.origin.origin() {
                url.query_pairs_mut().append_pair("token", &session.token).append_pair("dev_sno", dev_sno);
            }
            Ok(Photo::Url(url))
        }
    }
}
