//! Snapshot polling: asks a camera for a JPEG again and again. For cameras that serve pictures and no stream.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;
use url::Url;

use crate::ports::camera::{
    FailureKind, FrameSink, NoticeSink, OpenError, Stream, StreamFailure, StreamNotice,
};
use menshen_domain::frame::{Frame, FrameError};
use menshen_domain::limits;
use menshen_domain::photo::is_whole;

/// Pictures in a row that may fail before the camera counts as gone: one lost picture is nothing unusual.
const FAILURES_MAX: u32 = 3;

/// Polls until it is dropped.
pub struct Polling {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Stream for Polling {}

impl Drop for Polling {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there shows by the frames that stay away.
            let _ = thread.join();
        }
    }
}

/// `values` are those of a template: `url` and `interval_ms`.
pub fn start(
    values: &BTreeMap<String, String>,
    frames: FrameSink,
    notices: NoticeSink,
) -> Result<Polling, OpenError> {
    let wrong = |reason: &str| OpenError::Start(reason.to_owned());
    let url = values.get("url").and_then(|url| Url::parse(url).ok()).ok_or(wrong("`url` is no URL"))?;
    let interval_ms = values.get("interval_ms").and_then(|text| text.parse::<u64>().ok());
    let interval = Duration::from_millis(interval_ms.ok_or(wrong("`interval_ms` is no number"))?);
    let mut camera = Camera::new(url).map_err(|error| wrong(&error.to_string()))?;
    let unstarted = |error: std::io::Error| OpenError::Start(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unstarted)?;
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let work = move || {
        runtime.block_on(async {
            tokio::select! {
                failure = poll(&mut camera, interval, &frames) => notices(StreamNotice::Failed(failure)),
                () = stopped.notified() => {}
            }
        });
    };
    let thread = std::thread::Builder::new().name("snapshots".to_owned()).spawn(work).map_err(unstarted)?;
    Ok(Polling { stop, thread: Some(thread) })
}

/// Ends with the reason when the camera gives no pictures.
async fn poll(camera: &mut Camera, interval: Duration, frames: &FrameSink) -> StreamFailure {
    let mut ticks = tokio::time::interval(interval);
    // A slow camera is asked less often, not in bursts.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut sequence, mut failures) = (0, 0);
    loop {
        ticks.tick().await;
        let picture = camera.fetch().await;
        let picture = picture
            .and_then(|bytes| decode(&bytes).map_err(|error| failed(FailureKind::Codec, error.to_string())));
        match picture {
            Ok(frame) => {
                failures = 0;
                sequence += 1;
                frames(Frame { sequence, ..frame });
            }
            // Asked again and again with a wrong password, a camera locks the account.
            Err(failure) if failure.kind == FailureKind::Unauthorized => return failure,
            Err(failure) => {
                failures += 1;
                if failures >= FAILURES_MAX {
                    return failure;
                }
            }
        }
    }
}

fn failed(kind: FailureKind, text: impl Into<String>) -> StreamFailure {
    StreamFailure { kind, text: text.into() }
}

