//! The addresses the box listens on, each with as many connections as there are files for.

use crate::adapters::process::raise_open_files;
use crate::config::Settings;
use crate::web::connections::Connections;
use crate::web::listener::Listener;
use menshen_domain::limits;
use menshen_domain::open_files::ConnectionLimits;

/// The box's web servers.
pub struct Listeners {
    pub web: Listener,
    /// `None` when it is off.
    pub local_api: Option<Listener>,
    /// FTP sessions at one time.
    pub ftp_sessions: usize,
}

impl Listeners {
    /// Raises the number of files that may be open, and shares it out.
    pub fn new(settings: &Settings) -> Self {
        let open_files = raise_open_files().unwrap_or_else(|(open_files, error)| {
            tracing::warn!(open_files, %error, "the number of open files could not be raised");
            open_files
        });
        let most = ConnectionLimits::of(open_files, settings.devices.len());
        if most.is_short {
            tracing::warn!(
                open_files,
                web = most.web,
                local_api = most.local_api,
                ftp = most.ftp,
                "few files may be open, so few connections are taken; raise LimitNOFILE of the service"
            );
        }
        let web = Connections::new("web", most.web, limits::WEB_CONNECTIONS_PER_ADDRESS);
        let local_api = Connections::new("local_api", most.local_api, limits::LOCAL_CONNECTIONS_PER_ADDRESS);
        Self {
            web: Listener { address: settings.web_listen, connections: web },
            local_api: settings.local_api.listen.map(|address| Listener { address, connections: local_api }),
            ftp_sessions: most.ftp,
        }
    }
}
