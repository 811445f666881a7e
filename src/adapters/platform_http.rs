//! The management platform over HTTP, with reqwest.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use url::Url;

use crate::ports::platform::{PlatformApi, PlatformError, PostPurpose};
use menshen_domain::limits;
use menshen_domain::link::LoginMethod;
use menshen_protocol::login::{ErrorDocument, LoginDocument, Session};
use menshen_protocol::user::{UserListAnswer, UserListRequest};

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("platform.ca_file holds no usable certificate: {0}")]
    Certificates(reqwest::Error),
    #[error("cannot set up the HTTP client: {0}")]
    Client(reqwest::Error),
}

/// Who logs in where.
#[derive(Debug, Clone)]
pub struct PlatformParameters {
    /// `None` in standalone mode: then only real-time pushes go out.
    pub login_url: Option<Url>,
    pub login_method: LoginMethod,
    pub dev_sno: String,
    pub hex_mac: String,
    /// More certificate authorities, PEM, for platforms with their own.
    pub ca_pem: Option<Vec<u8>>,
    pub realtime_timeout: Duration,
}

/// The HTTP client of the box. Cloning shares the connection pool.
#[derive(Clone)]
pub struct PlatformHttp {
    client: Client,
    parameters: PlatformParameters,
}

impl PlatformHttp {
    /// # Errors
    /// When the certificates cannot be used, or the TLS library cannot be set up.
    pub fn new(parameters: PlatformParameters) -> Result<Self, ClientError> {
        let mut builder = Client::builder()
            .connect_timeout(Duration::from_millis(limits::HTTP_CONNECT_TIMEOUT_MS))
            .timeout(Duration::from_millis(limits::HTTP_CALL_TIMEOUT_MS))
            .user_agent(concat!("menshen/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &parameters.ca_pem {
            let certificates =
                reqwest::Certificate::from_pem_bundle(pem).map_err(ClientError::Certificates)?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(ClientError::Client)?;
        Ok(Self { client, parameters })
    }

    fn authorised(&self, request: RequestBuilder, session: &Session) -> RequestBuilder {
        request.query(&[("token", session.token.as_str()), ("dev_sno", &self.parameters.dev_sno)])
    }

    async fn log_in_now(&self) -> Result<Session, PlatformError> {
        let Some(url) = &self.parameters.login_url else {
            return Err(PlatformError::Data {
                host: "platform".to_owned(),
                reason: "no platform.login_url is configured".to_owned(),
            });
        };
        let request = match self.parameters.login_method {
            LoginMethod::Get => self.client.get(url.clone()),
            LoginMethod::Post => self.client.post(url.clone()),
        };
        let request =
            request.query(&[("dev_sno", &self.parameters.dev_sno), ("hex_mac", &self.parameters.hex_mac)]);
        let body = answer(request, url, limits::LOGIN_BYTES_MAX).await?;
        let unusable = |reason: String| PlatformError::Data { host: host_of(url), reason };
        let document = LoginDocument::parse(&body).map_err(|error| unusable(error.to_string()))?;
        Session::new(&document, url).map_err(|error| unusable(error.to_string()))
    }

    async fn user_details_now(
        &self,
        session: &Session,
        url: &Url,
        ids: &[String],
    ) -> Result<Vec<Value>, PlatformError> {
        let request = self.client.post(url.clone()).json(&UserListRequest { userid_list: ids.to_vec() });
        let body = answer(self.authorised(request, session), url, limits::USER_DETAILS_BYTES_MAX).await?;
        let unusable = |reason: String| PlatformError::Data { host: host_of(url), reason };
        match serde_json::from_slice::<UserListAnswer>(&body) {
            Ok(answer) => Ok(answer.data.user_list),
            Err(error) => match serde_json::from_slice::<ErrorDocument>(&body) {
                Ok(document) => Err(unusable(error_text(&document))),
                Err(_) => Err(unusable(format!("no data.user_list ({error})"))),
            },
        }
    }

    async fn photo_now(&self, url: &Url) -> Result<Bytes, PlatformError> {
        let request =
            self.client.get(url.clone()).timeout(Duration::from_millis(limits::PHOTO_DOWNLOAD_TIMEOUT_MS));
        let response = checked(request, url).await?;
        let content_type = content_type(&response);
        // Photo servers mislabel pictures all the time; only what is plainly a page is refused unread.
        if content_type.starts_with("text/html") || content_type.starts_with("application/json") {
            let reason = format!("`{content_type}` in place of a photo");
            return Err(PlatformError::Data { host: host_of(url), reason });
        }
        bounded(response, url, limits::PHOTO_BYTES_MAX).await
    }
}

impl PlatformApi for PlatformHttp {
    fn log_in(&self) -> BoxFuture<'_, Result<Session, PlatformError>> {
        self.log_in_now().boxed()
    }

    fn user_details<'a>(
        &'a self,
        session: &'a Session,
        url: &'a Url,
        ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Value>, PlatformError>> {
        self.user_details_now(session, url, ids).boxed()
    }

    fn post<'a>(
        &'a self,
        session: Option<&'a Session>,
        url: &'a Url,
        body: Vec<u8>,
        purpose: PostPurpose,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        let timeout = match purpose {
            PostPurpose::RealTime => self.parameters.realtime_timeout,
            PostPurpose::Report | PostPurpose::DeviceList => Duration::from_millis(limits::REPORT_TIMEOUT_MS),
        };
        let request = self
            .client
            .post(url.clone())
            .timeout(timeout)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let request = match session {
            Some(session) => self.authorised(request, session),
            None => request,
        };
        async move {
            let response = checked(request, url).await?;
            if response.status() != StatusCode::OK {
                let status = response.status().as_u16();
                return Err(PlatformError::Status { host: host_of(url), status, detail: String::new() });
            }
            let response = no_page(response, url)?;
            let unusable = |reason: String| Err(PlatformError::Data { host: host_of(url), reason });
            if purpose == PostPurpose::DeviceList {
                let body = bounded(response, url, limits::LOGIN_BYTES_MAX).await?;
                let status = serde_json::from_slice::<Value>(&body).unwrap_or_default()["status"].as_i64();
                if let Some(status) = status.filter(|status| *status != 0) {
                    return unusable(format!("status {status}"));
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn photo<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Bytes, PlatformError>> {
        self.photo_now(url).boxed()
    }
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// Sends, and turns every status but 2xx into an error with the platform's own words, if it has any.
async fn checked(request: RequestBuilder, url: &Url) -> Result<Response, PlatformError> {
    let response = request.send().await.map_err(|error| unreachable_error(url, &error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let body = bounded(response, url, limits::LOGIN_BYTES_MAX).await.unwrap_or_default();
    let detail = serde_json::from_slice::<ErrorDocument>(&body)
        .map(|document| format!(" ({})", error_text(&document)))
        .unwrap_or_default();
    Err(PlatformError::Status { host: host_of(url), status, detail })
}

async fn answer(request: RequestBuilder, url: &Url, max_bytes: usize) -> Result<Bytes, PlatformError> {
    bounded(no_page(checked(request, url).await?, url)?, url, max_bytes).await
}

/// No answer of the protocol is a web page.
fn no_page(response: Response, url: &Url) -> Result<Response, PlatformError> {
    if content_type(&response).starts_with("text/html") {
        return Err(PlatformError::Page { host: host_of(url) });
    }
    Ok(response)
}

/// Reads a body, giving up at the first byte too many.
async fn bounded(mut response: Response, url: &Url, max_bytes: usize) -> Result<Bytes, PlatformError> {
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

fn error_text(document: &ErrorDocument) -> String {
    let code = document.error.code.map_or_else(String::new, |code| format!("code {code}"));
    let text: String = document.error.message.as_deref().unwrap_or_default().chars().take(200).collect();
    [code, text].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        _ => "platform".to_owned(),
    }
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
