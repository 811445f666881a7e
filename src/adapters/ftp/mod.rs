//! The FTP server snapshot cameras upload to. Own and small, for what a general server does not promise: control lines of
//! bounded length, data connections from the camera's own address only, replies that say what became of the photo,
//! nothing on the disk. The protocol itself is in `menshen_protocol::ftp`.

mod data;
mod guard;
mod rules;
mod session;
mod stream;

use std::io::Write as _;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use self::guard::{Guard, NoEntry};
pub use self::rules::FtpRules;
use self::rules::Shared;
use self::session::LOCKED_OUT;
use crate::ports::photos::PhotoIngest;
use crate::telemetry::peers_told::PeersTold;
use menshen_domain::limits;

/// Receives the server's state: the address it listens on, or why it does not.
pub type FtpStatus = Arc<dyn Fn(String) + Send + Sync>;

/// A running server; dropping it ends it with its sessions.
pub struct FtpServer {
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl FtpServer {
    /// Serves on a thread of its own, so that uploads and actors do not wait for each other. A port that is taken is
    /// tried again and again.
    pub fn start(rules: FtpRules, photos: Arc<dyn PhotoIngest>, status: FtpStatus) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let guard = Guard::new(rules.uploads_per_minute, rules.sessions_max);
        let (wrong_told, foreign_told) = (PeersTold::default(), PeersTold::default());
        let shared = Arc::new(Shared { rules, photos, guard, wrong_told, foreign_told });
        let thread = std::thread::Builder::new().name("ftp".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(shared, &status) => {}
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
            // A panic there has been logged by the panic handler.
            let _ = thread.join();
        }
    }
}

async fn serve(shared: Arc<Shared>, status: &FtpStatus) {
    let listen = shared.rules.listen;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => {
                tracing::info!(%listen, "the FTP server is listening");
                status(listen.to_string());
                accept(&shared, &listener).await;
            }
            Err(error) => {
                tracing::error!(%listen, %error, "the FTP server cannot listen; choose another ftp.listen");
                status(format!("cannot listen on {listen}: {error}"));
            }
        }
        tokio::time::sleep(Duration::from_millis(limits::LOCAL_LISTEN_RETRY_MS)).await;
    }
}

/// Says why in place of the greeting. Nobody is waited for: the first packet of a connection always has room for a line.
fn turn_away(stream: TcpStream, why: NoEntry) {
    let (code, text) = match why {
        NoEntry::LockedOut => LOCKED_OUT,
        NoEntry::Full => (421, "Too many sessions, try again later."),
    };
    if let Ok(mut stream) = stream.into_std() {
        // Who is gone misses nothing.
        let _ = stream.write_all(format!("{code} {text}\r\n").as_bytes());
    }
}

async fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let place = match shared.guard.enter(peer.ip()) {
                    Ok(place) => place,
                    Err(why) => {
                        guard::refused("sessions");
                        turn_away(stream, why);
                        continue;
                    }
                };
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    session::run(&shared, stream, peer, &place).await;
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
