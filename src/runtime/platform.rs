//! The platform's client, and the machine as it is reported to it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::actors::session::SessionKeeper;
use crate::adapters::platform_http::{ClientError, PlatformHttp, PlatformParameters};
use crate::adapters::system::{MachineProbe, ProbeError};
use crate::config::Settings;
use crate::ports::platform::PlatformApi;
use crate::ports::system::SystemProbe;
use crate::regular_file;
use menshen_domain::link::LoginMethod;

/// The platform cannot be talked to, whatever it answers.
#[derive(Debug, thiserror::Error)]
pub enum PlatformSetupError {
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot read {path}: {reason}")]
    CaFile { path: String, reason: std::io::Error },
}

/// The platform's client, the session, and the facts the box reports of itself.
pub struct Platform {
    pub api: Arc<dyn PlatformApi>,
    pub probe: Arc<dyn SystemProbe>,
    pub sessions: SessionKeeper,
}

impl Platform {
    /// Sets the client up; nothing is sent.
    ///
    /// # Errors
    /// When the machine's facts or the certificates of `platform.ca_file` cannot be read.
    pub fn build(settings: &Settings) -> Result<Self, PlatformSetupError> {
        let probe = MachineProbe::new(settings.data_dir.clone(), platform_address(settings))?;
        let api = client(settings, &probe)?;
        Ok(Self {
            api: Arc::new(api),
            probe: Arc::new(probe),
            sessions: SessionKeeper::new(settings.dev_sno.clone()),
        })
    }
}

fn client(settings: &Settings, probe: &dyn SystemProbe) -> Result<PlatformHttp, PlatformSetupError> {
    let platform = settings.platform.as_ref();
    let ca_pem = platform
        .and_then(|platform| platform.ca_file.as_ref())
        .map(|path| {
            let unreadable = |reason| PlatformSetupError::CaFile { path: path.display().to_string(), reason };
            regular_file::read(path).map_err(|no_file| unreadable(no_file.into()))
        })
        .transpose()?;
    Ok(PlatformHttp::new(PlatformParameters {
        login_url: platform.map(|platform| platform.login_url.clone()),
        login_method: platform.map_or(LoginMethod::Get, |platform| platform.login_method),
        dev_sno: settings.dev_sno.clone(),
        hex_mac: probe.look().hex_mac,
        ca_pem,
        require_tls: settings.require_tls,
        realtime_timeout: std::time::Duration::from_millis(settings.events.realtime_timeout_ms),
    })?)
}

/// To find the network interface that leads to the platform.
fn platform_address(settings: &Settings) -> Option<SocketAddr> {
    let url = &settings.platform.as_ref()?.login_url;
    url.socket_addrs(|| None).ok()?.into_iter().next()
}
