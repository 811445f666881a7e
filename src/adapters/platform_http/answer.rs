//! What came back from a call: bounded, and judged by its bytes.

use std::error::Error as _;

use bytes::{Bytes, BytesMut};
use reqwest::{RequestBuilder, Response};
use url::Url;

use super::host::host_of;
use super::redirect::Moved;
use crate::ports::platform::PlatformError;
use menshen_domain::limits;
use menshen_protocol::login::ErrorDocument;
use menshen_protocol::page::{BodyKind, SAMPLE_BYTES};

/// Sends, and turns every status but 2xx into an error with the platform's own words, if it has any. `moved` says what
/// a redirect that was not followed means for the installer.
pub async fn checked(
    request: RequestBuilder,
    url: &Url,
    moved: &Moved<'_>,
) -> Result<Response, PlatformError> {
    let response = request.send().await.map_err(|error| unreachable_error(url, &error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    if let Some(error) = moved.error(&response, url) {
        return Err(error);
    }
    let status = response.status().as_u16();
    let body = bounded(response, url, limits::LOGIN_BYTES_MAX).await.unwrap_or_default();
    let told = ErrorDocument::parse(&body);
    let code = told.as_ref().and_then(|document| document.error.code);
    let detail = told.map(|document| format!(" ({})", error_text(&document))).unwrap_or_default();
    Err(PlatformError::Status { host: host_of(url), status, code, detail })
}

/// A whole answer that is no page.
pub async fn document(response: Response, url: &Url, max_bytes: usize) -> Result<Bytes, PlatformError> {
    let body = bounded(response, url, max_bytes).await?;
    match BodyKind::of(&body) {
        BodyKind::Page => Err(PlatformError::Page { host: host_of(url) }),
        _ => Ok(body),
    }
}

/// Whether an answer whose words do not matter is a page. Reads no more than it takes to tell; what breaks off here
/// does not take back the status that came before.
pub async fn is_page(mut response: Response) -> bool {
    let mut sample = BytesMut::new();
    loop {
        let kind = BodyKind::of(&sample);
        if kind.is_certain() || sample.len() >= SAMPLE_BYTES {
            return kind == BodyKind::Page;
        }
        match response.chunk().await {
            Ok(Some(chunk)) => sample.extend_from_slice(&chunk[..chunk.len().min(SAMPLE_BYTES)]),
            Ok(None) | Err(_) => return kind == BodyKind::Page,
        }
    }
}

/// Reads a body, giving up at the first byte too many.
pub async fn bounded(mut response: Response, url: &Url, max_bytes: usize) -> Result<Bytes, PlatformError> {
    let too_large = || PlatformError::TooLarge { host: host_of(url), max_bytes };
    if response.content_length().is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable_error(url, &error))? {
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

pub fn error_text(document: &ErrorDocument) -> String {
    let code = document.error.code.map_or_else(String::new, |code| format!("code {code}"));
    let text: String = document.error.message.as_deref().unwrap_or_default().chars().take(200).collect();
    [code, text].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

/// reqwest's texts name the URL, which carries the token: only the causes are kept.
fn unreachable_error(url: &Url, error: &reqwest::Error) -> PlatformError {
    let reason = if error.is_timeout() {
        "no answer within the time limit".to_owned()
    } else {
        let mut cause = error.source();
        let mut deepest = None;
        while let Some(inner) = cause {
            deepest = Some(inner.to_string());
            cause = inner.source();
        }
        deepest.unwrap_or_else(|| if error.is_connect() { "cannot connect" } else { "broken off" }.to_owned())
    };
    PlatformError::Unreachable { host: host_of(url), reason }
}
