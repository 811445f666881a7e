//! What every session of the server goes by.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use super::guard::Guard;
use crate::ports::photos::PhotoIngest;
use crate::telemetry::peers_told::PeersTold;

/// `[ftp]` of the configuration.
#[derive(Clone)]
pub struct FtpRules {
    pub listen: SocketAddr,
    /// First and last port of data connections.
    pub passive_ports: (u16, u16),
    /// The address cameras get for data connections, where the box is behind NAT.
    pub public_host: Option<Ipv4Addr>,
    pub upload_bytes_max: usize,
    /// Photos a minute a device may send.
    pub uploads_per_minute: u32,
    /// At one time.
    pub sessions_max: usize,
    /// `None`: nobody can encrypt.
    pub tls: Option<TlsAcceptor>,
    /// Nobody logs in without encrypting first.
    pub require_tls: bool,
}

/// What every session shares.
pub struct Shared {
    pub rules: FtpRules,
    pub photos: Arc<dyn PhotoIngest>,
    pub guard: Guard,
    /// Addresses with wrong passwords, and those with data connections from or to elsewhere.
    pub wrong_told: PeersTold,
    pub foreign_told: PeersTold,
}
