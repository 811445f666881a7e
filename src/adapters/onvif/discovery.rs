//! The search: questions by multicast from every local address, answers from wherever they come.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use socket2::{Domain, Protocol, Socket, Type};
use sysinfo::Networks;
use uuid::Uuid;

use menshen_domain::limits;
use menshen_protocol::onvif::discovery::{Answers, FoundCamera, ProbeType, probe};

/// Where WS-Discovery is spoken.
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 3702);
/// When the questions go out, from the beginning of a search: datagrams get lost, and cameras that wake are slow.
const ROUNDS_MS: [u64; 3] = [0, 500, 1_500];
/// Longest wait for a datagram, after which the time is checked.
const LOOK: Duration = Duration::from_millis(50);

/// A local address to search from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub ip: Ipv4Addr,
}

impl std::fmt::Display for Interface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.ip, self.name)
    }
}

/// There is no address to search from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    #[error("the network interfaces cannot be read: {0}")]
    Unreadable(String),
    #[error("{ip} is no address of this machine; --interface takes one of {known}")]
    Foreign { ip: Ipv4Addr, known: String },
    #[error("this machine has no IPv4 address but the loopback: check its network cable")]
    None,
    #[error(
        "{count} local addresses are too many to search from at once; give some with --interface, of {known}"
    )]
    TooMany { count: usize, known: String },
}

/// Every IPv4 address of this machine.
fn all_interfaces() -> Result<Vec<Interface>, InterfaceError> {
    let networks =
        Networks::new_with_refreshed_list().map_err(|error| InterfaceError::Unreadable(error.to_string()))?;
    let mut found = Vec::new();
    for (name, data) in &networks {
        for network in data.ip_networks() {
            if let IpAddr::V4(ip) = network.addr {
                found.push(Interface { name: name.to_string_lossy().into_owned(), ip });
            }
        }
    }
    found.sort_by(|a, b| (&a.name, a.ip).cmp(&(&b.name, b.ip)));
    found.dedup();
    Ok(found)
}

/// The addresses to search from: those `asked` for, else all but the loopback.
///
/// # Errors
/// When this machine has none of them, or too many.
pub fn interfaces(asked: &[Ipv4Addr]) -> Result<Vec<Interface>, InterfaceError> {
    let all = all_interfaces()?;
    let listed = |all: &[Interface]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut chosen: Vec<Interface> = Vec::new();
    if asked.is_empty() {
        chosen.extend(all.iter().filter(|one| !one.ip.is_loopback()).cloned());
    }
    for ip in asked {
        let one = all
            .iter()
            .find(|one| one.ip == *ip)
            .ok_or_else(|| InterfaceError::Foreign { ip: *ip, known: listed(&all) })?;
        if !chosen.contains(one) {
            chosen.push(one.clone());
        }
    }
    if chosen.is_empty() {
        return Err(InterfaceError::None);
    }
    if chosen.len() > limits::ONVIF_INTERFACES_MAX {
        return Err(InterfaceError::TooMany { count: chosen.len(), known: listed(&all) });
    }
    Ok(chosen)
}

/// What a search brought.
#[derive(Debug)]
pub struct Found {
    pub cameras: Vec<FoundCamera>,
    /// Machines that answered and are no ONVIF devices: printers, computers.
    pub others: usize,
    /// Answers that could not be read.
    pub unreadable: usize,
    /// Cameras beyond `ONVIF_CAMERAS_MAX`.
    pub too_many: usize,
    /// More answers came than `ONVIF_ANSWERS_MAX`, and the search ended early.
    pub is_cut_short: bool,
    /// Where nothing could be sent, and why.
    pub failed: Vec<(Interface, String)>,
}

enum SearchEvent {
    Answer(IpAddr, Vec<u8>),
    Failed(Interface, String),
}

/// Searches for `within`; `found` hears of each new camera at once.
pub fn search(from: &[Interface], within: Duration, mut found: impl FnMut(&FoundCamera)) -> Found {
    let until = Instant::now() + within;
    let mut answers = Answers::default();
    let (mut failed, mut read, mut is_cut_short) = (Vec::new(), 0, false);
    std::thread::scope(|scope| {
        let (sender, events) = bounded(limits::ONVIF_ANSWERS_WAITING);
        for interface in from {
            let sender = sender.clone();
            scope.spawn(move || {
                if let Err(error) = ask_and_listen(interface.ip, until, &sender) {
                    // Nobody waits for it when the search is over.
                    let _ = sender.send(SearchEvent::Failed(interface.clone(), error.to_string()));
                }
            });
        }
        drop(sender);
        // Ends when the time is over, or when the last of them has failed. Then `events` goes, and the threads end.
        while let Ok(heard) = events.recv_deadline(until) {
            match heard {
                SearchEvent::Failed(interface, why) => failed.push((interface, why)),
                SearchEvent::Answer(ip, datagram) => {
                    let (place, new) = answers.take(ip, &datagram);
                    answers.cameras().iter().skip(place).take(new).for_each(&mut found);
                    read += 1;
                    if read >= limits::ONVIF_ANSWERS_MAX {
                        is_cut_short = true;
                        break;
                    }
                }
            }
        }
        drop(events);
    });
    let (others, unreadable, too_many) = (answers.others(), answers.unreadable(), answers.too_many());
    Found { cameras: answers.into_cameras(), others, unreadable, too_many, is_cut_short, failed }
}

/// Bound to the very address, so that questions go out of its interface and answers are to it alone.
fn socket(ip: Ipv4Addr) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SocketAddr::from((ip, 0)).into())?;
    socket.set_multicast_if_v4(&ip)?;
    // Discovery stays on its own network (SOAP over UDP).
    socket.set_multicast_ttl_v4(1)?;
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(LOOK))?;
    Ok(socket)
}

fn ask_and_listen(ip: Ipv4Addr, until: Instant, events: &Sender<SearchEvent>) -> std::io::Result<()> {
    let socket = socket(ip)?;
    let began = Instant::now();
    let mut rounds = ROUNDS_MS.iter().map(|ms| began + Duration::from_millis(*ms)).peekable();
    // One more than is allowed, so that what is too long shows.
    let mut datagram = vec![0; limits::ONVIF_DATAGRAM_BYTES_MAX + 1];
    while Instant::now() < until {
        if rounds.next_if(|due| *due <= Instant::now()).is_some() {
            for probe_type in ProbeType::ALL {
                let question = probe(&Uuid::now_v7().to_string(), probe_type);
                socket.send_to(question.as_bytes(), GROUP)?;
            }
        }
        let (length, from) = match socket.recv_from(&mut datagram) {
            Ok(received) => received,
            // Also what an earlier datagram met on its way: other machines may still answer.
            Err(error) if is_passing(error.kind()) => continue,
            Err(error) => return Err(error),
        };
        let answer = datagram.get(..length).unwrap_or_default().to_vec();
        // Nobody listens any more.
        if events.send(SearchEvent::Answer(from.ip(), answer)).is_err() {
            break;
        }
    }
    Ok(())
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted | ErrorKind::ConnectionRefused
    )
}
