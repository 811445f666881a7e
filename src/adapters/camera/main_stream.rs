//! The main stream of a camera, beside the one that is analysed. It is received and kept for a moment, but not decoded;
//! when a picture of an event is wanted, the few pictures from the last key frame on are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gstreamer::prelude::*;
use gstreamer::{
    Buffer, BufferFlags, BusSyncReply, Caps, ClockTime, FlowError, MessageView, Pipeline, State,
    StateChangeError, glib,
};
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};

use super::packets::count_packets;
use super::rtsp_proxy::RtspProxy;
use super::sample::{SampleError, one_thread, to_frame};
use super::template::FRAMES;
use crate::ports::camera::OpenError;
use menshen_domain::backoff::Backoff;
use menshen_domain::frame::{Frame, HighResError, HighResFrame};
use menshen_domain::limits;
use menshen_domain::repeated::says_the_same;
use menshen_domain::secrets::mask_credentials;

/// Why a main stream does not go on, or has no picture of a moment.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MainStreamError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the pipeline has no {0}")]
    Missing(String),
    #[error(transparent)]
    Parse(#[from] glib::Error),
    #[error(transparent)]
    State(#[from] StateChangeError),
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// In the words of the element, with credentials masked.
    #[error("{0}")]
    Element(String),
    #[error("it ended")]
    Ended,
    #[error("no picture for {:.1} s", .0.as_secs_f64())]
    Silent(Duration),
    #[error("the main stream's picture was not decoded in time")]
    Late,
    #[error("the main stream's pictures cannot be decoded")]
    Undecodable,
    #[error("{0}")]
    Sample(String),
}

impl From<SampleError> for MainStreamError {
    fn from(error: SampleError) -> Self {
        Self::Sample(error.to_string())
    }
}

/// Makes a new pipeline, with what its client goes through to the camera.
pub type Build = Box<dyn Fn() -> Result<(Pipeline, Option<RtspProxy>), OpenError> + Send>;

/// Receives until it is dropped; comes back by itself.
pub struct MainStream {
    kept: Arc<Kept>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What came last.
#[derive(Default)]
struct Kept(Mutex<Group>);

#[derive(Default)]
struct Group {
    caps: Option<Caps>,
    units: VecDeque<Unit>,
    bytes: usize,
}

/// One encoded picture.
#[derive(Clone)]
struct Unit {
    arrived_ms: u64,
    is_key: bool,
    data: Buffer,
}

impl MainStream {
    /// `silence` without a picture is a failure.
    pub fn start(device: &str, silence: Duration, build: Build) -> std::io::Result<Self> {
        let kept = Arc::<Kept>::default();
        let (stop, stopped) = channel();
        let (receiving, device) = (Arc::clone(&kept), device.to_owned());
        let thread = std::thread::Builder::new()
            .name("main-stream".to_owned())
            .spawn(move || receive(&device, silence, &build, &receiving, &stopped))?;
        Ok(Self { kept, stop: Some(stop), thread: Some(thread) })
    }

    /// The moment a frame of the other stream came.
    pub fn moment(&self, at_ms: u64) -> Arc<dyn HighResFrame> {
        Arc::new(Moment { kept: Arc::clone(&self.kept), at_ms })
    }
}

impl Drop for MainStream {
    fn drop(&mut self) {
        self.stop = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of a main stream panicked");
        }
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Group> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        *self.lock() = Group::default();
    }

    fn put(&self, caps: Option<Caps>, data: Buffer, arrived_ms: u64) {
        let mut kept = self.lock();
        if kept.caps != caps {
            *kept = Group { caps, ..Group::default() };
        }
        kept.bytes += data.size();
        let is_key = !data.flags().contains(BufferFlags::DELTA_UNIT);
        kept.units.push_back(Unit { arrived_ms, is_key, data });
        kept.forget_old(arrived_ms);
    }
}

impl Group {
    /// Whole groups go, so that the first unit is a key frame whenever there is one.
    fn forget_old(&mut self, now_ms: u64) {
        loop {
            let next_key = self.units.iter().skip(1).position(|unit| unit.is_key).map(|at| at + 1);
            let is_old = next_key.is_some_and(|at| {
                now_ms.saturating_sub(self.units[at].arrived_ms) > limits::MAIN_STREAM_KEPT_MS
            });
            let too_much = self.bytes > limits::MAIN_STREAM_BYTES_MAX;
            let gone = match next_key {
                Some(at) if is_old || too_much => at,
                // One group that is too large by itself is of no use.
                None if too_much => self.units.len(),
                _ => return,
            };
            let gone: usize = self.units.drain(..gone).map(|unit| unit.data.size()).sum();
            self.bytes = self.bytes.saturating_sub(gone);
        }
    }

    /// From the last key frame to the picture of a moment.
    fn up_to(&self, at_ms: u64) -> Vec<Buffer> {
        let here =
            self.units.iter().take_while(|unit| unit.arrived_ms <= at_ms + limits::MAIN_STREAM_LATE_MS);
        let here: Vec<&Unit> = here.collect();
        let Some(key) = here.iter().rposition(|unit| unit.is_key) else { return Vec::new() };
        // Of a stream that hangs the newest picture is not that of the moment.
        let is_near =
            here.last().is_some_and(|last| last.arrived_ms + limits::MAIN_STREAM_OFF_MAX_MS >= at_ms);
        if is_near { here[key..].iter().map(|unit| unit.data.clone()).collect() } else { Vec::new() }
    }
}

struct Moment {
    kept: Arc<Kept>,
    at_ms: u64,
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Moment({})", self.at_ms)
    }
}

