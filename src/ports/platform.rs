//! The management platform over HTTP.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;
use url::Url;

use menshen_domain::login_refusal::LoginRefusal;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::login::Session;

/// Why a call to the platform brought nothing usable. Texts never hold tokens or bodies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Refused, timed out, no such host, broken off.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable { host: String, reason: String },
    #[error("{host} answered {status}{detail}")]
    Status {
        host: String,
        status: u16,
        /// The platform's own code, where it named one.
        code: Option<i64>,
        detail: String,
    },
    /// It named another address, which was not asked.
    #[error(
        "{host} answered {status}: the address has moved to {to}, and a redirect is not followed here; {advice}"
    )]
    Redirect {
        host: String,
        status: u16,
        /// Without a query, which may repeat the token.
        to: String,
        /// What the installer is to do.
        advice: String,
        /// The new address is that of a login page, by its name.
        leads_to_login: bool,
    },
    /// It answered 200 with something else than what was asked for.
    #[error("{host} answered something unusable: {reason}")]
    Data { host: String, reason: String },
    /// It answered 200 with a web page: most likely the login page of the platform or of a gateway before it.
    #[error("{host} answered a web page in place of data: is the session over, or a gateway in between?")]
    Page { host: String },
    /// `platform.require_tls` is on, and the address is not https.
    #[error("{host} was not asked: its address is not https, and platform.require_tls is on")]
    NotSecure { host: String },
    #[error("the answer of {host} is larger than {max_bytes} bytes")]
    TooLarge { host: String, max_bytes: usize },
}

impl PlatformError {
    /// The token is no longer good.
    pub fn is_session_rejected(&self) -> bool {
        match self {
            Self::Status { status: 401 | 403, .. } | Self::Page { .. } => true,
            Self::Redirect { leads_to_login, .. } => *leads_to_login,
            _ => false,
        }
    }

    /// Trying the same again cannot help: the address or the request itself is wrong.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                (400..500).contains(status) && ![401, 403, 408, 425, 429].contains(status)
            }
            Self::Unreachable { .. }
            | Self::Redirect { .. }
            | Self::Data { .. }
            | Self::Page { .. }
            | Self::NotSecure { .. }
            | Self::TooLarge { .. } => false,
        }
    }

    /// Why a login was refused, where the platform's code says so.
    pub fn login_refusal(&self) -> Option<LoginRefusal> {
        match self {
            Self::Status { code, .. } => LoginRefusal::of_code((*code)?),
            _ => None,
        }
    }

    /// The protocol's code for it.
    pub fn to_refusal(&self) -> ProtocolError {
        let code = match self {
            Self::Unreachable { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::NotSecure { .. } => StatusCode::RemoteServerFailed,
            Self::Data { .. } | Self::Page { .. } => StatusCode::RemoteDataFailed,
            Self::TooLarge { .. } => StatusCode::ImageTooLarge,
        };
        ProtocolError::new(code, self.to_string())
    }
}

/// The calls the box makes. Every call has its own time limit and size limit.
pub trait PlatformApi: Send + Sync {
    /// Logs in and composes the session. A login by GET is followed over redirects within its server.
    fn log_in(&self) -> BoxFuture<'_, Result<Session, PlatformError>>;

    /// Details of people, raw; `ids` is already a chunk of bearable size.
    fn user_details<'a>(
        &'a self,
        session: &'a Session,
        url: &'a Url,
        ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Value>, PlatformError>>;

    /// Posts a body; `Ok` only for HTTP 200 that is no web page by its bytes: a login page is not the receiver's
    /// word. No redirect is followed. With a session the call carries `token` and `dev_sno`.
    fn post<'a>(
        &'a self,
        session: Option<&'a Session>,
        url: &'a Url,
        body: PostBody,
        purpose: PostPurpose,
    ) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Downloads a registry photo, over redirects within its server; refuses what is no picture by its first bytes.
    fn photo<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Bytes, PlatformError>>;
}

/// What is posted, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostBody {
    pub content_type: Cow<'static, str>,
    pub bytes: Vec<u8>,
}

/// JSON.
impl From<Vec<u8>> for PostBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self { content_type: Cow::Borrowed("application/json"), bytes }
    }
}

/// What a post is for; decides its time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostPurpose {
    /// Fire and forget: short.
    RealTime,
    /// Reports that are retried.
    Report,
    /// As a report; the answer's `status` must be 0 where it has one (protocol section 6).
    DeviceList,
}
