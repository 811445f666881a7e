//! One camera over HTTP: SOAP calls with a password digest, in the message (WS-UsernameToken) or in HTTP, as it wants.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::Url;

use super::{Login, OnvifError};
use crate::adapters::http_login::{Asked, Challenge, LoginError};
use menshen_domain::limits;
use menshen_domain::secrets::mask_credentials;
use menshen_protocol::onvif::clock::utc_text;
use menshen_protocol::onvif::security::{self, NONCE_BYTES};
use menshen_protocol::onvif::soap::{Request, SoapError, is_refusal, tidy};

/// What a camera answered; a SOAP fault may be in it.
pub struct Answer {
    pub step: &'static str,
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// What `reader` finds in it, or why there is nothing.
    pub fn read<T>(&self, reader: impl FnOnce(&[u8]) -> Result<T, SoapError>) -> Result<T, OnvifError> {
        reader(&self.body).map_err(|what| match what {
            SoapError::Fault(fault) => OnvifError::Fault(self.step, fault),
            SoapError::Broken(_) | SoapError::Missing(_) => OnvifError::Xml(self.step, what),
            SoapError::Page | SoapError::NotXml | SoapError::NotSoap(_) => {
                OnvifError::NotOnvif { status: self.status, what }
            }
        })
    }
}

pub struct Client {
    http: reqwest::Client,
    login: Option<Login>,
    /// What the camera last asked for in HTTP.
    challenge: Option<Challenge>,
    /// How far the camera's clock is ahead of this one's, once it is known.
    pub clock_ahead_ms: Option<i64>,
    /// Nothing goes on behind it.
    until: Instant,
}

impl Client {
    /// Finds the camera's address and tries its port.
    pub async fn reach(
        device: &Url,
        login: Option<Login>,
        until: Instant,
    ) -> Result<(Self, IpAddr), OnvifError> {
        let at = connect(device).await?;
        let mut http = reqwest::Client::builder()
            .no_proxy()
            // A camera that redirects is an error: a password's digest goes only where the installer says.
            .redirect(reqwest::redirect::Policy::none())
            // Small servers close what they said they keep open, and look for `Content-Length` in this very spelling.
            .pool_max_idle_per_host(0)
            .http1_title_case_headers()
            .connect_timeout(Duration::from_millis(limits::ONVIF_CONNECT_MS));
        if let Some(name) = device.domain() {
            http = http.resolve(name, at);
        }
        let http = http.build().map_err(|error| OnvifError::Broken("connect", error.to_string()))?;
        Ok((Self { http, login, challenge: None, clock_ahead_ms: None, until }, at.ip()))
    }

    pub fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Calls with the login, where there is one. At most two digests go out for one call: cameras lock accounts.
    pub async fn call(&mut self, to: &Url, request: &Request) -> Result<Answer, OnvifError> {
        self.try_call(to, request, true).await
    }

    /// Calls without a login, as ONVIF has it for what must be known before one can log in.
    pub async fn call_open(&mut self, to: &Url, request: &Request) -> Result<Answer, OnvifError> {
        self.try_call(to, request, false).await
    }

    async fn try_call(&mut self, to: &Url, request: &Request, logs_in: bool) -> Result<Answer, OnvifError> {
        let step = request.name;
        let mut is_second = false;
        loop {
            let response = self.send(to, request, logs_in).await?;
            let status = response.status();
            let digest = challenge(response.headers());
            if status.is_redirection() {
                return Err(redirected(&response));
            }
            let body = body(step, response).await?;
            if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && !is_refusal(&body) {
                return Ok(Answer { step, status: status.as_u16(), body });
            }
            let may_retry = logs_in && self.login.is_some() && !is_second;
            // Kept for the next call too: what a camera asked for once it asks for always.
            let digest = match digest {
                Err(error @ LoginError::Unknown(_)) if may_retry => {
                    return Err(OnvifError::LoginScheme(error.to_string()));
                }
                other => other.ok(),
            };
            let has_challenge = digest.is_some();
            self.challenge = digest.or(self.challenge.take());
            if !(may_retry && has_challenge) {
                return Err(OnvifError::Unauthorized {
                    had_login: logs_in && self.login.is_some(),
                    clock_unknown: self.clock_ahead_ms.is_none(),
                });
            }
            is_second = true;
        }
    }

