//! Devices added, changed, removed and read again while the box runs: on disk first, then effective, and no other
//! device's stream is touched.

use std::sync::Arc;

use actix::prelude::{ActorFutureExt as _, Handler, ResponseActFuture, WrapFuture as _};

use super::DevicesActor;
use super::actor::DevicesDeps;
use super::device::spec_of;
use super::message::{ChangeDevice, ReloadDevices, Reloaded};
use crate::actors::blocking::spawn_blocking;
use crate::ports::camera::OpenError;
use crate::ports::store::StoreError;
use menshen_domain::device::DeviceStatus;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::tuning::DeviceChange;

/// Checks a change and makes it durable; the `ip` the device has from now on.
fn save(deps: &DevicesDeps, ip: &str, change: &DeviceChange) -> Result<String, ProtocolError> {
    let becomes = deps.config_store.changed(&deps.tuner.changes(), ip, change)?;
    if let Some(config) = &becomes.config {
        let unfit = |error: OpenError| {
            ProtocolError::new(
                StatusCode::LocalParamError,
                menshen_domain::secrets::mask_credentials(&error.to_string()),
            )
        };
        deps.opener.check(&spec_of(config)).map_err(unfit)?;
    }
    let ip = becomes.config.map_or_else(|| ip.to_owned(), |config| config.ip);
    let unsaved = |error: StoreError| ProtocolError::new(StatusCode::ServerProcessFailed, error.to_string());
    deps.tuner.change(|changes| changes.put_devices(becomes.entries)).map_err(unsaved)?;
    Ok(ip)
}

impl Handler<ChangeDevice> for DevicesActor {
    type Result = ResponseActFuture<Self, Result<Option<DeviceStatus>, ProtocolError>>;

    fn handle(&mut self, ChangeDevice { ip, change }: ChangeDevice, _: &mut Self::Context) -> Self::Result {
        let deps = self.deps.clone();
        let saved = spawn_blocking(move || save(&deps, &ip, &change));
        Box::pin(saved.into_actor(self).map(move |saved, actor, ctx| {
            let ip = saved??;
            // As it is by now: another change may have come in between, and is in it too.
            let (configs, _) = actor.deps.config_store.list(&actor.deps.tuner.changes());
            actor.apply(configs, &[], ctx);
            tracing::info!(device = %ip, "device was changed");
            Ok(actor.list().into_iter().find(|device| device.config.ip == ip))
        }))
    }
}

impl Handler<ReloadDevices> for DevicesActor {
    type Result = ResponseActFuture<Self, Result<Reloaded, ProtocolError>>;

    fn handle(&mut self, _: ReloadDevices, _: &mut Self::Context) -> Self::Result {
        let (opener, config_store) = (Arc::clone(&self.deps.opener), Arc::clone(&self.deps.config_store));
        let wrong = |text: String| ProtocolError::new(StatusCode::LocalParamError, text);
        let read = spawn_blocking(move || -> Result<_, ProtocolError> {
            let texts = |errors: Vec<OpenError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
            let pipelines = opener.reload().map_err(|errors| wrong(texts(errors).join("; ")))?;
            config_store.reread().map_err(|error| wrong(error.to_string()))?;
            Ok(pipelines)
        });
        Box::pin(read.into_actor(self).map(|read, actor, ctx| {
            let pipelines = read??;
            let (configs, _) = actor.deps.config_store.list(&actor.deps.tuner.changes());
            let devices = configs.len();
            let changed = actor.apply(configs, &pipelines, ctx);
            tracing::info!(?changed, "devices and pipelines were read again");
            Ok(Reloaded { changed, devices })
        }))
    }
}
