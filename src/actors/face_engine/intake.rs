//! The data plane's entrance: from a decoder's thread into a camera's latest-wins slot, and a wake-up for the
//! workers. No mailbox, no queue of frames.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::camera::CameraSession;
use super::slot::LatestSlot;
use crate::ports::camera::FrameSink;
use menshen_domain::device::DeviceConfig;
use menshen_domain::frame::Frame;
use menshen_domain::lag::SinkFeedback;
use menshen_domain::limits;

/// One attached camera.
pub struct CameraSlot {
    pub slot: LatestSlot<Frame>,
    /// Set from the moment the lane is handed to the workers until one of them is through with it, so that a
    /// camera never occupies two workers.
    scheduled: AtomicBool,
    /// The device is gone: the worker that finds this ends the passages.
    gone: AtomicBool,
    pub session: Mutex<CameraSession>,
    pub device_id: String,
}

impl CameraSlot {
    /// Whether its device is gone; says so once.
    pub fn take_gone(&self) -> bool {
        self.gone.swap(false, Ordering::AcqRel)
    }
}

/// All lanes, and the channel that wakes the workers.
pub struct FrameIntake {
    lanes: RwLock<HashMap<String, Arc<CameraSlot>>>,
    wake: Sender<Arc<CameraSlot>>,
    woken: Receiver<Arc<CameraSlot>>,
    make_session: Box<dyn Fn(&DeviceConfig) -> CameraSession + Send + Sync>,
    last_tick_ms: AtomicU64,
}

impl FrameIntake {
    pub fn new(make_session: impl Fn(&DeviceConfig) -> CameraSession + Send + Sync + 'static) -> Self {
        // A lane is in the channel at most once, lanes of devices that are going among them, so this is never reached.
        let (wake, woken) = bounded(limits::DEVICES_MAX * 2);
        Self {
            lanes: RwLock::new(HashMap::new()),
            wake,
            woken,
            make_session: Box::new(make_session),
            last_tick_ms: AtomicU64::new(0),
        }
    }

    /// Where the frames of a device go. Attaching again keeps the lane and the passages in it, and puts what is
    /// configured now in force.
    pub fn attach(self: &Arc<Self>, device: &DeviceConfig) -> FrameSink {
        let lane = {
            let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(lane) = lanes.get(&device.ep_id) {
                lane.session.lock().unwrap_or_else(PoisonError::into_inner).set_device(device.clone());
            }
            Arc::clone(lanes.entry(device.ep_id.clone()).or_insert_with(|| {
                Arc::new(CameraSlot {
                    slot: LatestSlot::default(),
                    scheduled: AtomicBool::new(false),
                    gone: AtomicBool::new(false),
                    session: Mutex::new((self.make_session)(device)),
                    device_id: device.ep_id.clone(),
                })
            }))
        };
        let intake = Arc::clone(self);
        let (frames, dropped) = (
            metrics::counter!("menshen_frames_total", "device" => device.ep_id.clone()),
            metrics::counter!("menshen_frames_dropped_total", "device" => device.ep_id.clone()),
        );
        Arc::new(move |frame| {
            frames.increment(1);
            let in_time = lane.slot.put(frame);
            if !in_time {
                dropped.increment(1);
            }
            intake.schedule(&lane);
            if in_time { SinkFeedback::Accepted } else { SinkFeedback::Overwrote }
        })
    }

    /// The device is gone: a worker ends its passages, and frames still on their way find nobody.
    pub fn detach(&self, device: &DeviceConfig) {
        let lane = self.lanes.write().unwrap_or_else(PoisonError::into_inner).remove(&device.ep_id);
        if let Some(lane) = lane {
            lane.gone.store(true, Ordering::Release);
            self.schedule(&lane);
        }
    }

    fn schedule(&self, lane: &Arc<CameraSlot>) {
        if !lane.scheduled.swap(true, Ordering::AcqRel) && self.wake.try_send(Arc::clone(lane)).is_err() {
            lane.scheduled.store(false, Ordering::Release);
        }
    }

    /// Lanes with a frame waiting.
    pub fn woken(&self) -> &Receiver<Arc<CameraSlot>> {
        &self.woken
    }

    /// A worker is through with a lane; if another frame came meanwhile, the lane queues again, behind the
    /// others.
    pub fn release(&self, lane: &Arc<CameraSlot>) {
        lane.scheduled.store(false, Ordering::Release);
        if lane.slot.is_full() || lane.gone.load(Ordering::Acquire) {
            self.schedule(lane);
        }
    }

    /// All lanes, when it is time to look at the quiet ones; to one caller per period.
    pub fn due_for_tick(&self, now_ms: u64) -> Option<Vec<Arc<CameraSlot>>> {
        let last_ms = self.last_tick_ms.load(Ordering::Acquire);
        let due = now_ms.saturating_sub(last_ms) >= limits::PASSAGE_TICK_MS;
        let mine = due
            && self
                .last_tick_ms
                .compare_exchange(last_ms, now_ms, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        mine.then(|| self.lanes())
    }

    pub fn lanes(&self) -> Vec<Arc<CameraSlot>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
