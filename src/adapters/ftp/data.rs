//! Data connections: opened either way, to and from the camera's own address only, and a photo read from one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::guard::refused;
use super::rules::FtpRules;
use crate::telemetry::peers_told::PeersTold;
use menshen_domain::limits;
use menshen_domain::photo::PictureKind;

const CONNECT: Duration = Duration::from_millis(limits::FTP_DATA_CONNECT_MS);
const STALL: Duration = Duration::from_millis(limits::FTP_STALL_MS);
const UPLOAD: Duration = Duration::from_millis(limits::FTP_UPLOAD_MS);
/// Tries to find a free port of the range, beginning anywhere in it.
const PORT_TRIES: u16 = 32;

/// How the next data connection comes about.
pub enum Data {
    Passive(TcpListener),
    Active(SocketAddr),
}

/// A port of the range on the address the camera reached.
pub fn listen(rules: &FtpRules, local: IpAddr) -> std::io::Result<TcpListener> {
    let (first, last) = rules.passive_ports;
    let count = last - first + 1;
    let start: u16 = rand::random_range(0..count);
    let mut result = Err(std::io::Error::other("no passive port"));
    for step in 0..count.min(PORT_TRIES) {
        let port = first + (start + step) % count;
        let socket = if local.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        result = socket.bind(SocketAddr::new(local, port)).and_then(|()| socket.listen(4));
        if result.is_ok() {
            break;
        }
    }
    result
}

impl Data {
    /// The connection; one from any other address is closed.
    pub async fn connect(self, peer: IpAddr, told: &PeersTold) -> Option<TcpStream> {
        match self {
            Self::Active(address) => timeout(CONNECT, TcpStream::connect(address)).await.ok()?.ok(),
            Self::Passive(listener) => {
                let deadline = Instant::now() + CONNECT;
                loop {
                    let (stream, from) = timeout_at(deadline, listener.accept()).await.ok()?.ok()?;
                    if from.ip().to_canonical() == peer.to_canonical() {
                        return Some(stream);
                    }
                    refused("foreign_data");
                    if let Some(count) = told.count(from.ip().to_canonical()) {
                        tracing::warn!(%from, count, "a data connection from another address was refused");
                    }
                }
            }
        }
    }
}

/// Why a file is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    TooLarge,
    TooSlow,
    Lost,
    /// More photos than its device may send.
    RateLimited,
    /// Too many photos wait.
    QueueFull,
}

/// What a file is.
pub enum File {
    Photo(Bytes),
    /// Anything else, read over.
    Other,
}

/// Bytes that say what a file is.
const FIRST_BYTES: usize = 32;

/// Reads a file to its end. What is no photo by its first bytes is read over, unless `claims_photo`; so is a photo that
/// `may_take` refuses, whose answer comes at the end then.
pub async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
    claims_photo: bool,
    mut may_take: impl FnMut() -> Result<(), Broken>,
) -> Result<File, Broken> {
    let deadline = Instant::now() + UPLOAD;
    let mut file = BytesMut::new();
    let mut total = 0;
    // Not known yet; a photo or not; a photo that is refused.
    let mut verdict: Option<Result<bool, Broken>> = claims_photo.then_some(Ok(true));
    loop {
        let stall = Instant::now() + STALL;
        let read = timeout_at(stall.min(deadline), stream.read_buf(&mut file)).await;
        match read {
            Err(_) => return Err(Broken::TooSlow),
            Ok(Err(_)) => return Err(Broken::Lost),
            Ok(Ok(count)) => {
                total += count;
                if verdict.is_none() && (count == 0 || total >= FIRST_BYTES) {
                    let is_photo = PictureKind::of(&file).is_some();
                    verdict = Some(if is_photo { may_take().map(|()| true) } else { Ok(false) });
                }
                if count == 0 {
                    let is_photo = verdict.unwrap_or(Ok(false))?;
                    return Ok(if is_photo { File::Photo(file.freeze()) } else { File::Other });
                }
            }
        }
        match verdict {
            Some(Ok(true)) if total > bytes_max => return Err(Broken::TooLarge),
            Some(Ok(false) | Err(_)) => file.clear(),
            _ => {}
        }
    }
}
