//! How a simulated platform is set up.

use std::net::SocketAddr;
use std::path::PathBuf;

/// How a simulated platform is set up.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Licence code of the box that may log in.
    pub dev_sno: String,
    /// 0: there is no broker, only the HTTP side.
    pub broker_port: u16,
    /// Ports of the other nodes of its cluster; the login document does not name them by itself.
    pub more_broker_ports: Vec<u16>,
    /// `x-queue-type` of the command queue and the reply queue; the broker's own default without one.
    pub queue_type: Option<String>,
    /// Port the login document names, when something is between the box and the broker.
    pub told_broker_port: Option<u16>,
    /// Whether the login document names an `uploadQueue`; without one replies go to `notify_path`.
    pub upload_queue: bool,
    /// Whether the login document names FIQA queues.
    pub fiqa: bool,
    /// `recordUploadInfo` of the login document, of generation 2.6; absent without one.
    pub upload_info: Option<bool>,
    /// Number of history receivers in `recordAddr`.
    pub receivers: usize,
    /// `recordAddr` as given, in place of the platform's own receivers.
    pub record_addr: Option<String>,
    /// Seconds between deliveries of history, as the login document says.
    pub record_period_s: u64,
    /// Which pictures history shall carry: registry photo, scene, face crop.
    pub record_pictures: [bool; 3],
    /// Seconds between status reports, as the login document says.
    pub monitor_period_s: u64,
    /// Everything received, one JSON object a line.
    pub ledger_file: Option<PathBuf>,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            dev_sno: "UMOTRU000120190909103019".to_owned(),
            broker_port: 5672,
            more_broker_ports: Vec::new(),
            queue_type: None,
            told_broker_port: None,
            upload_queue: true,
            fiqa: false,
            upload_info: None,
            receivers: 1,
            record_addr: None,
            record_period_s: 1,
            record_pictures: [true; 3],
            monitor_period_s: 2,
            ledger_file: None,
        }
    }
}