    async fn send(&mut self, to: &Url, request: &Request, logs_in: bool) -> Result<Response, OnvifError> {
        let step = request.name;
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(OnvifError::TimedOut(step));
        }
        let login = self.login.as_ref().filter(|_| logs_in);
        // Never both: some cameras check the one they did not ask for, too.
        let (header, authorization) = match (login, self.challenge.as_mut()) {
            (None, _) => (None, None),
            (Some(login), None) => (Some(token(login, self.clock_ahead_ms.unwrap_or(0))?), None),
            (Some(Login { user, password }), Some(challenge)) => {
                let query = to.query().map(|query| format!("?{query}")).unwrap_or_default();
                let path = format!("{}{query}", to.path());
                let body = request.envelope(None);
                let asked = Asked { method: "POST", uri: &path, body: Some(body.as_bytes()) };
                let answer = challenge
                    .answer(user, password, &asked)
                    .map_err(|error| OnvifError::Broken(step, error.to_string()))?;
                (None, Some(answer))
            }
        };
        let kind = format!("application/soap+xml; charset=utf-8; action=\"{}\"", request.action);
        let mut post = self
            .http
            .post(to.clone())
            .header(CONTENT_TYPE, kind)
            .timeout(left.min(Duration::from_millis(limits::ONVIF_CALL_MS)))
            .body(request.envelope(header.as_deref()));
        if let Some(authorization) = authorization {
            post = post.header(AUTHORIZATION, authorization);
        }
        post.send().await.map_err(|error| broke_off(step, error))
    }
}

fn token(login: &Login, clock_ahead_ms: i64) -> Result<String, OnvifError> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(|error| OnvifError::Broken("nonce", error.to_string()))?;
    let created = utc_text(now_ms() + clock_ahead_ms);
    Ok(security::header(&login.user, &login.password, &nonce, &created))
}

/// This machine's clock, in milliseconds since the epoch.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// The first address that takes a connection. reqwest's own errors do not distinguish these.
async fn connect(url: &Url) -> Result<SocketAddr, OnvifError> {
    let within = Duration::from_millis(limits::ONVIF_CONNECT_MS);
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let found = timeout(within, lookup_host((host.clone(), port))).await;
    let first = found.ok().and_then(Result::ok).and_then(|mut addresses| addresses.next());
    let Some(first) = first else { return Err(OnvifError::Name(host)) };
    match timeout(within, TcpStream::connect(first)).await {
        Ok(Ok(_)) => Ok(first),
        Err(_) => Err(OnvifError::NoAnswer(first)),
        Ok(Err(error)) => Err(match error.kind() {
            std::io::ErrorKind::ConnectionRefused => OnvifError::Refused(first),
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::HostUnreachable => OnvifError::NoAnswer(first),
            _ => OnvifError::Unreachable(first, error.to_string()),
        }),
    }
}

fn redirected(response: &Response) -> OnvifError {
    let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    OnvifError::Redirected(tidy(&mask_credentials(to), limits::ONVIF_TEXT_CHARS_MAX))
}

/// The camera's challenge, of those it offers that send no password as such.
fn challenge(headers: &HeaderMap) -> Result<Challenge, LoginError> {
    let offered = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    Challenge::best(offered)
        .and_then(|best| if best.is_digest() { Ok(best) } else { Err(LoginError::NoChallenge) })
}

async fn body(step: &'static str, mut response: Response) -> Result<Vec<u8>, OnvifError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broke_off(step, error))? {
        if bytes.len() + chunk.len() > limits::ONVIF_ANSWER_BYTES_MAX {
            return Err(OnvifError::TooLarge(step));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.into())
}

fn broke_off(step: &'static str, error: reqwest::Error) -> OnvifError {
    if error.is_timeout() {
        return OnvifError::TimedOut(step);
    }
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let why = tidy(&innermost.to_string(), limits::ONVIF_TEXT_CHARS_MAX);
    if why.contains("certificate") { OnvifError::Certificate(why) } else { OnvifError::Broken(step, why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_challenge_is_found_among_others() {
        let mut headers = HeaderMap::new();
        assert!(challenge(&headers).is_err());
        headers.append(WWW_AUTHENTICATE, "Basic realm=\"c\"".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, "Digest nonsense".parse().unwrap());
        assert!(challenge(&headers).is_err());
        headers.append(WWW_AUTHENTICATE, "digest realm=\"c\", nonce=\"n\", qop=\"auth\"".parse().unwrap());
        assert!(challenge(&headers).is_ok());
    }

    #[test]
    fn a_login_never_shows_its_password() {
        let login = Login { user: "admin".to_owned(), password: "s3cret".to_owned() };
        assert!(!format!("{login:?}").contains("s3cret"));
    }
}
