//! A camera that is asked over HTTP, logged in to as it wants, however loosely it speaks the protocol.

use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use tokio::sync::Notify;
use url::Url;

use crate::adapters::http_login::{Asked, Challenge, LoginError};
use crate::ports::camera::{FailureKind, NoticeSink, OpenError, Stream, StreamFailure, StreamNotice};
use menshen_domain::address::{Address, Login};
use menshen_domain::limits;

/// No camera can be asked at this address.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    #[error("`url` is no URL")]
    NoUrl,
    #[error(transparent)]
    Client(#[from] reqwest::Error),
}

/// Works on a thread of its own until it is dropped.
pub struct HttpStream {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Stream for HttpStream {}

impl Drop for HttpStream {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there shows by the frames that stay away.
            let _ = thread.join();
        }
    }
}

impl HttpStream {
    /// `work` ends with the reason why the camera gives no pictures.
    pub fn start(
        name: &str,
        notices: NoticeSink,
        work: impl AsyncFnOnce() -> StreamFailure + Send + 'static,
    ) -> Result<Self, OpenError> {
        let unstarted = |error: std::io::Error| OpenError::Start(error.to_string());
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unstarted)?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    failure = work() => notices(StreamNotice::Failed(failure)),
                    () = stopped.notified() => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(unstarted)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

pub fn failed(kind: FailureKind, text: impl Into<String>) -> StreamFailure {
    StreamFailure { kind, text: text.into() }
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The whole of it.
    Answer,
    /// The time without a byte: it never ends.
    Silence,
}

pub struct Camera {
    client: reqwest::Client,
    /// Without user and password.
    url: Url,
    login: Login,
    /// What the camera last asked for.
    challenge: Option<Challenge>,
}

/// Addresses a camera may send to, one after the other: to its stream server, and from http to https.
const REDIRECTS_MAX: u32 = 2;

/// Where an answer sends to.
fn redirected(from: &Url, response: &Response) -> Option<Url> {
    if !response.status().is_redirection() {
        return None;
    }
    let to = response.headers().get(LOCATION)?.to_str().ok()?;
    from.join(to).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

impl Camera {
    pub fn new(url: &str, patience: Patience, checks_tls: bool) -> Result<Self, CameraError> {
        let address = Address::read(url).ok_or(CameraError::NoUrl)?;
        let url = Url::parse(&address.without_login()).map_err(|_| CameraError::NoUrl)?;
        let limit = Duration::from_millis(limits::SNAPSHOT_TIMEOUT_MS);
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(limits::HTTP_CONNECT_TIMEOUT_MS))
            // Followed here: an answer to a digest holds for one address.
            .redirect(reqwest::redirect::Policy::none())
            // Small servers write lines that are no headers, and blanks where none belong.
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .danger_accept_invalid_certs(!checks_tls)
            .no_proxy();
        let client = match patience {
            Patience::Answer => client.timeout(limit),
            Patience::Silence => client.read_timeout(limit),
        };
        Ok(Self { client: client.build()?, url, login: address.login, challenge: None })
    }

    fn authorization(&mut self, url: &Url) -> Result<Option<String>, StreamFailure> {
        // The login is for the camera, not for whoever it sends to.
        let Some(challenge) = self.challenge.as_mut().filter(|_| url.host() == self.url.host()) else {
            return Ok(None);
        };
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let path = format!("{}{query}", url.path());
        let asked = Asked { method: "GET", uri: &path, body: None };
        challenge.answer(&self.login.user, &self.login.password, &asked).map(Some).map_err(unanswerable)
    }

    /// The camera's answer, its body not yet read.
    pub async fn ask(&mut self) -> Result<Response, StreamFailure> {
        let mut is_second = false;
        let mut url = self.url.clone();
        let mut redirects = 0;
        loop {
            let mut request = self.client.get(url.clone());
            if let Some(value) = self.authorization(&url)? {
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().await.map_err(broke_off)?;
            let status = response.status();
            if let Some(next) = redirected(&url, &response).filter(|_| redirects < REDIRECTS_MAX) {
                (url, is_second) = (next, false);
                redirects += 1;
                continue;
            }
            if status == StatusCode::UNAUTHORIZED && !is_second && !self.login.is_empty() {
                // Also a nonce that has grown old.
                is_second = true;
                self.challenge = Some(challenge(response.headers()).map_err(unanswerable)?);
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
            return Ok(response);
        }
    }
}

/// The password was not even looked at.
fn unanswerable(error: LoginError) -> StreamFailure {
    failed(FailureKind::LoginScheme, error.to_string())
}

fn challenge(headers: &HeaderMap) -> Result<Challenge, LoginError> {
    Challenge::best(headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()))
}

/// The address may hold a key in its query, so only its host is told.
pub fn broke_off(error: reqwest::Error) -> StreamFailure {
    let at = error.url().and_then(|url| {
        Some(format!("{}:{}", url.host_str()?.trim_matches(['[', ']']), url.port_or_known_default()?))
    });
    let error = error.without_url();
    if let Some(at) = at.filter(|_| error.is_connect()) {
        if error.is_timeout() {
            return failed(FailureKind::NoAnswer, at);
        }
        let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
        let kinds =
            causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
        for kind in kinds {
            match kind {
                ErrorKind::ConnectionRefused => return failed(FailureKind::Refused, at),
                ErrorKind::TimedOut | ErrorKind::HostUnreachable => return failed(FailureKind::NoAnswer, at),
                _ => {}
            }
        }
    }
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let (outer, inner) = (error.to_string(), innermost.to_string());
    failed(FailureKind::Unreachable, if outer == inner { outer } else { format!("{outer}: {inner}") })
}

/// What came instead of a picture.
pub fn no_picture(bytes: &[u8]) -> StreamFailure {
    if bytes.trim_ascii_start().starts_with(b"<") {
        return failed(FailureKind::NotFound, "the camera answered with a page, not a picture: wrong path?");
    }
    failed(FailureKind::Codec, "the camera's answer holds no JPEG, PNG, WebP or BMP: wrong path?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_leave_the_address() {
        // Another test may have been quicker.
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (typed, user, password) in [
            ("http://ad%40min:p%2Fw+d@h/snap.jpg?c=1", "ad@min", "p/w+d"),
            ("http://admin:p@ss#w0rd@h/snap.jpg?c=1", "admin", "p@ss#w0rd"),
            ("http://admin:pass w0rd@h/snap.jpg?c=1", "admin", "pass w0rd"),
        ] {
            let camera = Camera::new(typed, Patience::Answer, true).unwrap();
            assert_eq!((camera.login.user.as_str(), camera.login.password.as_str()), (user, password));
            assert_eq!(camera.url.as_str(), "http://h/snap.jpg?c=1");
        }
    }
}
