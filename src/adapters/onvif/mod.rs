//! Cameras that speak ONVIF: who is on the network, and where one's streams are. For the command line; the messages
//! are in `menshen_protocol::onvif`.

mod client;
pub mod discovery;
pub mod lookup;

use std::net::SocketAddr;

use menshen_protocol::onvif::soap::{Fault, SoapError};

/// Who asks.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// Never shows the password.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Why a camera gave no streams. `step` is the call that failed, as in `GetProfiles`.
#[derive(Debug, Clone, PartialEq)]
pub enum OnvifError {
    /// Its name is not known.
    Name(String),
    Refused(SocketAddr),
    NoAnswer(SocketAddr),
    Unreachable(SocketAddr, String),
    /// It took the connection, and the time was over.
    TimedOut(&'static str),
    /// The connection broke.
    Broken(&'static str, String),
    Certificate(String),
    /// It wants to be asked elsewhere.
    Redirected(String),
    /// It wants another user; `had_login`: one was given. `clock_unknown`: the digest was made with the box's own time.
    Unauthorized {
        had_login: bool,
        clock_unknown: bool,
    },
    /// It asks for the password in a way that cannot be answered; says which.
    LoginScheme(String),
    /// Something answers there, and it is no ONVIF service.
    NotOnvif {
        status: u16,
        what: SoapError,
    },
    /// ONVIF, and not readable.
    Xml(&'static str, SoapError),
    Fault(&'static str, Fault),
    TooLarge(&'static str),
    /// It names no media service.
    NoMedia,
    NoProfiles,
}
