//! Where frames and photos go, where photos come from, and which doors open.

use std::sync::Arc;

use crate::actors::devices::actor::FrameRouting;
use crate::actors::devices::device_list::DeviceList;
use crate::actors::devices::message::ActOnDoor;
use crate::actors::face_engine::camera::CameraSession;
use crate::actors::face_engine::intake::FrameIntake;
use crate::actors::face_engine::photos::PhotoIntake;
use crate::actors::face_engine::rules::CameraRules;
use crate::actors::face_engine::workers::OnFace;
use crate::actors::tuning::SharedTuning;
use crate::adapters::ftp::{FtpRules, FtpServer, FtpStatus};
use crate::config::photos::FtpSettings;
use crate::ports::camera::FrameSink;
use crate::ports::clock::Clock;
use crate::runtime::app::Handles;
use menshen_domain::device::DeviceConfig;
use menshen_domain::lag::SinkFeedback;
use menshen_domain::relay::{self, DoorCommand};

/// The entrances of frames and of photos.
pub fn intakes(rules: CameraRules) -> (Arc<FrameIntake>, Arc<PhotoIntake>) {
    let photos = Arc::new(PhotoIntake::new(rules.clone()));
    let make_session = move |device: &DeviceConfig| CameraSession::new(device.clone(), rules.clone());
    (Arc::new(FrameIntake::new(make_session)), photos)
}

/// Opens the door of a turnstile for whoever may pass; a busy device manager loses the command, which is then told.
pub fn doors(roster: &DeviceList, handles: &Handles, tuning: SharedTuning, clock: Arc<dyn Clock>) -> OnFace {
    let (manager, roster) = (handles.devices.clone(), roster.clone());
    Arc::new(move |ip, person| {
        let device = roster.find(ip).filter(|device| device.action_url.is_some());
        let Some(device) = device else { return };
        let (gate, pass) = (tuning.load().gate_mode, device.photos.pass_mode);
        let Some(mode) = relay::on_face(gate, pass, device.kind, person) else { return };
        let act = ActOnDoor {
            id: uuid::Uuid::now_v7().to_string(),
            ip: ip.to_owned(),
            command: DoorCommand::of_match(mode),
            asked_ms: clock.monotonic_ms(),
        };
        if let Err(error) = manager.try_send(act) {
            metrics::counter!("menshen_door_commands_total", "mode" => mode.wire(), "result" => "dropped")
                .increment(1);
            tracing::error!(device = ip, %error, "a door command was dropped");
        }
    })
}

/// Frames go to the face engine.
pub struct FrameRouter {
    pub frames: Arc<FrameIntake>,
    pub photos: Arc<PhotoIntake>,
}

impl FrameRouting for FrameRouter {
    fn attach(&self, device: &DeviceConfig) -> FrameSink {
        // A device may have changed from the one kind to the other.
        if device.is_push() {
            self.frames.detach(device);
            self.photos.attach(device);
            // What comes here is only a sign of life.
            return Arc::new(|_| SinkFeedback::Accepted);
        }
        self.photos.detach(&device.ep_id);
        self.frames.attach(device)
    }

    fn detach(&self, device: &DeviceConfig) {
        self.photos.detach(&device.ep_id);
        self.frames.detach(device);
    }
}

/// The FTP server, running; `None` when it is off.
pub fn start_ftp(
    ftp: &FtpSettings,
    photos: &Arc<PhotoIntake>,
    board: FtpStatus,
) -> Result<Option<FtpServer>, Vec<String>> {
    let Some(listen) = ftp.listen else { return Ok(None) };
    let rules = FtpRules {
        listen,
        passive_ports: ftp.passive_ports,
        public_host: ftp.public_host,
        upload_bytes_max: ftp.upload_bytes_max,
        uploads_per_minute: ftp.uploads_per_minute,
    };
    let server = FtpServer::start(rules, Arc::<PhotoIntake>::clone(photos), board);
    server.map(Some).map_err(|error| vec![format!("the FTP server cannot be started: {error}")])
}
