//! The addresses the box listens on, each with as many connections as there are files for.

use tokio_rustls::TlsAcceptor;

use crate::adapters::process::raise_open_files;
use crate::adapters::tls::{CertificatePaths, ServerTls, TlsError, make_own, own_paths};
use crate::config::Settings;
use crate::config::tls::TlsSettings;
use crate::web::connections::Connections;
use crate::web::listener::{Listener, Pace};
use menshen_domain::limits;
use menshen_domain::open_files::ConnectionLimits;

/// The box's web servers.
pub struct Listeners {
    pub web: Listener,
    /// `None` when it is off.
    pub local_api: Option<Listener>,
    /// The live stream; likewise.
    pub stream: Option<Listener>,
    /// FTP sessions at one time.
    pub ftp_sessions: usize,
    /// Of the FTP server; `None` when cameras cannot encrypt.
    pub ftp_tls: Option<TlsAcceptor>,
}

/// An address has no certificate it could show.
#[derive(Debug, thiserror::Error)]
#[error("{section}.tls: {reason}")]
pub struct CertificateError {
    section: &'static str,
    reason: Box<TlsError>,
}

/// TLS of the address of `[section]`, whose certificate is told of.
fn tls_of(
    settings: &Settings,
    section: &'static str,
    tls: &TlsSettings,
) -> Result<Option<TlsAcceptor>, CertificateError> {
    let failed = |reason| CertificateError { section, reason: Box::new(reason) };
    let Some(paths) = certificate_paths(settings, tls) else { return Ok(None) };
    if *tls == TlsSettings::SelfMade {
        make_own(&settings.data_dir).map_err(failed)?;
    }
    let tls = ServerTls::open(paths.clone()).map_err(failed)?;
    tracing::info!(section, certificate = %paths.cert.display(), fingerprint = tls.fingerprint(), "TLS is on");
    Ok(Some(tls.acceptor()))
}

/// Where the certificate of an address is; `None` without TLS.
pub fn certificate_paths(settings: &Settings, tls: &TlsSettings) -> Option<CertificatePaths> {
    match tls {
        TlsSettings::Off => None,
        TlsSettings::SelfMade => Some(own_paths(&settings.data_dir)),
        TlsSettings::Files(files) => {
            Some(CertificatePaths { cert: files.cert.clone(), key: files.key.clone() })
        }
    }
}

impl Listeners {
    /// Raises the number of files that may be open, and shares it out.
    ///
    /// # Errors
    /// When a certificate cannot be used or made.
    pub fn new(settings: &Settings) -> Result<Self, CertificateError> {
        let open_files = raise_open_files().unwrap_or_else(|(open_files, error)| {
            tracing::warn!(open_files, %error, "the number of open files could not be raised");
            open_files
        });
        let most = ConnectionLimits::of(open_files, settings.devices.len());
        if most.is_short {
            tracing::warn!(
                open_files,
                web = most.web,
                local_api = most.local_api,
                stream = most.stream,
                ftp = most.ftp,
                "few files may be open, so few connections are taken; raise LimitNOFILE of the service"
            );
        }
        let web = Connections::new("web", most.web, limits::WEB_CONNECTIONS_PER_ADDRESS);
        let local_api = Connections::new("local_api", most.local_api, limits::LOCAL_CONNECTIONS_PER_ADDRESS);
        let web_tls = tls_of(settings, "web", &settings.web_tls)?;
        let stream = Connections::new("stream", most.stream, limits::STREAM_CLIENTS_PER_ADDRESS);
        let is_on = settings.local_api.listen.is_some() || settings.local_api.stream_listen.is_some();
        let local_tls = if is_on { tls_of(settings, "local_api", &settings.local_api.tls)? } else { None };
        let ftp_tls = match settings.ftp.listen {
            Some(_) => tls_of(settings, "ftp", &settings.ftp.tls)?,
            None => None,
        };
        let stream_tls = local_tls.clone();
        let local_api =
            |address| Listener { address, connections: local_api, tls: local_tls, pace: Pace::Answers };
        let stream = |address| Listener { address, connections: stream, tls: stream_tls, pace: Pace::News };
        Ok(Self {
            web: Listener {
                address: settings.web_listen,
                connections: web,
                tls: web_tls,
                pace: Pace::Answers,
            },
            local_api: settings.local_api.listen.map(local_api),
            stream: settings.local_api.stream_listen.map(stream),
            ftp_sessions: most.ftp,
            ftp_tls,
        })
    }
}