impl HighResFrame for Moment {
    fn held(&self) -> Arc<dyn HighResFrame> {
        let kept = self.kept.lock();
        Arc::new(Held { caps: kept.caps.clone(), units: kept.up_to(self.at_ms), at_ms: self.at_ms })
    }

    fn decode(&self) -> Result<Frame, HighResError> {
        self.held().decode()
    }
}

/// Encoded pictures that stay for as long as they are wanted.
struct Held {
    caps: Option<Caps>,
    units: Vec<Buffer>,
    at_ms: u64,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held({} at {})", self.units.len(), self.at_ms)
    }
}

impl HighResFrame for Held {
    fn held(&self) -> Arc<dyn HighResFrame> {
        Arc::new(Self { caps: self.caps.clone(), units: self.units.clone(), at_ms: self.at_ms })
    }

    fn decode(&self) -> Result<Frame, HighResError> {
        let caps = self.caps.as_ref().filter(|_| !self.units.is_empty());
        let caps = caps.ok_or(HighResError::NoPicture)?;
        let frame = decode_last(caps, &self.units).map_err(|error| HighResError::Decoder(error.into()))?;
        Ok(Frame { captured_at_ms: self.at_ms, ..frame })
    }
}

/// Decodes a group and returns its last picture.
fn decode_last(caps: &Caps, units: &[Buffer]) -> Result<Frame, MainStreamError> {
    let launch = format!(
        "appsrc name=units format=time ! decodebin ! videoconvert ! video/x-raw,format=(string){{ I420, NV12 }} \
         ! appsink name={FRAMES} sync=false max-buffers=2"
    );
    let missing = |what: &str| MainStreamError::Missing(what.to_owned());
    let pipeline = gstreamer::parse::launch(&launch)?;
    let pipeline = pipeline.downcast::<Pipeline>().map_err(|_| missing("elements"))?;
    let ended = Ended(pipeline.clone());
    pipeline.connect_deep_element_added(|_, _, element| one_thread(element));
    let source = pipeline.by_name("units").and_then(|element| element.downcast::<AppSrc>().ok());
    let sink = pipeline.by_name(FRAMES).and_then(|element| element.downcast::<AppSink>().ok());
    let (source, sink) = source.zip(sink).ok_or_else(|| missing("appsrc and appsink"))?;
    source.set_caps(Some(caps));
    pipeline.set_state(State::Playing)?;
    for (index, unit) in units.iter().enumerate() {
        let mut unit = unit.copy();
        if let Some(unit) = unit.get_mut() {
            unit.set_pts(ClockTime::from_mseconds(index as u64 * 40));
            unit.set_dts(None);
        }
        source.push_buffer(unit)?;
    }
    source.end_of_stream()?;
    let until = Instant::now() + Duration::from_millis(limits::MAIN_STREAM_DECODE_MS);
    let mut last = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = ClockTime::from_mseconds(left.as_millis() as u64);
        match sink.try_pull_sample(left) {
            Some(sample) => last = Some(sample),
            None if sink.is_eos() => break,
            None => return Err(MainStreamError::Late),
        }
    }
    let frame = to_frame(&last.ok_or(MainStreamError::Undecodable)?, 0)?.detached();
    drop(ended);
    Ok(frame)
}

/// Stops a pipeline, whatever happens.
struct Ended(Pipeline);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Err(error) = self.0.set_state(State::Null) {
            tracing::warn!(%error, "a pipeline did not stop in good order");
        }
    }
}

