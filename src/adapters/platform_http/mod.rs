//! The management platform over HTTP, with reqwest.

mod answer;
mod host;
mod redirect;

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use url::Url;

use self::answer::{bounded, checked, document, error_text, is_page};
use self::host::host_of;
use self::redirect::{Moved, within_server};
use crate::ports::platform::{PlatformApi, PlatformError, PostBody, PostPurpose};
use menshen_domain::limits;
use menshen_domain::link::LoginMethod;
use menshen_domain::login_refusal::LoginRefusal;
use menshen_protocol::login::{ErrorDocument, LoginDocument, Session};
use menshen_protocol::page::BodyKind;
use menshen_protocol::user::{UserListAnswer, UserListRequest};
use menshen_protocol::{json, lenient};

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
    /// Addresses without TLS are not asked.
    pub require_tls: bool,
    pub realtime_timeout: Duration,
}

/// The HTTP client of the box. Cloning shares the connection pools.
#[derive(Clone)]
pub struct PlatformHttp {
    /// For what carries a token or a body: follows no redirect.
    calls: Client,
    /// For what only asks: follows redirects within one server.
    downloads: Client,
    parameters: PlatformParameters,
}

impl PlatformHttp {
    /// # Errors
    /// When the certificates cannot be used, or the TLS library cannot be set up.
    pub fn new(parameters: PlatformParameters) -> Result<Self, ClientError> {
        let client = |redirects: Policy| {
            let mut builder = Client::builder()
                .connect_timeout(Duration::from_millis(limits::HTTP_CONNECT_TIMEOUT_MS))
                .timeout(Duration::from_millis(limits::HTTP_CALL_TIMEOUT_MS))
                .redirect(redirects)
                // It would carry the token of the address before.
                .referer(false)
                .user_agent(concat!("menshen/", env!("CARGO_PKG_VERSION")));
            if let Some(pem) = &parameters.ca_pem {
                let certificates =
                    reqwest::Certificate::from_pem_bundle(pem).map_err(ClientError::Certificates)?;
                builder = builder.tls_certs_merge(certificates);
            }
            builder.build().map_err(ClientError::Client)
        };
        let (calls, downloads) = (client(Policy::none())?, client(within_server())?);
        Ok(Self { calls, downloads, parameters })
    }

    /// Faces, names and tokens go nowhere without TLS where that is insisted on.
    fn check_secure(&self, url: &Url) -> Result<(), PlatformError> {
        if self.parameters.require_tls && url.scheme() != "https" {
            return Err(PlatformError::NotSecure { host: host_of(url) });
        }
        Ok(())
    }

    fn moved(&self) -> Moved<'_> {
        Moved::Call(self.parameters.login_url.as_ref())
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
        self.check_secure(url)?;
        let request = match self.parameters.login_method {
            LoginMethod::Get => self.downloads.get(url.clone()),
            LoginMethod::Post => self.calls.post(url.clone()),
        };
        let request =
            request.query(&[("dev_sno", &self.parameters.dev_sno), ("hex_mac", &self.parameters.hex_mac)]);
        let response = checked(request, url, &Moved::Login).await?;
        let body = document(response, url, limits::LOGIN_BYTES_MAX).await?;
        let unusable = |reason: String| PlatformError::Data { host: host_of(url), reason };
        let document = LoginDocument::parse(&body).map_err(|error| {
            // A failure may come with 200.
            let is_known = |told: &ErrorDocument| told.error.code.and_then(LoginRefusal::of_code).is_some();
            let told = ErrorDocument::parse(&body).filter(is_known);
            told.map_or_else(
                || unusable(error.to_string()),
                |told| PlatformError::Status {
                    host: host_of(url),
                    status: StatusCode::OK.as_u16(),
                    code: told.error.code,
                    detail: format!(" ({})", error_text(&told)),
                },
            )
        })?;
        Session::new(&document, url).map_err(|error| unusable(error.to_string()))
    }

    async fn user_details_now(
        &self,
        session: &Session,
        url: &Url,
        ids: &[String],
    ) -> Result<Vec<Value>, PlatformError> {
        self.check_secure(url)?;
        let request = self.calls.post(url.clone()).json(&UserListRequest { userid_list: ids.to_vec() });
        let response = checked(self.authorised(request, session), url, &self.moved()).await?;
        let body = document(response, url, limits::USER_DETAILS_BYTES_MAX).await?;
        UserListAnswer::parse(&body).map(|answer| answer.data.user_list).map_err(|error| {
            let reason =
                ErrorDocument::parse(&body).map_or_else(|| error.to_string(), |failed| error_text(&failed));
            PlatformError::Data { host: host_of(url), reason }
        })
    }

    async fn photo_now(&self, url: &Url) -> Result<Bytes, PlatformError> {
        self.check_secure(url)?;
        let limit = Duration::from_millis(limits::PHOTO_DOWNLOAD_TIMEOUT_MS);
        let request = self.downloads.get(url.clone()).timeout(limit);
        let response = checked(request, url, &self.moved()).await?;
        let body = bounded(response, url, limits::PHOTO_BYTES_MAX).await?;
        // Photo servers mislabel pictures all the time; what is plainly something else is told as what it is.
        let instead = match BodyKind::of(&body) {
            BodyKind::Page => "a web page",
            BodyKind::Json => "JSON",
            BodyKind::Empty | BodyKind::Other => return Ok(body),
        };
        Err(PlatformError::Data { host: host_of(url), reason: format!("{instead} in place of a photo") })
    }

    async fn post_now(
        &self,
        session: Option<&Session>,
        url: &Url,
        body: PostBody,
        purpose: PostPurpose,
    ) -> Result<(), PlatformError> {
        self.check_secure(url)?;
        let timeout = match purpose {
            PostPurpose::RealTime => self.parameters.realtime_timeout,
            PostPurpose::Report | PostPurpose::DeviceList => Duration::from_millis(limits::REPORT_TIMEOUT_MS),
        };
        let request = self.calls.post(url.clone()).timeout(timeout);
        let request = request.header(CONTENT_TYPE, body.content_type.as_ref()).body(body.bytes);
        let request = match session {
            Some(session) => self.authorised(request, session),
            None => request,
        };
        let response = checked(request, url, &self.moved()).await?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(PlatformError::Status {
                host: host_of(url),
                status,
                code: None,
                detail: String::new(),
            });
        }
        if purpose != PostPurpose::DeviceList {
            return if is_page(response).await {
                Err(PlatformError::Page { host: host_of(url) })
            } else {
                Ok(())
            };
        }
        let body = document(response, url, limits::LOGIN_BYTES_MAX).await?;
        let answer = json::parse(&body).unwrap_or_default();
        match lenient::integer_of(&answer["status"]).filter(|status| *status != 0) {
            Some(status) => {
                Err(PlatformError::Data { host: host_of(url), reason: format!("status {status}") })
            }
            None => Ok(()),
        }
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
        body: PostBody,
        purpose: PostPurpose,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        self.post_now(session, url, body, purpose).boxed()
    }

    fn photo<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Bytes, PlatformError>> {
        self.photo_now(url).boxed()
    }
}
