//! Where frames enter: from a decoder's thread into the camera's latest-wins slot, with a wake-up for the workers.
//! No mailbox, no queue of frames.

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
    pub latest: LatestSlot<Frame>,
    /// Set from the moment the camera is queued for the workers until one of them has processed its frame, so that a
    /// camera never occupies two workers.
    scheduled: AtomicBool,
    /// The device is gone: the worker that finds this ends the passages.
    detached: AtomicBool,
    pub session: Mutex<CameraSession>,
    pub device_id: String,
}

impl CameraSlot {
    /// Whether its device is gone; true once.
    pub fn take_detached(&self) -> bool {
        self.detached.swap(false, Ordering::AcqRel)
    }
}

/// All cameras, and the channel that wakes the workers.
pub struct FrameIntake {
    cameras: RwLock<HashMap<String, Arc<CameraSlot>>>,
    wake: Sender<Arc<CameraSlot>>,
    woken: Receiver<Arc<CameraSlot>>,
    make_session: Box<dyn Fn(&DeviceConfig) -> CameraSession + Send + Sync>,
    last_tick_ms: AtomicU64,
}

impl FrameIntake {
    pub fn new(make_session: impl Fn(&DeviceConfig) -> CameraSession + Send + Sync + 'static) -> Self {
        // A camera is in the channel at most once, detached ones included, so the bound is never reached.
        let (wake, woken) = bounded(limits::DEVICES_MAX * 2);
        Self {
            cameras: RwLock::new(HashMap::new()),
            wake,
            woken,
            make_session: Box::new(make_session),
            last_tick_ms: AtomicU64::new(0),
        }
    }

    /// Where the frames of a device go. Attaching again keeps the open passages and applies the new configuration.
    pub fn attach(self: &Arc<Self>, device: &DeviceConfig) -> FrameSink {
        let camera = {
            let mut cameras = self.cameras.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(camera) = cameras.get(&device.ep_id) {
                camera.session.lock().unwrap_or_else(PoisonError::into_inner).set_device(device.clone());
            }
            Arc::clone(cameras.entry(device.ep_id.clone()).or_insert_with(|| {
                Arc::new(CameraSlot {
                    latest: LatestSlot::default(),
                    scheduled: AtomicBool::new(false),
                    detached: AtomicBool::new(false),
                    session: Mutex::new((self.make_session)(device)),
                    device_id: device.ip.clone(),
                })
            }))
        };
        let intake = Arc::clone(self);
        let (frames, dropped) = (
            metrics::counter!("menshen_frames_total", "device" => device.ip.clone()),
            metrics::counter!("menshen_frames_dropped_total", "device" => device.ip.clone()),
        );
        Arc::new(move |frame| {
            frames.increment(1);
            let in_time = camera.latest.put(frame);
            if !in_time {
                dropped.increment(1);
            }
            intake.schedule(&camera);
            if in_time { SinkFeedback::Accepted } else { SinkFeedback::Overwrote }
        })
    }

    /// The device is gone: a worker ends its passages, and frames that still arrive are not processed.
    pub fn detach(&self, device: &DeviceConfig) {
        let camera = self.cameras.write().unwrap_or_else(PoisonError::into_inner).remove(&device.ep_id);
        if let Some(camera) = camera {
            camera.detached.store(true, Ordering::Release);
            self.schedule(&camera);
        }
    }

    fn schedule(&self, camera: &Arc<CameraSlot>) {
        if !camera.scheduled.swap(true, Ordering::AcqRel) && self.wake.try_send(Arc::clone(camera)).is_err() {
            camera.scheduled.store(false, Ordering::Release);
        }
    }

    /// Cameras with a frame waiting.
    pub fn woken(&self) -> &Receiver<Arc<CameraSlot>> {
        &self.woken
    }

    /// A worker has processed a frame of a camera; if another came meanwhile, the camera queues again, behind the others.
    pub fn release(&self, camera: &Arc<CameraSlot>) {
        camera.scheduled.store(false, Ordering::Release);
        if camera.latest.is_full() || camera.detached.load(Ordering::Acquire) {
            self.schedule(camera);
        }
    }

    /// All cameras, when the quiet ones are due to be checked; for one caller per period.
    pub fn due_for_tick(&self, now_ms: u64) -> Option<Vec<Arc<CameraSlot>>> {
        let last_ms = self.last_tick_ms.load(Ordering::Acquire);
        let due = now_ms.saturating_sub(last_ms) >= limits::PASSAGE_TICK_MS;
        let mine = due
            && self
                .last_tick_ms
                .compare_exchange(last_ms, now_ms, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        mine.then(|| self.cameras())
    }

    pub fn cameras(&self) -> Vec<Arc<CameraSlot>> {
        self.cameras.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
