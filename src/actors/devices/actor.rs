//! The device actor: one stream life per device, carried out on threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix::prelude::{Actor, ActorContext as _, AsyncContext as _, Context, Handler, ResponseFuture};
use futures_util::future::join_all;

use super::message::{Drain, FromStream, ListDevices, OpenDone};
use crate::actors::handle::Handle;
use crate::actors::reporter::ReporterActor;
use crate::actors::reporter::message::DevicesChanged;
use crate::core::backoff::Backoff;
use crate::core::device::{DeviceConfig, DeviceStatus, StreamEffect, StreamInput, StreamLife, StreamState};
use crate::core::frame::Frame;
use crate::core::limits;
use crate::ports::camera::{
    FrameSink, NoticeSink, OpenError, Stream, StreamNotice, StreamOpener, StreamSpec,
};
use crate::ports::clock::Clock;
use crate::ports::relay::DoorRelay;

/// Gives the place where a device's frames go; the data plane's side of the house.
pub type AttachFrames = Arc<dyn Fn(&DeviceConfig) -> FrameSink + Send + Sync>;

/// Told the full list whenever it changes, besides the reporter: health looks at it.
pub type Board = Arc<dyn Fn(&[DeviceStatus]) + Send + Sync>;

#[derive(Clone)]
pub struct DevicesParts {
    pub opener: Arc<dyn StreamOpener>,
    pub relay: Arc<dyn DoorRelay>,
    pub attach: AttachFrames,
    pub clock: Arc<dyn Clock>,
    pub reporter: Handle<ReporterActor>,
    pub board: Board,
}

/// One device.
struct Device {
    config: DeviceConfig,
    life: StreamLife,
    stream: Option<Box<dyn Stream>>,
    frames: FrameSink,
    /// Of the current generation; 0 before its first frame. Written by the decoder's thread.
    last_frame_monotonic_ms: Arc<AtomicU64>,
    last_frame_wall_ms: Arc<AtomicU64>,
    since_ms: u64,
}

pub struct DevicesActor {
    pub(super) parts: DevicesParts,
    devices: Vec<Device>,
    /// The reporter has not heard of the newest list yet.
    untold: bool,
}

impl DevicesActor {
    pub fn new(parts: DevicesParts, configs: &[DeviceConfig]) -> Result<Self, OpenError> {
        let devices = configs
            .iter()
            .map(|config| {
                let traits = parts.opener.traits(&config.pipeline)?;
                let (first_ms, cap_ms) = limits::STREAM_BACKOFF_MS;
                let silence_ms = traits.silence_timeout.as_millis() as u64;
                Ok(Device {
                    life: StreamLife::new(traits.live, silence_ms, Backoff::new(first_ms, cap_ms)),
                    stream: None,
                    frames: (parts.attach)(config),
                    last_frame_monotonic_ms: Arc::default(),
                    last_frame_wall_ms: Arc::default(),
                    since_ms: parts.clock.wall_ms(),
                    config: config.clone(),
                })
            })
            .collect::<Result<_, OpenError>>()?;
        Ok(Self { parts, devices, untold: true })
    }

    pub(super) fn config_of(&self, ip: &str) -> Option<&DeviceConfig> {
        self.devices.iter().map(|device| &device.config).find(|config| config.ip == ip)
    }

    fn step(&mut self, device: usize, input: StreamInput, ctx: &mut Context<Self>) {
        let now_ms = self.parts.clock.monotonic_ms();
        let effects = self.devices[device].life.step(input, now_ms, rand::random());
        for effect in effects {
            match effect {
                StreamEffect::Open { generation } => self.open(device, generation, ctx),
                StreamEffect::Close => {
                    if let Some(stream) = self.devices[device].stream.take() {
                        close(stream);
                    }
                }
                StreamEffect::RetryAfter { generation, delay_ms } => {
                    ctx.run_later(Duration::from_millis(delay_ms), move |actor, ctx| {
                        actor.step(device, StreamInput::RetryDue { generation }, ctx);
                    });
                }
                StreamEffect::Changed => self.changed(device),
            }
        }
    }

