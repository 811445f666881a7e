//! Doors of devices: a command goes to the device's relay once, while it is fresh, and is never repeated.

use std::collections::VecDeque;
use std::sync::Arc;

use super::message::ActOnDoor;
use crate::ports::clock::Clock;
use crate::ports::relay::DoorRelay;
use menshen_domain::device::DeviceConfig;
use menshen_domain::limits;
use menshen_domain::relay::DoorCommand;
use menshen_domain::relay::order::DoorOrder;
use menshen_domain::status::{ProtocolError, StatusCode};

/// The order of a command to a device's relay, or what has to be configured for it.
pub fn order_of(
    device: Option<&DeviceConfig>,
    ip: &str,
    command: &DoorCommand,
) -> Result<DoorOrder, ProtocolError> {
    let missing = |detail: String| ProtocolError::new(StatusCode::LocalNotFound, detail);
    let device = device.ok_or_else(|| {
        missing(format!("no device has ip `{ip}`: add it as [[devices]] in the configuration"))
    })?;
    let relay = device.action_url.as_ref().ok_or_else(|| {
        missing(format!("device `{ip}` has no relay: set action_url in its [[devices]] block"))
    })?;
    relay
        .order(command)
        .map_err(|error| ProtocolError::new(StatusCode::LocalParamError, format!("device `{ip}`: {error}")))
}

/// Ids of the commands processed last.
#[derive(Debug, Default)]
pub(super) struct RecentCommands(VecDeque<String>);

impl RecentCommands {
    /// `Err` when the command with this id has been processed already; notes the id.
    pub fn admit(&mut self, id: &str) -> Result<(), ProtocolError> {
        if self.0.iter().any(|known| known == id) {
            let detail = format!("command `{id}` has been carried out already; a new one needs a new id");
            return Err(ProtocolError::new(StatusCode::LocalParamError, detail));
        }
        if self.0.len() == limits::DOOR_IDS_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(id.to_owned());
        Ok(())
    }
}

/// Sends an order to the relay once, unless the command behind it is too old; `asked_ms` and the clock are monotonic.
async fn act(
    relay: Arc<dyn DoorRelay>,
    clock: Arc<dyn Clock>,
    order: DoorOrder,
    asked_ms: u64,
) -> Result<(), ProtocolError> {
    if clock.monotonic_ms().saturating_sub(asked_ms) > limits::DOOR_TTL_MS {
        return Err(ProtocolError::new(
            StatusCode::ServerProcessFailed,
            "the command came too late and was dropped",
        ));
    }
    // Not the code of a remote server: that one is the platform, which has no part in this.
    relay
        .act(order)
        .await
        .map_err(|reason| ProtocolError::new(StatusCode::ServerProcessFailed, reason.to_string()))
}

/// Processes a command whose order is known or refused already, and reports the outcome to log and metrics.
pub(super) async fn process(
    relay: Arc<dyn DoorRelay>,
    clock: Arc<dyn Clock>,
    message: ActOnDoor,
    order: Result<DoorOrder, ProtocolError>,
) -> Result<(), ProtocolError> {
    let ActOnDoor { id, ip, command, asked_ms } = message;
    let outcome = match order {
        Ok(order) => act(relay, clock, order, asked_ms).await,
        Err(refusal) => Err(refusal),
    };
    let (mode, seconds, port) = (command.mode.wire(), command.seconds, command.logic_port);
    let result = if outcome.is_ok() { "ok" } else { "failed" };
    metrics::counter!("menshen_door_commands_total", "mode" => mode, "result" => result).increment(1);
    match &outcome {
        Ok(()) => tracing::info!(id, device = %ip, mode, seconds, port, "door command was sent"),
        Err(refusal) => {
            tracing::warn!(id, device = %ip, mode, seconds, port, %refusal, "door command failed");
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_new_once() {
        let mut recent = RecentCommands::default();
        assert!(recent.admit("first").is_ok());
        assert!(recent.admit("first").is_err());
        for other in 0..limits::DOOR_IDS_KEPT {
            assert!(recent.admit(&other.to_string()).is_ok());
        }
        assert_eq!(recent.0.len(), limits::DOOR_IDS_KEPT);
        assert!(recent.admit("first").is_ok(), "forgotten by now");
    }
}
