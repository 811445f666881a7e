//! The certificate the box shows to those who connect to it: one of the installer's, or one it makes itself.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, SignatureScheme};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use super::files::write_flushed;
use crate::regular_file::{self, NoFile};

/// How often it is looked whether a certificate was replaced.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whom a certificate of the box's own is for.
const OWN_NAME: &str = "menshen";

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {path}: {reason}")]
    Read { path: String, reason: io::Error },
    #[error("{path} holds no certificate in PEM form: {reason}")]
    Certificate { path: String, reason: String },
    #[error("{path} holds no private key in PEM form without a password: {reason}")]
    Key { path: String, reason: String },
    #[error("{cert} and {key} do not belong together, or are of a kind that cannot be used: {reason}")]
    Pair { cert: String, key: String, reason: rustls::Error },
    #[error("cannot make a certificate in {folder}: {reason}")]
    Make { folder: String, reason: String },
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// A certificate and its key on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificatePaths {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// Where the box's own certificate is.
pub fn own_paths(data_dir: &Path) -> CertificatePaths {
    let folder = data_dir.join("tls");
    CertificatePaths { cert: folder.join("cert.pem"), key: folder.join("key.pem") }
}

/// The box's own certificate, made where there is none yet.
///
/// # Errors
/// When it cannot be written.
pub fn make_own(data_dir: &Path) -> Result<CertificatePaths, TlsError> {
    let paths = own_paths(data_dir);
    if paths.cert.is_file() && paths.key.is_file() {
        return Ok(paths);
    }
    let folder = data_dir.join("tls");
    let failed = |reason: String| TlsError::Make { folder: folder.display().to_string(), reason };
    let mut names =
        vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), OWN_NAME.to_owned()];
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if !host.is_empty() && host.is_ascii() && !names.contains(&host) {
        names.push(host);
    }
    let mut parameters = CertificateParams::new(names).map_err(|error| failed(error.to_string()))?;
    parameters.distinguished_name.push(DnType::CommonName, OWN_NAME);
    let key = KeyPair::generate().map_err(|error| failed(error.to_string()))?;
    let certificate = parameters.self_signed(&key).map_err(|error| failed(error.to_string()))?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(|error| failed(error.to_string()))?;
    // The key first: a certificate without it would be no use.
    for (path, pem) in [(&paths.key, key.serialize_pem()), (&paths.cert, certificate.pem())] {
        write_flushed(&path.with_extension("part"), path, pem.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    Ok(paths)
}

/// Also while the box runs, when one was replaced.
fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed =
        |no_file: NoFile| TlsError::Read { path: path.display().to_string(), reason: no_file.into() };
    regular_file::read(path).map_err(failed)
}

/// The chain of a file.
///
/// # Errors
/// When there is none.
pub fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let unusable = |reason: String| TlsError::Certificate { path: path.display().to_string(), reason };
    let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| unusable(error.to_string()))?;
    if chain.is_empty() { Err(unusable("nothing is in it".to_owned())) } else { Ok(chain) }
}

fn read_pair(paths: &CertificatePaths) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(&paths.cert)?;
    let shown = paths.key.display().to_string();
    let bytes = zeroize::Zeroizing::new(read(&paths.key)?);
    let key = PrivateKeyDer::from_pem_slice(&bytes)
        .map_err(|error| TlsError::Key { path: shown.clone(), reason: error.to_string() })?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|reason| TlsError::Pair {
        cert: paths.cert.display().to_string(),
        key: shown,
        reason,
    })
}

/// SHA-256 of a certificate, as browsers show it.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = Sha256::digest(certificate);
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

type Stamp = [(u64, i64, i64, u64); 2];

/// What the files were when they were read.
fn stamp(paths: &CertificatePaths) -> io::Result<Stamp> {
    let of = |path: &Path| {
        fs::metadata(path).map(|facts| (facts.ino(), facts.ctime(), facts.ctime_nsec(), facts.size()))
    };
    Ok([of(&paths.cert)?, of(&paths.key)?])
}

struct Current {
    pair: Arc<CertifiedKey>,
    stamp: Option<Stamp>,
    looked: Instant,
}

/// A certificate that is read again when its files change.
struct Reloading {
    paths: CertificatePaths,
    current: Mutex<Current>,
}

