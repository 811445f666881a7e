//! Doors that open for people who may pass.

use std::sync::Arc;

use super::handles::Handles;
use crate::actors::devices::device_list::DeviceList;
use crate::actors::devices::message::ActOnDoor;
use crate::actors::face_engine::workers::OnFace;
use crate::actors::tuning::SharedTuning;
use crate::ports::clock::Clock;
use menshen_domain::relay::{self, DoorCommand};

/// Opens the door of a turnstile for a person who may pass. A device manager that is too busy loses the command, which
/// is counted and logged.
pub fn doors(devices: &DeviceList, handles: &Handles, tuning: SharedTuning, clock: Arc<dyn Clock>) -> OnFace {
    let (manager, devices) = (handles.devices.clone(), devices.clone());
    Arc::new(move |ip, person| {
        let device = devices.find(ip).filter(|device| device.action_url.is_some());
        let Some(device) = device else { return };
        let (gate, pass) = {
            let now = tuning.load();
            (now.gate_mode, now.pass_mode.at(device.photos.pass_mode))
        };
        let Some(mode) = relay::on_face(gate, pass, device.kind, person) else { return };
        let act = ActOnDoor {
            id: uuid::Uuid::now_v7().to_string(),
            ip: ip.to_owned(),
            command: DoorCommand::of_match(mode).lasting(device.door_seconds()),
            asked_ms: clock.monotonic_ms(),
        };
        if let Err(error) = manager.try_send(act) {
            metrics::counter!("menshen_door_commands_total", "mode" => mode.wire(), "result" => "dropped")
                .increment(1);
            tracing::error!(device = ip, %error, "a door command was dropped");
        }
    })
}
