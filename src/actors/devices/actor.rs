//! The device actor: one stream life cycle for each device, performed on threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::{Actor, ActorContext as _, AsyncContext as _, Context, Handler, ResponseFuture};
use futures_util::future::join_all;

use super::device::Device;
use super::device_list::DeviceList;
use super::door::{RecentCommands, order_of, process};
use super::message::{ActOnDoor, DeviceKey, Drain, FromStream, ListDevices, OpenDone};
use crate::actors::blocking::spawn_blocking;
use crate::actors::handle::Handle;
use crate::actors::reporter::ReporterActor;
use crate::actors::reporter::message::DevicesChanged;
use crate::actors::tuning::Tuner;
use crate::ports::camera::{FrameSink, NoticeSink, OpenError, StreamNotice, StreamOpener};
use crate::ports::clock::Clock;
use crate::ports::device_config_store::DeviceConfigStore;
use crate::ports::relay::DoorRelay;
use menshen_domain::device::{DeviceConfig, DeviceStatus};
use menshen_domain::limits;
use menshen_domain::relay::action_url::ActionUrl;
use menshen_domain::status::ProtocolError;
use menshen_domain::stream::{StreamEffect, StreamInput};

/// The data plane as the device manager sees it.
pub trait FrameRouting: Send + Sync {
    /// Returns where a device's frames go. Attaching again keeps the passages that are open there, and applies the new
    /// configuration.
    fn attach(&self, device: &DeviceConfig) -> FrameSink;
    /// The device is gone: its passages end.
    fn detach(&self, device: &DeviceConfig);
}

/// Gets the full list whenever it changes, as the reporter does; health uses it.
pub type DevicesObserver = Arc<dyn Fn(&[DeviceStatus]) + Send + Sync>;

#[derive(Clone)]
pub struct DevicesDeps {
    pub opener: Arc<dyn StreamOpener>,
    pub relay: Arc<dyn DoorRelay>,
    pub routing: Arc<dyn FrameRouting>,
    pub clock: Arc<dyn Clock>,
    pub reporter: Handle<ReporterActor>,
    pub observer: DevicesObserver,
    pub config_store: Arc<dyn DeviceConfigStore>,
    pub tuner: Tuner,
    pub device_list: DeviceList,
}

pub struct DevicesActor {
    pub(super) deps: DevicesDeps,
    pub(super) devices: Vec<Device>,
    next_key: DeviceKey,
    commands: RecentCommands,
    /// The reporter does not have the newest list yet.
    unreported: bool,
    /// Held by the change of the list that is being made.
    pub(super) changing: Arc<Mutex<()>>,
}

impl DevicesActor {
    pub fn new(deps: DevicesDeps) -> Self {
        Self {
            deps,
            devices: Vec::new(),
            next_key: 0,
            commands: RecentCommands::default(),
            unreported: true,
            changing: Arc::default(),
        }
    }

    /// Changes to a list of devices; streams of unchanged devices keep running. Returns the `ip`s of those that changed.
    /// `reopen`: pipelines whose streams are opened again in any case.
    pub(super) fn apply(
        &mut self,
        configs: Vec<DeviceConfig>,
        reopen: &[String],
        ctx: &mut Context<Self>,
    ) -> Vec<String> {
        let mut changed = Vec::new();
        let mut before = std::mem::take(&mut self.devices);
        self.deps.device_list.set(configs.clone());
        for config in configs {
            let found = before.iter().position(|device| device.config.ip == config.ip);
            let known = found.map(|at| before.remove(at));
            match known {
                Some(mut device)
                    if device.config.streams_alike(&config) && !reopen.contains(&config.pipeline) =>
                {
                    if device.config != config {
                        drop(self.deps.routing.attach(&config));
                        tell_idle_relay(&config);
                        changed.push(config.ip.clone());
                        device.config = config;
                    }
                    self.devices.push(device);
                }
                known => {
                    changed.push(config.ip.clone());
                    if let Some(mut device) = known {
                        device.close();
                    }
                    self.begin(config, ctx);
                }
            }
        }
        for mut gone in before {
            changed.push(gone.config.ip.clone());
            gone.close();
            gone.forget_metrics();
            self.deps.routing.detach(&gone.config);
        }
        self.report();
        changed
    }

