//! Pictures that a caller of the local API names by their address.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use url::Url;

use menshen_domain::limits;
use menshen_domain::status::{ProtocolError, StatusCode};

/// Why a picture was not fetched. Texts name no address: the caller has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    #[error("must be http or https, with a host")]
    Scheme,
    #[error("must be https: platform.require_tls is on")]
    NotSecure,
    #[error("leads to a private network, where only a caller on this machine may send the box")]
    Private,
    #[error("its host is unknown")]
    Unresolved,
    #[error("was answered {0}; redirects are not followed")]
    Status(u16),
    #[error("is larger than {} bytes", limits::PHOTO_BYTES_MAX)]
    TooLarge,
    #[error("could not be fetched within {} s", limits::PICTURE_DOWNLOAD_MS / 1000)]
    Failed,
}

impl DownloadError {
    /// The refusal of the call that names the picture as `key`.
    pub fn to_refusal(&self, key: &str) -> ProtocolError {
        let code = match self {
            Self::Scheme | Self::NotSecure | Self::Private => StatusCode::LocalParamError,
            Self::TooLarge => StatusCode::ImageTooLarge,
            Self::Unresolved | Self::Status(_) | Self::Failed => StatusCode::ImageError,
        };
        ProtocolError::new(code, format!("`{key}` {self}"))
    }
}

pub trait PictureDownload: Send + Sync {
    /// Fetches a picture. `from_anywhere`: from private networks too.
    fn get<'a>(&'a self, url: &'a Url, from_anywhere: bool) -> BoxFuture<'a, Result<Bytes, DownloadError>>;
}