/// No camera can be asked at this address.
#[derive(Debug, thiserror::Error)]
enum CameraError {
    #[error("`url` names no host")]
    NoHost,
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// A camera's answer is no picture that can be analysed.
#[derive(Debug, thiserror::Error)]
enum PictureError {
    #[error(transparent)]
    Read(#[from] std::io::Error),
    #[error("the camera's answer is neither JPEG nor PNG")]
    Format,
    #[error("the picture cannot be decoded: it is cut off")]
    CutOff,
    #[error("the picture cannot be decoded: {0}")]
    Decode(#[from] image::ImageError),
    #[error("a picture of {width}x{height} px is too large")]
    TooLarge { width: u32, height: u32 },
    #[error(transparent)]
    Layout(#[from] FrameError),
}

struct Camera {
    client: reqwest::Client,
    /// Without user and password.
    url: Url,
    user: String,
    password: String,
    /// What the camera last asked for.
    challenge: Option<Challenge>,
}

enum Challenge {
    Basic,
    Digest(Box<digest_auth::WwwAuthenticateHeader>),
}

impl Camera {
    fn new(mut url: Url) -> Result<Self, CameraError> {
        let decoded = |text: &str| {
            let form = format!("x={}", text.replace('+', "%2B"));
            let pair = url::form_urlencoded::parse(form.as_bytes()).next();
            pair.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
        let cleared = url.set_username("").and_then(|()| url.set_password(None));
        cleared.map_err(|()| CameraError::NoHost)?;
        let client = reqwest::Client::builder()
            .timeout(Duration::from_millis(limits::SNAPSHOT_TIMEOUT_MS))
            .connect_timeout(Duration::from_millis(limits::HTTP_CONNECT_TIMEOUT_MS))
            .redirect(reqwest::redirect::Policy::limited(2))
            .no_proxy()
            .build()?;
        Ok(Self { client, url, user, password, challenge: None })
    }

    fn authorization(&mut self) -> Option<String> {
        match self.challenge.as_mut()? {
            Challenge::Basic => {
                let pair = format!("{}:{}", self.user, self.password);
                Some(format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(pair)))
            }
            Challenge::Digest(asked) => {
                let query = self.url.query().map_or_else(String::new, |query| format!("?{query}"));
                let path = format!("{}{query}", self.url.path());
                let context = digest_auth::AuthContext::new(&self.user, &self.password, path);
                asked.respond(&context).ok().map(|answer| answer.to_header_string())
            }
        }
    }

    async fn fetch(&mut self) -> Result<Bytes, StreamFailure> {
        let mut is_second = false;
        loop {
            let mut request = self.client.get(self.url.clone());
            if let Some(value) = self.authorization() {
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().await.map_err(broke_off)?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && !is_second && !self.user.is_empty() {
                // Also a nonce that has grown old.
                is_second = true;
                self.challenge = challenge(response.headers());
                continue;
            }
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                let text = format!("the camera answered {status}: wrong user or password");
                return Err(failed(FailureKind::Unauthorized, text));
            }
            if !status.is_success() {
                let is_missing = status == StatusCode::NOT_FOUND;
                let kind = if is_missing { FailureKind::NotFound } else { FailureKind::Other };
                return Err(failed(kind, format!("the camera answered {status}")));
            }
            return body(response).await;
        }
    }
}

fn broke_off(error: reqwest::Error) -> StreamFailure {
    failed(FailureKind::Unreachable, text_of(error))
}

/// Digest before Basic, where both are offered.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let offered = || headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let is = |value: &str, scheme: &str| {
        value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let digest = offered().find(|value| is(value, "digest")).and_then(|value| digest_auth::parse(value).ok());
    if let Some(digest) = digest {
        return Some(Challenge::Digest(Box::new(digest)));
    }
    offered().any(|value| is(value, "basic")).then_some(Challenge::Basic)
}

async fn body(mut response: reqwest::Response) -> Result<Bytes, StreamFailure> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("text/") {
        let text = "the camera answered with a page, not a picture: wrong path?";
        return Err(failed(FailureKind::NotFound, text));
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(broke_off)? {
        if bytes.len() + chunk.len() > limits::PHOTO_BYTES_MAX {
            let text = format!("a picture of more than {} bytes", limits::PHOTO_BYTES_MAX);
            return Err(failed(FailureKind::Other, text));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The address may hold a key in its query, so it is left out.
fn text_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let (outer, inner) = (error.to_string(), innermost.to_string());
    if outer == inner { outer } else { format!("{outer}: {inner}") }
}

fn decode(bytes: &[u8]) -> Result<Frame, PictureError> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(PictureError::Format);
    }
    if !is_whole(bytes) {
        return Err(PictureError::CutOff);
    }
    let decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if width > limits::FRAME_SIDE_MAX_PX
        || height > limits::FRAME_SIDE_MAX_PX
        || pixels > limits::PHOTO_PIXELS_MAX
    {
        return Err(PictureError::TooLarge { width, height });
    }
    let rgb = DynamicImage::from_decoder(decoder)?.into_rgb8();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    Ok(Frame::from_rgb(width, height, rgb.into_raw(), now_ms)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_leave_the_address() {
        // Another test may have been quicker.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let camera = Camera::new(Url::parse("http://ad%40min:p%2Fw+d@h/snap.jpg?c=1").unwrap()).unwrap();
        assert_eq!((camera.user.as_str(), camera.password.as_str()), ("ad@min", "p/w+d"));
        assert_eq!(camera.url.as_str(), "http://h/snap.jpg?c=1");
    }

    #[test]
    fn the_better_scheme_is_taken() {
        let mut headers = HeaderMap::new();
        assert!(challenge(&headers).is_none());
        headers.append(WWW_AUTHENTICATE, "Basic realm=\"c\"".parse().unwrap());
        assert!(matches!(challenge(&headers), Some(Challenge::Basic)));
        let digest = "Digest realm=\"c\", nonce=\"n\", qop=\"auth\", algorithm=MD5";
        headers.append(WWW_AUTHENTICATE, digest.parse().unwrap());
        assert!(matches!(challenge(&headers), Some(Challenge::Digest(_))));
    }

    #[test]
    fn what_is_no_picture_says_so() {
        for bytes in [&b""[..], b"<html>", b"GIF89a", &[0xff, 0xd8, 0xff]] {
            assert!(decode(bytes).is_err());
        }
    }
}
