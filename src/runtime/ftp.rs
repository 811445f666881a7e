//! The FTP server that cameras upload photos to.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::actors::face_engine::photos::PhotoIntake;
use crate::adapters::ftp::{FtpRules, FtpServer, FtpStatus};
use crate::config::photos::FtpSettings;

/// The FTP server has no thread.
#[derive(Debug, thiserror::Error)]
#[error("the FTP server cannot be started: {0}")]
pub struct FtpStartError(std::io::Error);

/// The FTP server, running; `None` when it is off.
///
/// # Errors
/// When its thread cannot be started. A port that is taken is no error: it is tried again.
pub fn start_ftp(
    ftp: &FtpSettings,
    (sessions_max, tls): (usize, Option<TlsAcceptor>),
    photos: &Arc<PhotoIntake>,
    status: FtpStatus,
) -> Result<Option<FtpServer>, FtpStartError> {
    let Some(listen) = ftp.listen else { return Ok(None) };
    let rules = FtpRules {
        listen,
        passive_ports: ftp.passive_ports,
        public_host: ftp.public_host,
        upload_bytes_max: ftp.upload_bytes_max,
        uploads_per_minute: ftp.uploads_per_minute,
        sessions_max,
        tls,
        require_tls: ftp.require_tls,
    };
    FtpServer::start(rules, Arc::<PhotoIntake>::clone(photos), status).map(Some).map_err(FtpStartError)
}
