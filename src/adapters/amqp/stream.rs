//! The byte stream under AMQP: TCP, or TLS over it that trusts whom HTTPS trusts.
//!
//! lapin brings TLS of its own, and with it readers for PKCS #12, X.509 and ASN.1 that a box has no use for.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::io::{AsyncRead, AsyncWrite};
use futures_util::{Stream, TryFutureExt as _};
use lapin::tcp::AsyncTcpStream;
use lapin::uri::AMQPUri;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio_rustls::TlsConnector;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use crate::ports::broker::BrokerError;

/// TCP, or TLS.
pub trait Duplex: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Duplex for S {}

type BrokerStream = Compat<Box<dyn Duplex>>;

/// Tokio, with a [`BrokerStream`] where lapin has a TCP stream.
pub type BrokerRuntime = Runtime<RuntimeParts<Tokio, BrokerReactor>>;

/// The runtime of the caller.
pub fn runtime() -> BrokerRuntime {
    Runtime::new(RuntimeParts::new(Tokio::current(), BrokerReactor(Tokio::current())))
}

/// See [`BrokerRuntime`].
#[derive(Debug, Clone)]
pub struct BrokerReactor(Tokio);

impl Reactor for BrokerReactor {
    type TcpStream = BrokerStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, period: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(period)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        dial(address).map_ok(boxed)
    }
}

async fn dial(address: impl ToSocketAddrs) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn boxed(stream: impl Duplex + 'static) -> BrokerStream {
    (Box::new(stream) as Box<dyn Duplex>).compat()
}

/// Connects to the address's host, over TLS with a `tls`.
pub async fn connect(uri: &AMQPUri, tls: Option<TlsConnector>) -> io::Result<AsyncTcpStream<BrokerStream>> {
    let host = uri.authority.host.as_str();
    let stream = dial((host, uri.authority.port)).await?;
    Ok(AsyncTcpStream::Plain(match tls {
        None => boxed(stream),
        Some(tls) => {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            boxed(tls.connect(name, stream).await?)
        }
    }))
}

/// TLS that trusts the authorities of the system, and those of `ca_pem`.
pub fn tls(ca_pem: Option<&[u8]>) -> Result<TlsConnector, BrokerError> {
    let unusable = |reason: String| BrokerError::Unreachable(format!("TLS cannot be set up: {reason}"));
    let more = CertificateDer::pem_slice_iter(ca_pem.unwrap_or_default())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(format!("platform.ca_file: {error}")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(more, Arc::clone(&provider))
        .map_err(|error| unusable(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
