//! One device: its configuration, the life of its stream, and when frames came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::message::DeviceKey;
use crate::actors::blocking::{Blocking, spawn_blocking};
use crate::ports::camera::{FrameSink, Stream, StreamOpener, StreamSpec, StreamTraits};
use crate::ports::clock::Clock;
use menshen_domain::backoff::Backoff;
use menshen_domain::device::{DeviceConfig, DeviceStatus};
use menshen_domain::frame::Frame;
use menshen_domain::limits;
use menshen_domain::stream::{StreamLife, StreamState};

/// Assumed for a template that cannot be read.
const UNKNOWN: StreamTraits = StreamTraits { live: true, silence_timeout: Duration::from_secs(5) };

pub(super) struct Device {
    pub key: DeviceKey,
    pub config: DeviceConfig,
    pub life: StreamLife,
    pub stream: Option<Box<dyn Stream>>,
    frames: FrameSink,
    /// Of the current generation; 0 before its first frame. Written by the decoder's thread.
    last_frame_monotonic_ms: Arc<AtomicU64>,
    last_frame_wall_ms: Arc<AtomicU64>,
    pub since_ms: u64,
    /// Packets of the current generation, and when the last was noticed.
    packets: (u64, Option<u64>),
    /// Processor time of the present stream that is in the metrics already.
    cost: Duration,
    /// What the camera sends, once it is known.
    pub codec: Option<String>,
}

impl Device {
    /// Not started. A missing template is reported when the stream is opened; until then the stream counts as live.
    pub fn new(
        key: DeviceKey,
        config: DeviceConfig,
        frames: FrameSink,
        opener: &dyn StreamOpener,
        clock: &dyn Clock,
    ) -> Self {
        let traits = opener.traits(&config.pipeline).unwrap_or(UNKNOWN);
        let (first_ms, cap_ms) = limits::STREAM_BACKOFF_MS;
        let silence_ms = traits.silence_timeout.as_millis() as u64;
        Self {
            key,
            life: StreamLife::new(traits.live, silence_ms, Backoff::new(first_ms, cap_ms)),
            stream: None,
            frames,
            last_frame_monotonic_ms: Arc::default(),
            last_frame_wall_ms: Arc::default(),
            since_ms: clock.wall_ms(),
            packets: (0, None),
            cost: Duration::ZERO,
            codec: None,
            config,
        }
    }

    pub fn spec(&self) -> StreamSpec {
        spec_of(&self.config)
    }

    /// A new generation has its own frame clock: a late frame of the old one does not count.
    pub fn watched_frames(&mut self, clock: Arc<dyn Clock>) -> FrameSink {
        self.last_frame_monotonic_ms = Arc::default();
        self.packets = (0, None);
        let frames = Arc::clone(&self.frames);
        let monotonic_ms = Arc::clone(&self.last_frame_monotonic_ms);
        let wall_ms = Arc::clone(&self.last_frame_wall_ms);
        Arc::new(move |frame: Frame| {
            monotonic_ms.store(clock.monotonic_ms().max(1), Ordering::Relaxed);
            wall_ms.store(frame.captured_at_ms, Ordering::Relaxed);
            frames(frame)
        })
    }

    /// On the monotonic clock; `None` before the first frame of this generation.
    pub fn last_frame_ms(&self) -> Option<u64> {
        Some(self.last_frame_monotonic_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }

    /// When packets were last seen to have come; `None` before the first of this generation.
    pub fn last_packet_ms(&mut self, now_ms: u64) -> Option<u64> {
        let count = self.stream.as_ref().map_or(0, |stream| stream.packets());
        if count != self.packets.0 {
            self.packets = (count, Some(now_ms));
        }
        self.packets.1
    }

    pub fn status(&self) -> DeviceStatus {
        DeviceStatus {
            config: self.config.clone(),
            state: self.life.state().clone(),
            since_ms: self.since_ms,
            last_frame_ms: self.last_frame_wall_ms.load(Ordering::Relaxed),
            reconnects: self.life.reconnects(),
            codec: self.codec.clone(),
        }
    }

    /// Notes and logs a change of state.
    pub fn note_change(&mut self, wall_ms: u64) {
        self.since_ms = wall_ms;
        let (ip, name) = (&self.config.ip, &self.config.name);
        let online = self.life.state().is_online();
        metrics::gauge!("menshen_device_online", "device" => ip.clone()).set(f64::from(u8::from(online)));
        match self.life.state() {
            StreamState::Offline(fault) => {
                let kind = fault.kind();
                tracing::warn!(device = %ip, name = %name, kind, reason = %fault, "device went offline");
            }
            StreamState::AwaitingKeyFrame => tracing::warn!(
                device = %ip, name = %name,
                "device waits for a key frame: its packets come; set its key-frame interval to 1-2 s"
            ),
            state => tracing::info!(device = %ip, name = %name, ?state, "device state changed"),
        }
    }

    /// Puts into the metrics what the stream has cost since the last time.
    pub fn note_cost(&mut self) {
        let spent = self.stream.as_ref().map_or(Duration::ZERO, |stream| stream.cost());
        let unreported = spent.saturating_sub(self.cost).as_micros();
        self.cost = spent;
        metrics::counter!(
            "menshen_cpu_microseconds_total", "device" => self.config.ip.clone(), "stage" => "decode"
        )
        .increment(u64::try_from(unreported).unwrap_or_default());
    }

    /// Closes the stream on a thread, since that waits for threads.
    pub fn close(&mut self) -> Option<Blocking<()>> {
        let stream = self.stream.take()?;
        self.cost = Duration::ZERO;
        Some(spawn_blocking(move || drop(stream)))
    }

    /// Ends alarms about a device that was removed.
    pub fn forget_metrics(&self) {
        metrics::gauge!("menshen_device_online", "device" => self.config.ip.clone()).set(f64::NAN);
    }
}

pub(super) fn spec_of(config: &DeviceConfig) -> StreamSpec {
    StreamSpec {
        device_id: config.ip.clone(),
        pipeline: config.pipeline.clone(),
        parameters: config.parameters.clone(),
    }
}
