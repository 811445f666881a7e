//! An address that a web server listens on, with what it bears of strangers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_service::{
    IntoServiceFactory, Service as _, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory, fn_service,
    map_config,
};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Extensions, Server};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::connections::{BoxedIo, Connections, Guarded};
use crate::telemetry;
use crate::telemetry::peers_told::PeersTold;
use menshen_domain::limits;

const HEAD: Duration = Duration::from_millis(limits::REQUEST_HEAD_MS);
const KEEP: Duration = Duration::from_millis(limits::KEEP_ALIVE_MS);
const NEWS_STALL: Duration = Duration::from_millis(limits::STREAM_STALL_MS);
/// Time for a connection's farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where a server listens, and how.
#[derive(Clone)]
pub struct Listener {
    pub address: SocketAddr,
    pub connections: Connections,
    pub tls: Option<TlsAcceptor>,
    pub pace: Pace,
}

/// How far a peer may be behind.
#[derive(Clone, Copy)]
pub enum Pace {
    /// Answers: the system holds what it likes, and a peer takes some of it soon.
    Answers,
    /// News: the system holds little, and a peer may be slow.
    News,
}

impl Listener {
    /// Makes a server of `app` that serves once its future is polled. HTTP/1.1 only; a connection has its
    /// [`Connection`](super::connections::Connection) in the data of each of its requests.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn serve<F, I, S, B>(self, app: F) -> io::Result<Server>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Future: 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: std::fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as actix_service::Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let Self { address, connections, tls, pace } = self;
        let (name, told) = (connections.name(), Arc::<PeersTold>::default());
        let server = Server::build()
            .workers(1)
            .disable_signals()
            .shutdown_timeout(1)
            .bind("http", address, move || {
                let (connections, tls) = (connections.clone(), tls.clone());
                let enter = fn_service(move |stream: TcpStream| {
                    let (connections, tls) = (connections.clone(), tls.clone());
                    async move { enter(stream, pace, &connections, tls).await }
                });
                let app = app().into_factory().map_err(|error| error.into().error_response());
                let told = Arc::clone(&told);
                let http = HttpService::build()
                    .keep_alive(KeepAlive::Timeout(KEEP))
                    .client_request_timeout(HEAD)
                    .client_disconnect_timeout(FAREWELL)
                    .on_connect_ext(|io: &BoxedIo, data: &mut Extensions| {
                        data.insert(io.connection().clone());
                    })
                    .h1(map_config(app, |()| AppConfig::default()));
                let http = apply_fn_factory(http, move |(io, peer): (BoxedIo, Option<SocketAddr>), http| {
                    let (told, who) = (Arc::clone(&told), io.connection().peer);
                    let served = http.call((io, peer));
                    async move { served.await.inspect_err(|error| tell(name, who, &told, error)) }
                });
                enter.and_then(http.map_err(|_| ()))
            })?
            .run();
        Ok(server)
    }
}

/// Why a connection ended before its time. What strangers send is told of once in a while for each address: the library's own lines,
/// one a connection and without the address, are left out of the log (`cli::run`).
fn tell(server: &'static str, peer: IpAddr, told: &PeersTold, error: &DispatchError) {
    match error {
        DispatchError::Parse(error) => {
            telemetry::BROKEN_REQUESTS.of(server).increment(1);
            if let Some(count) = told.count(peer) {
                tracing::warn!(server, %peer, count, %error, "a request could not be read");
            }
        }
        DispatchError::Io(_)
        | DispatchError::SlowRequestTimeout
        | DispatchError::DisconnectTimeout
        | DispatchError::HandlerDroppedPayload => {
            tracing::debug!(server, %peer, %error, "a connection ended early");
        }
        // The answer, which is the box's own doing.
        error => tracing::error!(server, %peer, %error, "a call could not be answered"),
    }
}

/// A connection in its place. `Err`: there is none, which is counted.
async fn enter(
    stream: TcpStream,
    pace: Pace,
    connections: &Connections,
    tls: Option<TlsAcceptor>,
) -> Result<(BoxedIo, Option<SocketAddr>), ()> {
    let peer = stream.peer_addr().map_err(|_| ())?;
    let place = connections.enter(peer.ip()).ok_or(())?;
    // Answers are small and wait for nothing.
    let _ = stream.set_nodelay(true);
    let connection = place.connection().clone();
    if let Pace::News = pace {
        // What lies there cannot be dropped for what is newer. Without it there is only more of that.
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(limits::STREAM_SEND_BUFFER_BYTES);
    }
    let guarded = match pace {
        Pace::Answers => Guarded::new(stream, place),
        Pace::News => Guarded::new(stream, place).with_stall(NEWS_STALL),
    };
    let Some(tls) = tls else { return Ok((BoxedIo::new(guarded, connection), Some(peer))) };
    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD, tls.accept(guarded)).await {
        return Ok((BoxedIo::new(stream, connection), Some(peer)));
    }
    // Who speaks http to it, or does not trust the certificate, is told by nobody but this.
    connections.count_handshake();
    Err(())
}
