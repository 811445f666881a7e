//! What can be wrong with a value, beyond its type and its bounds.

use std::net::SocketAddr;

use menshen_domain::limits;
use menshen_domain::view::RegionError;

/// What is wrong with a value, and what is expected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ValueError {
    #[error("`{text}` is no URL: {reason}")]
    Url { text: String, reason: url::ParseError },
    #[error("`{0}` is not http or https")]
    Scheme(String),
    #[error("`{text}` is no address; expected IP:PORT, as in {example}")]
    Address { text: String, example: SocketAddr },
    #[error("`{text}` is no address; expected IP:PORT, as in {example}, or \"\" for off")]
    AddressOrOff { text: String, example: SocketAddr },
    #[error("must be [first, last], from 1024 on")]
    Ports,
    #[error("`{0}` is no IPv4 address")]
    Ipv4(String),
    #[error("`{0}` is no log level; there is error, warn, info, debug, trace, off")]
    LogLevel(String),
    #[error("{0} regions; at most {max} are possible", max = limits::REGIONS_MAX)]
    Regions(usize),
    #[error(transparent)]
    Region(#[from] RegionError),
}
