//! Doors of devices: a command goes to the device's relay once, while it is fresh, and is never repeated.

use std::sync::Arc;

use actix::prelude::{Handler, ResponseFuture};

use super::DevicesActor;
use super::message::ActOnDoor;
use crate::core::device::DeviceConfig;
use crate::core::limits;
use crate::core::relay::DoorCommand;
use crate::core::status::{Refusal, StatusCode};
use crate::ports::clock::Clock;
use crate::ports::relay::DoorRelay;

/// The relay's address for a device, or what to configure.
pub fn relay_of(device: Option<&DeviceConfig>, ip: &str, command: &DoorCommand) -> Result<url::Url, Refusal> {
    let missing = |detail: String| Refusal::new(StatusCode::LocalNotFound, detail);
    let device = device.ok_or_else(|| {
        missing(format!("no device has ip `{ip}`: add it as [[devices]] in the configuration"))
    })?;
    let relay = device.action_url.as_ref().ok_or_else(|| {
        missing(format!("device `{ip}` has no relay: set action_url in its [[devices]] block"))
    })?;
    relay
        .fill(command)
        .map_err(|error| Refusal::new(StatusCode::ServerProcessFailed, format!("action_url: {error}")))
}

async fn act(
    relay: Arc<dyn DoorRelay>,
    clock: Arc<dyn Clock>,
    url: url::Url,
    asked_ms: u64,
) -> Result<(), Refusal> {
    if clock.monotonic_ms().saturating_sub(asked_ms) > limits::DOOR_TTL_MS {
        return Err(Refusal::new(
            StatusCode::ServerProcessFailed,
            "the command came too late and was dropped",
        ));
    }
    relay
        .call(url)
        .await
        .map_err(|reason| Refusal::new(StatusCode::RemoteServerFailed, format!("the relay {reason}")))
}

impl Handler<ActOnDoor> for DevicesActor {
    type Result = ResponseFuture<Result<(), Refusal>>;

    fn handle(&mut self, message: ActOnDoor, _: &mut Self::Context) -> Self::Result {
        let ActOnDoor { ip, command, asked_ms } = message;
        let url = relay_of(self.config_of(&ip), &ip, &command);
        let (relay, clock) = (Arc::clone(&self.parts.relay), Arc::clone(&self.parts.clock));
        Box::pin(async move {
            let outcome = match url {
                Ok(url) => act(relay, clock, url, asked_ms).await,
                Err(refusal) => Err(refusal),
            };
            let result = if outcome.is_ok() { "ok" } else { "failed" };
            metrics::counter!("menshen_door_commands_total", "mode" => command.mode.wire(), "result" => result)
                .increment(1);
            match &outcome {
                Ok(()) => tracing::info!(device = %ip, mode = command.mode.wire(), "door"),
                Err(refusal) => tracing::warn!(device = %ip, mode = command.mode.wire(), %refusal, "door"),
            }
            outcome
        })
    }
}