fn receive(device: &str, silence: Duration, build: &Build, kept: &Arc<Kept>, stopped: &Receiver<()>) {
    let (first_ms, cap_ms) = limits::MAIN_STREAM_BACKOFF_MS;
    let mut backoff = Backoff::new(first_ms, cap_ms);
    let is_up = metrics::gauge!("menshen_main_stream_up", "device" => device.to_owned());
    let mut logged = String::new();
    loop {
        let began = Instant::now();
        let failure = build().map_err(MainStreamError::from).and_then(|(pipeline, proxy)| {
            let done = run(&pipeline, silence, kept, stopped, &is_up);
            let told = proxy.and_then(|proxy| proxy.failure());
            done.map_err(|error| told.map_or(error, |told| MainStreamError::Element(told.text)))
        });
        is_up.set(0.0);
        kept.clear();
        let Err(error) = failure else { return };
        let reason = error.to_string();
        if !says_the_same(&reason, &logged) {
            tracing::warn!(device, reason, "the main stream failed; events get pictures of the other stream");
            logged = reason;
        }
        if began.elapsed() > Duration::from_mins(1) {
            backoff.reset();
        }
        let wait = Duration::from_millis(backoff.next_ms(rand::random()));
        if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Receives; `Ok` when it was stopped.
fn run(
    pipeline: &Pipeline,
    silence: Duration,
    kept: &Arc<Kept>,
    stopped: &Receiver<()>,
    is_up: &metrics::Gauge,
) -> Result<(), MainStreamError> {
    let _ended = Ended(pipeline.clone());
    let sink = pipeline.by_name(FRAMES).and_then(|element| element.downcast::<AppSink>().ok());
    let sink = sink.ok_or_else(|| MainStreamError::Missing(format!("appsink `{FRAMES}`")))?;
    let failure = Arc::new(Mutex::new(None::<MainStreamError>));
    let came = Arc::new(AtomicBool::new(false));
    let (noted, keeping) = (Arc::clone(&came), Arc::clone(kept));
    let new_sample = move |sink: &AppSink| {
        let sample = sink.pull_sample().map_err(|_| gstreamer::FlowError::Eos)?;
        if let Some(buffer) = sample.buffer_owned() {
            let now =
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
            keeping.put(sample.caps_owned(), buffer, now);
            noted.store(true, Ordering::Release);
        }
        Ok(gstreamer::FlowSuccess::Ok)
    };
    sink.set_callbacks(AppSinkCallbacks::builder().new_sample(new_sample).build());
    let bus = pipeline.bus().ok_or_else(|| MainStreamError::Missing("bus".to_owned()))?;
    let noted_failure = Arc::clone(&failure);
    bus.set_sync_handler(move |_, message| {
        let reason = match message.view() {
            MessageView::Error(error) => {
                Some(MainStreamError::Element(mask_credentials(&error.error().to_string())))
            }
            MessageView::Eos(_) => Some(MainStreamError::Ended),
            _ => None,
        };
        if let Some(reason) = reason {
            noted_failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        }
        BusSyncReply::Drop
    });
    pipeline.set_state(State::Playing)?;
    let packets = count_packets(pipeline);
    let mut last = Instant::now();
    let mut counted = 0;
    loop {
        match stopped.recv_timeout(Duration::from_millis(limits::STREAM_TICK_MS)) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(()),
        }
        if let Some(reason) = failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(reason);
        }
        if came.swap(false, Ordering::AcqRel) {
            last = Instant::now();
            is_up.set(1.0);
        } else if packets.load(Ordering::Relaxed) != counted {
            // Before its first key frame a stream that comes is not silent.
            counted = packets.load(Ordering::Relaxed);
            last = Instant::now();
        } else if last.elapsed() > silence {
            return Err(MainStreamError::Silent(silence));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(kept: &Kept, at_ms: u64, is_key: bool, bytes: usize) {
        let mut data = Buffer::from_slice(vec![0; bytes]);
        if !is_key {
            data.get_mut().unwrap().set_flags(BufferFlags::DELTA_UNIT);
        }
        kept.put(None, data, at_ms);
    }

    #[test]
    fn groups_are_kept_for_a_while_and_found_by_their_moment() {
        gstreamer::init().unwrap();
        let kept = Kept::default();
        for at in 0..200u64 {
            unit(&kept, at * 100, at % 10 == 0, 1000);
        }
        let units = kept.lock();
        assert!(units.units.front().unwrap().is_key);
        let oldest = units.units.front().unwrap().arrived_ms;
        assert!(
            19_900 - oldest >= limits::MAIN_STREAM_KEPT_MS
                && 19_900 - oldest <= limits::MAIN_STREAM_KEPT_MS + 1000
        );
        assert_eq!(units.bytes, units.units.len() * 1000);
        // The key frame of 19.0 s and what followed, to the picture that may have come a little late.
        let late = (limits::MAIN_STREAM_LATE_MS / 100) as usize;
        assert_eq!(units.up_to(19_300).len(), 4 + late);
        assert!(units.up_to(oldest - limits::MAIN_STREAM_LATE_MS - 1).is_empty());
        assert!(units.up_to(19_900 + limits::MAIN_STREAM_OFF_MAX_MS + 1).is_empty(), "a stream that hangs");
    }

    #[test]
    fn too_much_is_never_kept() {
        gstreamer::init().unwrap();
        let kept = Kept::default();
        for at in 0..10u64 {
            unit(&kept, at, at == 0, limits::MAIN_STREAM_BYTES_MAX / 4);
        }
        assert!(kept.lock().bytes <= limits::MAIN_STREAM_BYTES_MAX);
        assert!(kept.lock().up_to(9).is_empty(), "without its key frame it is of no use");
    }
}