    fn open(&mut self, index: usize, generation: u64, ctx: &Context<Self>) {
        let device = &mut self.devices[index];
        metrics::counter!("menshen_stream_reconnects_total", "device" => device.config.ep_id.clone())
            .absolute(device.life.reconnects());
        // A new generation has its own frame clock: a late frame of the old one does not count.
        device.last_frame_monotonic_ms = Arc::default();
        let frames = watched(device, Arc::clone(&self.parts.clock));
        let me = ctx.address();
        let notices: NoticeSink = {
            let me = me.clone();
            Arc::new(move |notice| {
                let news = FromStream { device: index, generation, notice };
                if me.try_send(news).is_err() {
                    // The silence watchdog finds the dead stream in any case.
                    tracing::warn!(device = index, "the device manager was too busy for a stream's notice");
                }
            })
        };
        let spec = StreamSpec {
            device_id: device.config.ep_id.clone(),
            pipeline: device.config.pipeline.clone(),
            parameters: device.config.parameters.clone(),
        };
        let opener = Arc::clone(&self.parts.opener);
        actix_rt::spawn(async move {
            let opened = tokio::task::spawn_blocking(move || opener.open(&spec, frames, notices)).await;
            let result = opened.unwrap_or_else(|panic| Err(OpenError::Start(panic.to_string())));
            let _ = me.send(OpenDone { device: index, generation, result }).await;
        });
    }

    fn changed(&mut self, index: usize) {
        let device = &mut self.devices[index];
        device.since_ms = self.parts.clock.wall_ms();
        let online = device.life.state().is_online();
        metrics::gauge!("menshen_device_online", "device" => device.config.ep_id.clone())
            .set(f64::from(u8::from(online)));
        match device.life.state() {
            StreamState::Offline(reason) => {
                tracing::warn!(device = %device.config.ep_id, name = %device.config.name, reason, "offline");
            }
            state => {
                tracing::info!(device = %device.config.ep_id, name = %device.config.name, ?state, "device");
            }
        }
        self.untold = true;
        self.tell();
    }

    fn tell(&mut self) {
        let list = self.list();
        (self.parts.board)(&list);
        // A full or restarting reporter is told again at the next tick; only the newest list counts.
        self.untold = self.parts.reporter.try_send(DevicesChanged(list)).is_err();
    }

    fn list(&self) -> Vec<DeviceStatus> {
        self.devices
            .iter()
            .map(|device| DeviceStatus {
                config: device.config.clone(),
                state: device.life.state().clone(),
                since_ms: device.since_ms,
                last_frame_ms: device.last_frame_wall_ms.load(Ordering::Relaxed),
                reconnects: device.life.reconnects(),
            })
            .collect()
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        for index in 0..self.devices.len() {
            let last_ms = self.devices[index].last_frame_monotonic_ms.load(Ordering::Relaxed);
            let last_frame_ms = Some(last_ms).filter(|ms| *ms > 0);
            self.step(index, StreamInput::Tick { last_frame_ms }, ctx);
        }
        if self.untold {
            self.tell();
        }
    }
}

/// The device's sink, noting when frames come.
fn watched(device: &Device, clock: Arc<dyn Clock>) -> FrameSink {
    let frames = Arc::clone(&device.frames);
    let monotonic_ms = Arc::clone(&device.last_frame_monotonic_ms);
    let wall_ms = Arc::clone(&device.last_frame_wall_ms);
    Arc::new(move |frame: Frame| {
        monotonic_ms.store(clock.monotonic_ms().max(1), Ordering::Relaxed);
        wall_ms.store(frame.captured_at_ms, Ordering::Relaxed);
        frames(frame);
    })
}

/// Stopping waits for threads, so it is done on one.
fn close(stream: Box<dyn Stream>) -> tokio::task::JoinHandle<()> {
    tokio::task::spawn_blocking(move || drop(stream))
}

impl Actor for DevicesActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::DEVICES_MAILBOX);
        ctx.run_interval(Duration::from_millis(limits::STREAM_TICK_MS), Self::tick);
        for index in 0..self.devices.len() {
            self.step(index, StreamInput::Start, ctx);
        }
        self.tell();
    }
}

impl Handler<OpenDone> for DevicesActor {
    type Result = ();

    fn handle(&mut self, OpenDone { device, generation, result }: OpenDone, ctx: &mut Self::Context) {
        match result {
            Ok(stream) if generation == self.devices[device].life.generation() => {
                self.devices[device].stream = Some(stream);
            }
            // Given up meanwhile.
            Ok(stream) => drop(close(stream)),
            Err(error) => {
                self.step(device, StreamInput::OpenFailed { generation, reason: error.to_string() }, ctx);
            }
        }
    }
}

impl Handler<FromStream> for DevicesActor {
    type Result = ();

    fn handle(&mut self, FromStream { device, generation, notice }: FromStream, ctx: &mut Self::Context) {
        let input = match notice {
            StreamNotice::Failed(reason) => StreamInput::Failed { generation, reason },
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

impl Handler<Drain> for DevicesActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Drain, ctx: &mut Self::Context) -> Self::Result {
        let streams: Vec<_> = self.devices.iter_mut().filter_map(|device| device.stream.take()).collect();
        // No more ticks, retries or notices: what comes now is not looked at.
        ctx.stop();
        let closing: Vec<_> = streams.into_iter().map(close).collect();
        Box::pin(async move { drop(join_all(closing).await) })
    }
}
