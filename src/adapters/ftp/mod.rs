//! The FTP server snapshot cameras upload to. Own and small, for what a general server does not promise: control lines of
//! bounded length, data connections from the camera's own address only, replies that say what became of the photo,
//! nothing on the disk. The words are in `core/ftp`.

mod data;
mod guard;
mod session;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;

use self::guard::Guard;
use crate::ports::photos::PhotoIngest;
use menshen_domain::limits;

/// `[ftp]` of the configuration.
#[derive(Debug, Clone)]
pub struct FtpRules {
    pub listen: SocketAddr,
    /// First and last port of data connections.
    pub passive_ports: (u16, u16),
    /// The address cameras are told for data connections, where the box is behind NAT.
    pub public_host: Option<Ipv4Addr>,
    pub upload_bytes_max: usize,
    /// Photos a minute a device may send.
    pub uploads_per_minute: u32,
}

/// Told how it stands: the address it listens on, or why it does not.
pub type FtpStatus = Arc<dyn Fn(String) + Send + Sync>;

/// What every session shares.
struct Shared {
    rules: FtpRules,
    desk: Arc<dyn PhotoIngest>,
    guard: Guard,
}

/// A running server; dropping it ends it with its sessions.
pub struct FtpServer {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl FtpServer {
    /// Serves on a thread of its own, so that uploads and actors do not wait for each other. A port that is taken is
    /// tried again and again.
    pub fn start(rules: FtpRules, desk: Arc<dyn PhotoIngest>, board: FtpStatus) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let guard = Guard::new(rules.uploads_per_minute);
        let shared = Arc::new(Shared { rules, desk, guard });
        let thread = std::thread::Builder::new().name("ftp".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(shared, &board) => {}
                    () = stopped.notified() => {}
                }
            });
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for FtpServer {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been told by its own log line.
            let _ = thread.join();
        }
    }
}

async fn serve(shared: Arc<Shared>, board: &FtpStatus) {
    let listen = shared.rules.listen;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                tracing::info!(%listen, "FTP server");
                board(listen.to_string());
                accept(&shared, &listener).await;
            }
            Err(error) => {
                tracing::error!(%listen, %error, "the FTP server cannot listen; choose another ftp.listen");
                board(format!("cannot listen on {listen}: {error}"));
            }
        }
        tokio::time::sleep(Duration::from_millis(limits::LOCAL_LISTEN_RETRY_MS)).await;
    }
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Some(place) = shared.guard.enter(peer.ip()) else {
                    guard::refused("sessions");
                    continue;
                };
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    session::run(&shared, stream, peer).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must end first.
                tracing::warn!(%error, "the FTP server could not accept a connection");
                tokio::time::sleep(Duration::from_millis(limits::FTP_ACCEPT_RETRY_MS)).await;
            }
        }
    }
}
