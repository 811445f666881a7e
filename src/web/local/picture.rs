//! A picture as devices in the field post it: the JPEG itself, a file of a form, or base64 in JSON.

use std::time::Duration;

use actix_multipart::Multipart;
use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::answer::wrong;
use crate::actors::registry::photo::photo_bytes;
use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::json::without_bom;

/// Keys under which devices put a picture, the protocol's own first.
const KEYS: [&str; 7] = ["image_base64_str", "image", "photo", "picture", "spot_pic", "pic", "img"];

static PLACES: Semaphore = Semaphore::const_new(limits::PHOTO_POSTS_AT_ONCE);

/// Reads the picture, bounded in bytes, in time, and in how many are read at once.
pub async fn read(content_type: &str, payload: Payload) -> Result<Bytes, ProtocolError> {
    let Ok(_place) = PLACES.try_acquire() else {
        return Err(ProtocolError::new(
            StatusCode::ServerProcessFailed,
            "too many photos are being received",
        ));
    };
    let limit = Duration::from_millis(limits::PHOTO_POST_TIMEOUT_MS);
    let picture = tokio::time::timeout(limit, read_any(content_type, payload)).await;
    let picture =
        picture.unwrap_or_else(|_| Err(interrupted("the body came too slowly and was given up")))?;
    if picture.is_empty() {
        return Err(ProtocolError::new(StatusCode::ImageError, "the body holds no picture"));
    }
    Ok(picture)
}

/// Counted as such, not as a wrong body.
fn interrupted(detail: impl Into<String>) -> ProtocolError {
    ProtocolError::new(StatusCode::BadRequest, detail)
}

async fn read_any(content_type: &str, payload: Payload) -> Result<Bytes, ProtocolError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "image/jpeg" | "image/jpg" | "image/pjpeg" | "image/png" | "application/octet-stream" => {
            collect(payload, limits::PHOTO_BYTES_MAX).await
        }
        "application/json" => from_json(&collect(payload, limits::LOCAL_JSON_BYTES_MAX).await?),
        "multipart/form-data" => from_form(content_type, payload).await,
        _ => Err(ProtocolError::new(
            StatusCode::UnsupportedContentType,
            "image/jpeg, image/png, multipart/form-data or application/json is expected",
        )),
    }
}

async fn collect<E: std::fmt::Display>(
    mut chunks: impl Stream<Item = Result<Bytes, E>> + Unpin,
    max_bytes: usize,
) -> Result<Bytes, ProtocolError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| interrupted(format!("the body broke off: {error}")))?;
        if body.len() + chunk.len() > max_bytes {
            return Err(ProtocolError::new(
                StatusCode::PayloadTooLarge,
                format!("at most {max_bytes} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn from_json(body: &[u8]) -> Result<Bytes, ProtocolError> {
    let map: Map<String, Value> = serde_json::from_slice(without_bom(body)).map_err(|error| {
        wrong(format!("the body is no JSON object: line {} column {}", error.line(), error.column()))
    })?;
    let texts = KEYS.iter().filter_map(|key| map.get(*key).and_then(Value::as_str));
    let text = texts.into_iter().find(|text| !text.is_empty());
    text.map_or_else(|| Err(wrong(format!("a picture in base64 is expected under {}", KEYS[0]))), photo_bytes)
}

/// The first part that is a picture or is named like one; parts before it are read over, and no more than a photo's bytes
/// of them.
async fn from_form(content_type: &str, payload: Payload) -> Result<Bytes, ProtocolError> {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(content_type).map_err(|_| wrong("a strange content type"))?;
    headers.insert(CONTENT_TYPE, value);
    let mut parts = Multipart::new(&headers, payload);
    let mut left = limits::PHOTO_BYTES_MAX;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| wrong(format!("the form is broken: {error}")))?;
        let named = part.content_disposition();
        let is_file = named.is_some_and(|named| {
            named.get_filename().is_some() || named.get_name().is_some_and(|name| KEYS.contains(&name))
        });
        let is_picture = is_file || part.content_type().is_some_and(|kind| kind.type_() == "image");
        let bytes = collect(part, left).await?;
        if is_picture {
            return Ok(bytes);
        }
        left -= bytes.len();
    }
    Err(wrong("the form holds no file"))
}
