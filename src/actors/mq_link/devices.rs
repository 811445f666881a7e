//! `add_device`, `update_device`, `delete_device`: the platform changes the same roster as the local API. And the commands that are
//! refused whole.

use serde_json::{Value, json};

use super::deps::LinkDeps;
use crate::actors::device_groups::DeviceGroups;
use crate::actors::devices::message::{PutDevices, RemoveDevices};
use crate::actors::registry::message::{ListGroups, ListPermissions};
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_protocol::device::DeviceCommand;
use menshen_protocol::refused::RefusedCommand;

/// Carries a command out. Each of several alone cannot be told in its result, so one that cannot be fails all of them.
pub async fn change_devices(deps: &LinkDeps, command: DeviceCommand) -> Result<Value, ProtocolError> {
    if !deps.manages_devices {
        let detail = "the devices of this box are managed on the box (platform.manages_devices)";
        return Err(ProtocolError::new(StatusCode::NotImplemented, detail));
    }
    match command {
        DeviceCommand::Put { verb, mut wishes, echo } => {
            let permissions = deps.registry.send_until_answered(|| ListPermissions).await?;
            let registry = deps.registry.send_until_answered(|| ListGroups).await?;
            let groups = DeviceGroups { permissions, registry };
            let present = deps.device_list.all();
            for wish in &mut wishes {
                groups.look_up(wish, &present).map_err(as_command)?;
            }
            let put = || PutDevices { wishes: wishes.clone(), verb };
            deps.devices.send_until_answered(put).await.map_err(as_command)?;
            Ok(json!({ "device_info": echo }))
        }
        DeviceCommand::Delete { ids, echo } => {
            // A redelivery finds them gone already.
            let remove = || RemoveDevices { ids: Some(ids.clone()), pass_over_unknown: true };
            deps.devices.send_until_answered(remove).await.map_err(as_command)?;
            Ok(json!({ "device_id": echo }))
        }
    }
}

/// What is a wrong parameter of a local call has another code in a command.
fn as_command(refusal: ProtocolError) -> ProtocolError {
    match refusal.code {
        StatusCode::LocalParamError | StatusCode::LocalNotFound => {
            ProtocolError::new(StatusCode::ParamError, refusal.detail)
        }
        _ => refusal,
    }
}

/// The refusal of what this box never does. No request is made.
pub fn refuse(command: &RefusedCommand) -> ProtocolError {
    match command {
        RefusedCommand::DownloadPackage { name, host } => {
            tracing::warn!(
                package = name,
                host,
                "the platform sent a package to be executed; it was refused"
            );
        }
        RefusedCommand::FrpControl { action } => {
            tracing::warn!(action, "the platform asked for a tunnel into this network; it was refused");
        }
    }
    ProtocolError::new(StatusCode::NotImplemented, command.reason())
}
