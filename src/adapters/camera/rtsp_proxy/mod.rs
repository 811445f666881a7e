//! Stands between GStreamer's RTSP client and a camera, on this machine, and does what that client does not (1.22): requests
//! that keep a session alive while packets come over the same connection, digests with quality and with SHA-256, stray bytes
//! between packets.
//!
//! The client is given `rtsp://127.0.0.1:PORT/KEY/HOST/path` for `rtsp://HOST/path`, so every address it may come by is
//! translated by its beginning alone, there and back. The key keeps other programs of this machine out.

mod message;
mod session;
mod shared;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::{Element, Pipeline};
use tokio::sync::Notify;

use self::shared::Shared;
use crate::ports::camera::{NoticeSink, OpenError, StreamFailure};
use menshen_domain::address::{Address, Login};
use menshen_domain::limits;

/// A running proxy; ends with its last handle.
pub struct RtspProxy {
    shared: Arc<Shared>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
    rest: String,
}

impl RtspProxy {
    /// Listens; the camera is connected to when the client comes.
    pub fn start(address: &Address, device: &str, notices: Option<NoticeSink>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listener.set_nonblocking(true)?;
        let front = format!("rtsp://{}/{:016x}/", listener.local_addr()?, rand::random::<u64>());
        let shared = Arc::new(Shared {
            device: device.to_owned(),
            login: address.login.clone(),
            front,
            notices,
            failure: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let (stopped, serving) = (Arc::clone(&stop), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("rtsp-proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, &serving) => {}
                    () = stopped.notified() => {}
                }
            });
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Self { shared, stop, thread: Some(thread), rest: address.rest.clone() })
    }

    /// Puts a proxy between a pipeline's client and its camera, where all of it goes over one TCP connection. Over UDP the
    /// client keeps its session alive by itself, and TLS it has to speak itself.
    pub fn before(
        pipeline: &Pipeline,
        device: &str,
        notices: Option<NoticeSink>,
    ) -> Result<Option<Self>, OpenError> {
        let is_client =
            |element: &Element| element.factory().is_some_and(|factory| factory.name() == "rtspsrc");
        let Some(client) = pipeline.children().into_iter().find(is_client) else { return Ok(None) };
        let location = client.property::<Option<String>>("location").unwrap_or_default();
        let Some(mut address) = Address::read(&location) else { return Ok(None) };
        if !matches!(address.scheme.as_str(), "rtsp" | "rtspt") || !is_tcp_only(&client) {
            return Ok(None);
        }
        let text = |property: &str| client.property::<Option<String>>(property).unwrap_or_default();
        if address.login.is_empty() {
            address.login = Login { user: text("user-id"), password: text("user-pw") };
        }
        let proxy = Self::start(&address, device, notices);
        let proxy =
            proxy.map_err(|error| OpenError::Start(format!("no port for its RTSP session: {error}")))?;
        client.set_property("location", proxy.location());
        client.set_property("user-id", None::<String>);
        client.set_property("user-pw", None::<String>);
        Ok(Some(proxy))
    }

    /// The address for the client.
    fn location(&self) -> String {
        format!("{}{}", self.shared.front, self.rest)
    }

    /// What went wrong first, in the words for an installer.
    pub fn failure(&self) -> Option<StreamFailure> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RtspProxy {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been logged by the panic handler.
            let _ = thread.join();
        }
    }
}

fn is_tcp_only(client: &Element) -> bool {
    let protocols = client.property_value("protocols");
    let Some((_, values)) = glib::FlagsValue::from_value(&protocols) else { return false };
    matches!(&values[..], [only] if only.nick() == "tcp")
}

/// One connection after the other: the client opens the next when it was redirected, and has closed the one before.
async fn serve(listener: TcpListener, shared: &Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                if let Err(failure) = session::run(client, shared).await {
                    shared.report(failure.kind, failure.text);
                }
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(limits::FTP_ACCEPT_RETRY_MS)).await,
        }
    }
}