impl std::fmt::Debug for Reloading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloading").field("cert", &self.paths.cert).finish_non_exhaustive()
    }
}

impl Reloading {
    fn pair(&self) -> Arc<CertifiedKey> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.looked.elapsed() < LOOK_EVERY {
            return Arc::clone(&current.pair);
        }
        current.looked = Instant::now();
        let now = stamp(&self.paths).ok();
        if now.is_none() || now == current.stamp {
            return Arc::clone(&current.pair);
        }
        match read_pair(&self.paths) {
            Ok(pair) => {
                tracing::info!(
                    cert = %self.paths.cert.display(),
                    fingerprint = pair.cert.first().map_or_else(String::new, |leaf| fingerprint(leaf)),
                    "a certificate was replaced and is used from now on"
                );
                current.pair = Arc::new(pair);
                current.stamp = now;
            }
            // Perhaps only one of the two has been written yet.
            Err(error) => {
                tracing::warn!(%error, "a certificate was changed and cannot be used; the one before stays");
            }
        }
        Arc::clone(&current.pair)
    }
}

impl ResolvesServerCert for Reloading {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair())
    }
}

/// TLS of one address.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    certificate: Arc<Reloading>,
}

impl ServerTls {
    /// # Errors
    /// When the certificate or its key cannot be used.
    pub fn open(paths: CertificatePaths) -> Result<Self, TlsError> {
        let stamp = stamp(&paths).ok();
        let pair = Arc::new(read_pair(&paths)?);
        let current = Mutex::new(Current { pair, stamp, looked: Instant::now() });
        let certificate = Arc::new(Reloading { paths, current });
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(TlsError::Setup)?
                .with_no_client_auth()
                .with_cert_resolver(Arc::<Reloading>::clone(&certificate));
        // A client that only sends, as on a data connection of FTP, never reads its tickets, and closing with something unread
        // resets the connection: what it sent last is lost.
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Of the certificate in use.
    pub fn fingerprint(&self) -> String {
        self.certificate.pair().cert.first().map_or_else(String::new, |leaf| fingerprint(leaf))
    }
}

/// For who knows the very certificate: the box's own command line. Names and dates are not looked at.
#[derive(Debug)]
pub struct Pinned {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    pub fn new(certificate: CertificateDer<'static>) -> Self {
        Self { certificate, provider: Arc::new(rustls::crypto::ring::default_provider()) }
    }

    /// A client that takes this certificate and no other.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn client(self) -> Result<rustls::ClientConfig, TlsError> {
        let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self))
            .with_no_client_auth();
        Ok(config)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_own_certificate_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let paths = make_own(folder.path()).unwrap();
        let first = ServerTls::open(paths.clone()).unwrap().fingerprint();
        assert_eq!(first.len(), 32 * 3 - 1);
        assert_eq!(ServerTls::open(make_own(folder.path()).unwrap()).unwrap().fingerprint(), first);
        let mode = fs::metadata(&paths.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_replaced_certificate_is_used_and_half_a_change_is_not() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (paths, new) = (make_own(folder.path()).unwrap(), make_own(other.path()).unwrap());
        let tls = ServerTls::open(paths.clone()).unwrap();
        let look = || {
            tls.certificate.current.lock().unwrap().looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
            tls.fingerprint()
        };
        let first = look();
        fs::copy(&new.cert, &paths.cert).unwrap();
        assert_eq!(look(), first, "the key is not of this certificate yet");
        fs::copy(&new.key, &paths.key).unwrap();
        let second = look();
        assert_ne!(second, first);
        fs::write(&paths.cert, "nothing").unwrap();
        assert_eq!(look(), second);
        fs::remove_file(&paths.cert).unwrap();
        assert_eq!(look(), second);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (paths, new) = (make_own(folder.path()).unwrap(), make_own(other.path()).unwrap());
        let told = |cert: &Path, key: &Path| {
            let paths = CertificatePaths { cert: cert.to_path_buf(), key: key.to_path_buf() };
            ServerTls::open(paths).err().expect("refused").to_string()
        };
        assert!(told(&paths.cert, &new.key).contains("do not belong together"));
        assert!(told(&paths.key, &paths.key).contains("no certificate"));
        assert!(told(&paths.cert, &paths.cert).contains("no private key"));
        assert!(told(&folder.path().join("none"), &paths.key).contains("cannot read"));
    }
}
