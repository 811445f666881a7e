//! A TCP proxy that can cut what runs through it in the middle, or swallow it without a word.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::deliveries::{Deliveries, Reader};

/// What is done with what comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Everything is passed on.
    Pass = 0,
    /// The next message is passed on by half, then its connection is broken; after that everything passes again.
    CutOnce = 1,
    /// Every message is passed on by half and its connection broken.
    Cut = 2,
    /// Connections stay open and nothing comes out at the other end. Those that were there stay dead when the
    /// mode changes, as after a partner that lost its power: only their owners can find out.
    Swallow = 3,
}

/// Connections through it can be cut and swallowed; dropping it breaks them off.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: u16,
    /// Who reads along what goes to the near side, and the number of the node behind this proxy.
    witness: Option<(Deliveries, usize)>,
    mode: AtomicU8,
    pairs: Mutex<Vec<Weak<Pair>>>,
    stopped: AtomicBool,
    cuts: AtomicU64,
}

/// The two ends of one connection.
struct Pair {
    near: TcpStream,
    far: TcpStream,
    dead: AtomicBool,
}

const LOOK_AROUND: Duration = Duration::from_millis(200);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

impl Proxy {
    /// Listens on any free port and passes on to `upstream`, both on this machine.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn start(upstream: u16) -> std::io::Result<Self> {
        Self::start_watched(upstream, None)
    }

    /// As [`start`](Self::start), before node `number` of a broker, with a witness of what it hands over.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn before_broker(upstream: u16, number: usize, witness: &Deliveries) -> std::io::Result<Self> {
        Self::start_watched(upstream, Some((witness.clone(), number)))
    }

    fn start_watched(upstream: u16, witness: Option<(Deliveries, usize)>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream,
            witness,
            mode: AtomicU8::new(Mode::Pass as u8),
            pairs: Mutex::default(),
            stopped: AtomicBool::new(false),
            cuts: AtomicU64::new(0),
        });
        let accepting = Arc::clone(&shared);
        std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            for near in listener.incoming().flatten() {
                if accepting.stopped.load(Ordering::Acquire) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                // Each connection on a thread, so that a slow connect holds nobody up. Without a thread it is refused.
                let _ = std::thread::Builder::new().spawn(move || shared.serve(near));
            }
        })?;
        Ok(Self { port, shared })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What is done from now on.
    pub fn set(&self, mode: Mode) {
        self.shared.mode.store(mode as u8, Ordering::Release);
        if mode == Mode::Swallow {
            self.shared.each_pair(|pair| pair.dead.store(true, Ordering::Release));
        }
    }

    /// Connections that are open and alive now.
    pub fn open_connections(&self) -> usize {
        let mut count = 0;
        self.shared.each_pair(|pair| count += usize::from(!pair.dead.load(Ordering::Acquire)));
        count
    }

    /// Connections broken in the middle so far.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.each_pair(Pair::break_off);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Pair {
    fn break_off(&self) {
        // Either may be closed already.
        let _ = self.near.shutdown(Shutdown::Both);
        let _ = self.far.shutdown(Shutdown::Both);
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        match self.mode.load(Ordering::Acquire) {
            1 => Mode::CutOnce,
            2 => Mode::Cut,
            3 => Mode::Swallow,
            _ => Mode::Pass,
        }
    }

    fn each_pair(&self, mut work: impl FnMut(&Pair)) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.retain(|pair| pair.upgrade().inspect(|pair| work(pair)).is_some());
    }

    fn serve(self: &Arc<Self>, near: TcpStream) {
        let address = (Ipv4Addr::LOCALHOST, self.upstream).into();
        // Nobody there: the connection is closed again, as a platform behind a gateway would do.
        let Ok(far) = TcpStream::connect_timeout(&address, CONNECT_WITHIN) else { return };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let dead = AtomicBool::new(self.mode() == Mode::Swallow);
        let pair = Arc::new(Pair { near, far, dead });
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&pair));
        let (shared, back) = (Arc::clone(self), Arc::clone(&pair));
        let reader = self.witness.as_ref().map(|(witness, number)| witness.reader(*number));
        let _ = std::thread::Builder::new().spawn(move || shared.pump(&back, &back.far, &back.near, reader));
        self.pump(&pair, &pair.near, &pair.far, None);
    }

    /// One direction, until one side closes; `reader` gets what was passed on.
    fn pump(&self, pair: &Pair, mut from: &TcpStream, mut to: &TcpStream, mut reader: Option<Reader>) {
        let _ = from.set_read_timeout(Some(LOOK_AROUND));
        let mut buffer = vec![0; 64 * 1024];
        while !self.stopped.load(Ordering::Acquire) {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock
                            | std::io::ErrorKind::TimedOut
                            | std::io::ErrorKind::Interrupted
                    ) =>
                {
                    continue;
                }
                Err(_) => break,
            };
            if pair.dead.load(Ordering::Acquire) {
                continue;
            }
            match self.mode() {
                Mode::Pass => {
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                    if let Some(reader) = &mut reader {
                        reader.take(&buffer[..count]);
                    }
                }
                Mode::Swallow => pair.dead.store(true, Ordering::Release),
                mode @ (Mode::CutOnce | Mode::Cut) => {
                    if mode == Mode::CutOnce {
                        self.mode.store(Mode::Pass as u8, Ordering::Release);
                    }
                    self.cuts.fetch_add(1, Ordering::AcqRel);
                    let _ = to.write_all(&buffer[..count / 2]);
                    pair.break_off();
                    return;
                }
            }
        }
        // The end of one side is the end of both, unless the other must not hear of it.
        if !pair.dead.load(Ordering::Acquire) {
            pair.break_off();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partner that sends everything back.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut buffer = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        let _ = stream.write_all(&buffer[..count]);
                    }
                });
            }
        });
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
        stream
    }

    /// What comes back within the time: its length, or `None` when nothing comes and the connection stays.
    fn send(stream: &mut TcpStream, text: &[u8]) -> Option<usize> {
        stream.write_all(text).unwrap();
        let mut buffer = [0; 1024];
        stream.read(&mut buffer).ok()
    }

    #[test]
    fn it_passes_cuts_and_swallows() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = connect(&proxy);
        assert_eq!(send(&mut stream, b"12345678"), Some(8));
        proxy.set(Mode::CutOnce);
        // Half comes through to the partner; its echo may or may not make it back before the break.
        let got = send(&mut stream, b"12345678");
        assert!(got != Some(8), "{got:?}");
        assert_eq!(proxy.cuts(), 1);
        let mut stream = connect(&proxy);
        assert_eq!(send(&mut stream, b"12345678"), Some(8), "after one cut everything passes again");
        proxy.set(Mode::Swallow);
        assert_eq!(send(&mut stream, b"12345678"), None);
        proxy.set(Mode::Pass);
        assert_eq!(send(&mut stream, b"12345678"), None, "a swallowed connection stays dead");
        assert_eq!(send(&mut connect(&proxy), b"12345678"), Some(8));
    }
}
