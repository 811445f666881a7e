//! From the photo a user object names to one that can be enrolled.

use bytes::Bytes;
use url::Url;

use super::message::Photo;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::login::Session;
use menshen_protocol::picture::{self, PictureTextError};
use menshen_protocol::user::PhotoSource;

impl Photo {
    /// `session` resolves relative addresses; without one they are refused.
    pub fn from_source(source: PhotoSource, session: Option<&Session>) -> Result<Self, ProtocolError> {
        match source {
            PhotoSource::Base64(text) => photo_bytes(&text).map(Self::Bytes),
            PhotoSource::Url(text) => {
                let url = Url::parse(text.trim()).map_err(|error| wrong(format!("reg_url: {error}")))?;
                if !matches!(url.scheme(), "http" | "https") {
                    return Err(wrong(format!("reg_url must be http or https, not {}", url.scheme())));
                }
                Ok(Self::Url(url))
            }
            PhotoSource::RelativeUrl(path) => {
                let session = session.ok_or_else(|| {
                    wrong("relative_pic_url needs a platform that is logged in to".to_owned())
                })?;
                let url =
                    session.photo_url(&path).map_err(|error| wrong(format!("relative_pic_url: {error}")))?;
                // The token belongs to the platform; another photo server must not get it.
                let is_platforms = url.origin() == session.origin.origin();
                Ok(if is_platforms { Self::OfPlatform(url) } else { Self::Url(url) })
            }
        }
    }
}

/// A user object without any photo.
pub fn no_photo() -> ProtocolError {
    wrong("one of reg_photo, reg_url, relative_pic_url must be there".to_owned())
}

/// A picture that came as text.
pub fn photo_bytes(text: &str) -> Result<Bytes, ProtocolError> {
    picture::decode(text, limits::PHOTO_BYTES_MAX).map(Bytes::from).map_err(|error| {
        let code = match error {
            PictureTextError::TooLarge { .. } => StatusCode::ImageTooLarge,
            _ => StatusCode::ImageError,
        };
        ProtocolError::new(code, error.to_string())
    })
}

fn wrong(detail: String) -> ProtocolError {
    ProtocolError::new(StatusCode::ParamError, detail)
}