    fn begin(&mut self, config: DeviceConfig, ctx: &mut Context<Self>) {
        let (key, enabled) = (self.next_key, config.enabled);
        self.next_key += 1;
        tell_idle_relay(&config);
        let frames = self.deps.routing.attach(&config);
        let (opener, clock) = (self.deps.opener.as_ref(), self.deps.clock.as_ref());
        self.devices.push(Device::new(key, config, frames, opener, clock));
        if enabled {
            self.step(key, StreamInput::Start, ctx);
        }
    }

    fn config_of(&self, ip: &str) -> Option<&DeviceConfig> {
        self.devices.iter().map(|device| &device.config).find(|config| config.ip == ip)
    }

    fn device(&mut self, key: DeviceKey) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.key == key)
    }

    fn step(&mut self, key: DeviceKey, input: StreamInput, ctx: &mut Context<Self>) {
        let now_ms = self.deps.clock.monotonic_ms();
        // A device that was removed or reopened meanwhile.
        let Some(device) = self.device(key) else { return };
        let effects = device.life.step(input, now_ms, rand::random());
        for effect in effects {
            match effect {
                StreamEffect::Open { generation } => self.open(key, generation, ctx),
                StreamEffect::Close => {
                    if let Some(device) = self.device(key) {
                        device.note_cost();
                        device.close();
                    }
                }
                StreamEffect::RetryAfter { generation, delay_ms } => {
                    ctx.run_later(Duration::from_millis(delay_ms), move |actor, ctx| {
                        actor.step(key, StreamInput::RetryDue { generation }, ctx);
                    });
                }
                StreamEffect::Changed => {
                    let wall_ms = self.deps.clock.wall_ms();
                    if let Some(device) = self.device(key) {
                        device.note_change(wall_ms);
                    }
                    self.unreported = true;
                    self.report();
                }
            }
        }
    }

    fn open(&mut self, key: DeviceKey, generation: u64, ctx: &Context<Self>) {
        let clock = Arc::clone(&self.deps.clock);
        let Some(device) = self.device(key) else { return };
        metrics::counter!("menshen_stream_reconnects_total", "device" => device.config.ip.clone())
            .absolute(device.life.reconnects());
        let (frames, spec) = (device.watched_frames(clock), device.spec());
        let me = ctx.address();
        let notices: NoticeSink = {
            let me = me.clone();
            Arc::new(move |notice| {
                if me.try_send(FromStream { device: key, generation, notice }).is_err() {
                    // The silence watchdog finds the dead stream in any case.
                    tracing::warn!(device = key, "device manager was too busy to take a notice of a stream");
                }
            })
        };
        let opener = Arc::clone(&self.deps.opener);
        actix_rt::spawn(async move {
            let opened = spawn_blocking(move || opener.open(&spec, frames, notices)).await;
            let result = opened.unwrap_or_else(|unfinished| Err(OpenError::Start(unfinished.to_string())));
            let _ = me.send(OpenDone { device: key, generation, result }).await;
        });
    }

    fn report(&mut self) {
        let list = self.list();
        (self.deps.observer)(&list);
        // A full or restarting reporter gets the list at the next tick; only the newest list counts.
        self.unreported = self.deps.reporter.try_send(DevicesChanged(list)).is_err();
    }

    pub(super) fn list(&self) -> Vec<DeviceStatus> {
        self.devices.iter().map(Device::status).collect()
    }

    fn note_costs(&mut self, _: &mut Context<Self>) {
        self.devices.iter_mut().for_each(Device::note_cost);
        // Health shows when the newest frame came, whether or not anything else has changed.
        (self.deps.observer)(&self.list());
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        let now_ms = self.deps.clock.monotonic_ms();
        let look = |device: &mut Device| (device.key, device.last_frame_ms(), device.last_packet_ms(now_ms));
        let looks: Vec<_> = self.devices.iter_mut().map(look).collect();
        for (key, last_frame_ms, last_packet_ms) in looks {
            self.step(key, StreamInput::Tick { last_frame_ms, last_packet_ms }, ctx);
        }
        if self.unreported {
            self.report();
        }
    }
}

