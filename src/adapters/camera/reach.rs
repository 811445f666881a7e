//! Name, network and port of a camera, each with its own answer.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crossbeam_channel::bounded;
use url::Url;

use menshen_domain::address::Address;
use menshen_domain::stream_fault::StreamFault;

/// A camera in the same building answers in milliseconds; a switch that drops packets never does.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Opens a connection to where an address leads, and closes it.
///
/// # Errors
/// The first thing that is in the way.
pub fn reach(text: &str) -> Result<(), StreamFault> {
    let text = Address::read(text).map_or_else(|| text.to_owned(), |address| address.canonical());
    let url = Url::parse(&text).map_err(|error| StreamFault::Address(error.to_string()))?;
    let Some(host) = url.host_str() else { return Err(StreamFault::Address("no host".to_owned())) };
    let port = url.port().unwrap_or(match url.scheme() {
        "http" => 80,
        "https" => 443,
        "rtsps" => 322,
        _ => 554,
    });
    reach_port(host.trim_matches(['[', ']']), port, CONNECT_WITHIN)
}

/// As [`reach`], of a host and a port.
///
/// # Errors
/// The first thing that is in the way.
pub fn reach_port(host: &str, port: u16, within: Duration) -> Result<(), StreamFault> {
    let (sender, receiver) = bounded(1);
    let asked = host.to_owned();
    // Looking a name up has no time limit of its own.
    std::thread::spawn(move || {
        let found: Vec<SocketAddr> =
            (asked.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
        let _ = sender.send(found);
    });
    let addresses = receiver.recv_timeout(within).unwrap_or_default();
    let Some(first) = addresses.first() else { return Err(StreamFault::Name(host.to_owned())) };
    match TcpStream::connect_timeout(first, within) {
        Ok(_) => Ok(()),
        Err(error) => Err(of_connect(&error, &first.to_string())),
    }
}

/// What an error of connecting to `at` means.
pub fn of_connect(error: &std::io::Error, at: &str) -> StreamFault {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, TimedOut, WouldBlock};
    match error.kind() {
        ConnectionRefused => StreamFault::Refused(at.to_owned()),
        TimedOut | HostUnreachable | WouldBlock => StreamFault::NoAnswer(at.to_owned()),
        _ => StreamFault::Unreachable(format!("{at}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn each_thing_in_the_way_has_its_name() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = open.local_addr().unwrap();
        assert_eq!(reach(&format!("rtsp://{at}/x")), Ok(()));
        drop(open);
        assert_eq!(reach(&format!("http://u:p@ss@{at}/x")), Err(StreamFault::Refused(at.to_string())));
        let name = "no-such-host.invalid";
        assert_eq!(reach(&format!("rtsp://{name}/x")), Err(StreamFault::Name(name.to_owned())));
        assert!(matches!(reach("rtsp://"), Err(StreamFault::Address(_))));
        let off = std::io::Error::from(std::io::ErrorKind::TimedOut);
        assert_eq!(of_connect(&off, "10.0.0.9:554"), StreamFault::NoAnswer("10.0.0.9:554".to_owned()));
    }
}
