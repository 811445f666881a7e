//! Devices added, changed, removed and read again while the box runs: on disk first, then effective, and no other
//! device's stream is touched.

use std::sync::{Arc, PoisonError};

use actix::prelude::{ActorFutureExt as _, Context, Handler, ResponseActFuture, WrapFuture as _};

use super::DevicesActor;
use super::actor::DevicesDeps;
use super::device::spec_of;
use super::message::{ChangeDevice, PutDevices, ReloadDevices, Reloaded, RemoveDevices};
use crate::actors::blocking::{Blocking, spawn_blocking};
use crate::ports::camera::OpenError;
use crate::ports::store::StoreError;
use menshen_domain::device::{DeviceConfig, DeviceStatus};
use menshen_domain::device_wish::{DeviceWish, Verb, WishFault, find_by_id};
use menshen_domain::secrets::mask_credentials;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_domain::tuning::{Changes, DeviceChange, DeviceEntry};

/// Changes one after the other, each checked on top of those before it; none counts before all of them are durable.
struct Draft<'a> {
    deps: &'a DevicesDeps,
    /// As they would be.
    changes: Changes,
    entries: Vec<(String, DeviceEntry)>,
}

impl<'a> Draft<'a> {
    fn new(deps: &'a DevicesDeps) -> Self {
        Self { deps, changes: deps.tuner.changes(), entries: Vec::new() }
    }

    fn present(&self) -> Vec<DeviceConfig> {
        self.deps.config_store.list(&self.changes).0
    }

    /// Checks a change; the `ip` the device has from now on.
    fn add(&mut self, ip: &str, change: &DeviceChange) -> Result<String, ProtocolError> {
        let becomes = self.deps.config_store.changed(&self.changes, ip, change)?;
        if let Some(config) = &becomes.config {
            let unfit = |error: OpenError| {
                ProtocolError::new(StatusCode::LocalParamError, mask_credentials(&error.to_string()))
            };
            self.deps.opener.check(&spec_of(config)).map_err(unfit)?;
        }
        self.changes.put_devices(becomes.entries.clone());
        self.entries.extend(becomes.entries);
        Ok(becomes.config.map_or_else(|| ip.to_owned(), |config| config.ip))
    }

    /// Makes them durable.
    fn save(self) -> Result<(), ProtocolError> {
        let entries = self.entries;
        if entries.is_empty() {
            return Ok(());
        }
        let unsaved =
            |error: StoreError| ProtocolError::new(StatusCode::ServerProcessFailed, error.to_string());
        self.deps.tuner.change(|changes| changes.put_devices(entries)).map_err(unsaved)
    }
}

/// A change of one device; the `ip` it has from now on.
fn change_one(deps: &DevicesDeps, ip: &str, change: &DeviceChange) -> Result<String, ProtocolError> {
    let mut draft = Draft::new(deps);
    let ip = draft.add(ip, change)?;
    draft.save()?;
    Ok(ip)
}

/// What is wished of devices; the `ip`s they have from now on.
fn put(deps: &DevicesDeps, wishes: &[DeviceWish], verb: Verb) -> Result<Vec<String>, ProtocolError> {
    let refused = |fault: WishFault| {
        let code = match fault {
            WishFault::UnknownDevice(_) => StatusCode::IdNotFound,
            _ => StatusCode::LocalParamError,
        };
        ProtocolError::new(code, fault.to_string())
    };
    let mut draft = Draft::new(deps);
    let mut ips = Vec::new();
    for wish in wishes {
        let (ip, change) = wish.change(verb, &draft.present()).map_err(refused)?;
        ips.push(draft.add(&ip, &change)?);
    }
    draft.save()?;
    Ok(ips)
}

/// Removes devices; what they were.
fn remove(
    deps: &DevicesDeps,
    ids: Option<Vec<String>>,
    pass_over_unknown: bool,
) -> Result<Vec<DeviceConfig>, ProtocolError> {
    let mut draft = Draft::new(deps);
    let present = draft.present();
    let mut gone: Vec<DeviceConfig> = Vec::new();
    let ids = ids.unwrap_or_else(|| present.iter().map(|device| device.device_id.clone()).collect());
    for id in ids {
        match find_by_id(&present, &id) {
            Some(known) if gone.iter().any(|device| device.ip == known.ip) => {}
            Some(known) => {
                draft.add(&known.ip, &DeviceChange::Remove)?;
                gone.push(known.clone());
            }
            None if pass_over_unknown => {}
            None => {
                return Err(ProtocolError::new(
                    StatusCode::IdNotFound,
                    WishFault::UnknownDevice(id).to_string(),
                ));
            }
        }
    }
    draft.save()?;
    Ok(gone)
}

impl DevicesActor {
    /// Runs a change of the list on a thread, one at a time.
    fn changing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DevicesDeps) -> Result<T, ProtocolError> + Send + 'static,
    ) -> Blocking<Result<T, ProtocolError>> {
        let (deps, turn) = (self.deps.clone(), Arc::clone(&self.changing));
        spawn_blocking(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            work(&deps)
        })
    }

    /// Makes the list effective as it is by now: another change may have come in between, and is in it too.
    fn apply_saved(&mut self, ctx: &mut Context<Self>) {
        let (configs, _) = self.deps.config_store.list(&self.deps.tuner.changes());
        self.apply(configs, &[], ctx);
    }
}

impl Handler<ChangeDevice> for DevicesActor {
    type Result = ResponseActFuture<Self, Result<Option<DeviceStatus>, ProtocolError>>;

    fn handle(&mut self, ChangeDevice { ip, change }: ChangeDevice, _: &mut Self::Context) -> Self::Result {
        let saved = self.changing(move |deps| change_one(deps, &ip, &change));
        Box::pin(saved.into_actor(self).map(move |saved, actor, ctx| {
            let ip = saved??;
            actor.apply_saved(ctx);
            tracing::info!(device = %ip, "device was changed");
            Ok(actor.list().into_iter().find(|device| device.config.ip == ip))
        }))
    }
}

impl Handler<PutDevices> for DevicesActor {
    type Result = ResponseActFuture<Self, Result<Vec<DeviceStatus>, ProtocolError>>;

    fn handle(&mut self, PutDevices { wishes, verb }: PutDevices, _: &mut Self::Context) -> Self::Result {
        let saved = self.changing(move |deps| put(deps, &wishes, verb));
        Box::pin(saved.into_actor(self).map(move |saved, actor, ctx| {
            let ips = saved??;
            actor.apply_saved(ctx);
            tracing::info!(devices = ips.join(", "), "devices were added or changed");
            let list = actor.list();
            let find = |ip: &String| list.iter().find(|device| device.config.ip == *ip).cloned();
            Ok(ips.iter().filter_map(find).collect())
        }))
    }
}

impl Handler<RemoveDevices> for DevicesActor {
    type Result = ResponseActFuture<Self, Result<Vec<DeviceConfig>, ProtocolError>>;

    fn handle(&mut self, message: RemoveDevices, _: &mut Self::Context) -> Self::Result {
        let RemoveDevices { ids, pass_over_unknown } = message;
        let saved = self.changing(move |deps| remove(deps, ids, pass_over_unknown));
        Box::pin(saved.into_actor(self).map(move |saved, actor, ctx| {
            let gone = saved??;
            actor.apply_saved(ctx);
            let ips: Vec<_> = gone.iter().map(|device| device.ip.as_str()).collect();
            tracing::info!(devices = ips.join(", "), "devices were removed");
            Ok(gone)
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