fn tell_idle_relay(config: &DeviceConfig) {
    if config.has_idle_relay() {
        tracing::warn!(device = %config.ip, "its network relay opens nothing: set gate.net_relay_url, or action_url of the device");
    }
}

impl Actor for DevicesActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::DEVICES_MAILBOX);
        ctx.run_interval(Duration::from_millis(limits::STREAM_TICK_MS), Self::tick);
        ctx.run_interval(Duration::from_millis(limits::COST_TICK_MS), Self::note_costs);
        let (configs, problems) = self.deps.config_store.list(&self.deps.tuner.changes());
        for problem in problems {
            tracing::error!(problem, "device changed in the field cannot be used");
        }
        let may_be_on = configs.iter().filter_map(|device| device.action_url.as_ref());
        self.deps.relay.rest(may_be_on.flat_map(ActionUrl::at_rest).collect());
        self.apply(configs, &[], ctx);
    }
}

impl Handler<OpenDone> for DevicesActor {
    type Result = ();

    fn handle(&mut self, OpenDone { device: key, generation, result }: OpenDone, ctx: &mut Self::Context) {
        match result {
            Ok(stream) => match self.device(key) {
                Some(device) if generation == device.life.generation() => device.stream = Some(stream),
                // Given up meanwhile.
                _ => drop(spawn_blocking(move || drop(stream))),
            },
            Err(error) => {
                self.step(key, StreamInput::OpenFailed { generation, fault: error.into() }, ctx);
            }
        }
    }
}

impl Handler<FromStream> for DevicesActor {
    type Result = ();

    fn handle(&mut self, FromStream { device, generation, notice }: FromStream, ctx: &mut Self::Context) {
        let input = match notice {
            StreamNotice::Decoding { codec, decoder } => {
                if let Some(device) = self.device(device) {
                    tracing::info!(device = %device.config.ip, codec, decoder, "stream is being decoded");
                    device.codec = Some(codec);
                }
                return;
            }
            StreamNotice::Failed(failure) => StreamInput::Failed { generation, fault: failure.into() },
            StreamNotice::Ended => StreamInput::Ended { generation },
        };
        self.step(device, input, ctx);
    }
}

impl Handler<ListDevices> for DevicesActor {
    type Result = Vec<DeviceStatus>;

    fn handle(&mut self, _: ListDevices, _: &mut Self::Context) -> Self::Result {
        self.list()
    }
}

impl Handler<ActOnDoor> for DevicesActor {
    type Result = ResponseFuture<Result<(), ProtocolError>>;

    fn handle(&mut self, message: ActOnDoor, _: &mut Self::Context) -> Self::Result {
        let order = order_of(self.config_of(&message.ip), &message.ip, &message.command)
            .and_then(|order| self.commands.admit(&message.id).map(|()| order));
        let (relay, clock) = (Arc::clone(&self.deps.relay), Arc::clone(&self.deps.clock));
        Box::pin(process(relay, clock, message, order))
    }
}

impl Handler<Drain> for DevicesActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> Self::Result {
        let closing: Vec<_> = self.devices.iter_mut().filter_map(Device::close).collect();
        // No more ticks, retries or notices from here on.
        ctx.stop();
        let relay = Arc::clone(&self.deps.relay);
        Box::pin(async move {
            relay.rest_all().await;
            drop(join_all(closing).await);
        })
    }
}
