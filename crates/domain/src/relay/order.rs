//! What a door command comes to on the wire of its relay.

use url::Url;

use super::error::ActionUrlError;
use crate::secrets::mask_credentials;

/// Where a relay listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One call of a relay.
#[derive(Clone, PartialEq, Eq)]
pub enum RelayCall {
    /// One GET.
    Http(Url),
    /// Function 5 of Modbus, Write Single Coil.
    Modbus {
        /// Where the relay listens.
        address: RelayAddress,
        /// Unit identifier; 1 as a rule.
        unit: u8,
        /// Address of the coil, counted from 0.
        coil: u16,
        /// What the coil becomes.
        on: bool,
    },
    /// Bytes over a connection of their own; with `answer` the relay must answer with these bytes first.
    Raw {
        /// Where the relay listens.
        address: RelayAddress,
        /// What is sent.
        bytes: Vec<u8>,
        /// What the relay answers first; empty: nothing is waited for.
        answer: Vec<u8>,
    },
}

/// Never shows a password.
impl std::fmt::Debug for RelayCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(url) => {
                f.write_str(&mask_credentials(url.as_str().split('?').next().unwrap_or_default()))
            }
            Self::Modbus { address, unit, coil, on } => {
                write!(f, "modbus {address} unit {unit} coil {coil} {}", if *on { "on" } else { "off" })
            }
            Self::Raw { address, .. } => write!(f, "tcp {address}"),
        }
    }
}

/// One output of a relay: what is done with it now, and what brings it back to rest when its time is over. A relay that
/// counts the time itself has no `rest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorStep {
    /// Names the output: a later step for the same one takes the place of an earlier one's `rest`.
    pub output: String,
    /// What is done now.
    pub now: RelayCall,
    /// What is done when the time is over.
    pub rest: Option<RelayCall>,
}

/// Everything one command comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorOrder {
    /// One step for each output.
    pub steps: Vec<DoorStep>,
    /// Until `rest`.
    pub seconds: u32,
}

/// Host and port of a relay that is no web server.
pub(super) fn address_of(url: &Url, default_port: Option<u16>) -> Result<RelayAddress, ActionUrlError> {
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(ActionUrlError::NoHost)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ActionUrlError::User);
    }
    let port = url.port().or(default_port).filter(|port| *port > 0).ok_or(ActionUrlError::NoPort)?;
    // Square brackets are the URL's, not the address's.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(RelayAddress { host, port })
}
