//! Receiving a photo, bounded in bytes, in time, and in how many are received at once; what is in it is read by
//! [`menshen_protocol::photo_post`].

use std::time::Duration;

use actix_web::dev::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout};

use super::answer::wrong;
use super::body_pace::{BodyPace, too_slow};
use super::body_place::{PHOTOS, Sender};
use crate::actors::blocking::spawn_blocking;
use menshen_domain::limits;
use menshen_domain::photo::DevicePicture;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::photo_post::{self, PostError};
use menshen_protocol::picture::PictureTextError;

/// Reads the pictures of a body, in the order in which they are looked at; at least one.
pub async fn read(
    content_type: &str,
    payload: Payload,
    from: Sender,
) -> Result<Vec<DevicePicture>, ProtocolError> {
    let Some(_place) = PHOTOS.try_take(from) else {
        return Err(ProtocolError::new(
            StatusCode::ServerProcessFailed,
            "too many photos are being received",
        ));
    };
    let limit = Duration::from_millis(limits::PHOTO_POST_TIMEOUT_MS);
    let body = timeout(limit, collect(payload)).await;
    let body = body.unwrap_or_else(|_| Err(interrupted(too_slow())))?;
    let content_type = content_type.to_owned();
    // Megabytes of base64 are not for the thread that answers calls.
    let read = spawn_blocking(move || photo_post::read(&content_type, &body)).await;
    let read =
        read.map_err(|error| ProtocolError::new(StatusCode::ServerProcessFailed, error.to_string()))?;
    let mut pictures = read.map_err(|error| refusal(&error))?;
    let smallest = pictures.iter().map(|picture| picture.bytes.len()).min().unwrap_or_default();
    pictures.retain(|picture| picture.bytes.len() <= limits::PHOTO_BYTES_MAX);
    if pictures.is_empty() {
        let detail =
            format!("the picture is {smallest} bytes, at most {} are taken", limits::PHOTO_BYTES_MAX);
        return Err(ProtocolError::new(StatusCode::PayloadTooLarge, detail));
    }
    Ok(pictures)
}

fn refusal(error: &PostError) -> ProtocolError {
    let code = match error {
        PostError::NoPictureType => StatusCode::UnsupportedContentType,
        PostError::Text(PictureTextError::TooLarge { .. }) => StatusCode::ImageTooLarge,
        PostError::Empty | PostError::Text(_) => StatusCode::ImageError,
        PostError::NotJson(..)
        | PostError::NoPictureInText
        | PostError::NoPictureInForm
        | PostError::OnlyRegistered => return wrong(error.to_string()),
    };
    ProtocolError::new(code, error.to_string())
}

/// Counted as such, not as a wrong body.
fn interrupted(detail: impl Into<String>) -> ProtocolError {
    ProtocolError::new(StatusCode::BadRequest, detail)
}

async fn collect(mut chunks: Payload) -> Result<Bytes, ProtocolError> {
    const STALL: Duration = Duration::from_millis(limits::LOCAL_BODY_STALL_MS);
    let (mut body, mut pace) = (BytesMut::new(), BodyPace::default());
    loop {
        let began = Instant::now();
        let chunk = timeout(STALL, chunks.next()).await.map_err(|_| interrupted(too_slow()))?;
        let Some(chunk) = chunk else { return Ok(body.freeze()) };
        let chunk = chunk.map_err(|error| interrupted(format!("the body broke off: {error}")))?;
        if body.len() + chunk.len() > limits::PHOTO_POST_BYTES_MAX {
            let detail = format!("at most {} bytes", limits::PHOTO_POST_BYTES_MAX);
            return Err(ProtocolError::new(StatusCode::PayloadTooLarge, detail));
        }
        if !pace.goes_on(chunk.len(), began.elapsed()) {
            return Err(interrupted(too_slow()));
        }
        body.extend_from_slice(&chunk);
    }
}
