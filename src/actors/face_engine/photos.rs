//! The entrance of photos: from whoever receives them into a bounded queue the vision workers take from. A full queue is
//! told to the sender at once; whatever was taken ends in an event or in a counted reason.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use super::message::{PhotoAnswer, RecognisePhoto};
use super::rules::CameraRules;
use crate::ports::camera::FrameSink;
use menshen_domain::device::DeviceConfig;
use menshen_domain::frame::{Frame, PixelFormat, Plane};
use menshen_domain::limits;
use menshen_domain::photo::{PhotoResult, RecentlyReported};

/// One device that sends photos.
pub struct PhotoDevice {
    pub device: DeviceConfig,
    pub told: Mutex<RecentlyReported>,
    /// When something last came from it, monotonic and wall clock; 0: never.
    heard_ms: AtomicU64,
    heard_wall_ms: AtomicU64,
}

/// A photo on its way, with the way back.
pub struct PhotoJob {
    pub lane: Arc<PhotoDevice>,
    pub photo: Bytes,
    /// Wall clock and monotonic.
    pub received_ms: u64,
    pub taken_ms: u64,
    pub answer: ReplyGuard,
    #[allow(dead_code, reason = "given back when it is dropped")]
    weight: Weight,
}

/// What a photo weighs in the queue, for as long as it is there.
struct Weight {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Answers once, and counts what became of the photo, whatever becomes of whoever holds it.
pub struct ReplyGuard {
    device: String,
    to: Option<oneshot::Sender<PhotoAnswer>>,
}

impl ReplyGuard {
    pub fn give(mut self, answer: PhotoAnswer) {
        self.give_once(answer);
    }

    fn give_once(&mut self, answer: PhotoAnswer) {
        if let Some(to) = self.to.take() {
            count(&self.device, answer.result);
            // Whoever sent the photo may have gone.
            let _ = to.send(answer);
        }
    }
}

impl Drop for ReplyGuard {
    fn drop(&mut self) {
        self.give_once(PhotoAnswer::without(PhotoResult::Failed, "the face engine did not finish it"));
    }
}

fn refuse_full(job: PhotoJob) {
    let detail = "too many photos wait; send it again";
    job.answer.give(PhotoAnswer::without(PhotoResult::QueueFull, detail));
}

fn count(device: &str, result: PhotoResult) {
    metrics::counter!("menshen_photos_total", "device" => device.to_owned(), "result" => result.name())
        .increment(1);
}

/// All devices that send photos, and the queue.
pub struct PhotoIntake {
    lanes: RwLock<HashMap<String, Arc<PhotoDevice>>>,
    /// Those whose stream the device manager has opened: they are told of, here, when they are heard.
    listening: Mutex<HashMap<String, (u64, FrameSink)>>,
    next_ear: AtomicU64,
    waiting: Sender<PhotoJob>,
    jobs: Receiver<PhotoJob>,
    /// Of what is in the queue, or being looked at.
    bytes: Arc<AtomicUsize>,
    closed: AtomicBool,
    pub(super) rules: CameraRules,
}

impl PhotoIntake {
    pub fn new(rules: CameraRules) -> Self {
        let (waiting, jobs) = bounded(limits::PHOTO_PASSAGES_WAITING);
        Self {
            lanes: RwLock::default(),
            listening: Mutex::default(),
            next_ear: AtomicU64::new(1),
            waiting,
            jobs,
            bytes: Arc::default(),
            closed: AtomicBool::new(false),
            rules,
        }
    }

    /// Makes a device known, or known anew after a change; whom it has told of stays.
    pub fn attach(&self, device: &DeviceConfig) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        let old = lanes.get(&device.ep_id);
        let load =
            |time: fn(&PhotoDevice) -> &AtomicU64| old.map_or(0, |old| time(old).load(Ordering::Relaxed));
        let told = old.map(|old| old.told.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let lane = PhotoDevice {
            device: device.clone(),
            told: Mutex::new(told.unwrap_or_default()),
            heard_ms: load(|lane| &lane.heard_ms).into(),
            heard_wall_ms: load(|lane| &lane.heard_wall_ms).into(),
        };
        lanes.insert(device.ep_id.clone(), Arc::new(lane));
    }

    /// The device is gone.
    pub fn detach(&self, ep_id: &str) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).remove(ep_id);
    }

    /// From now on `sink` is told while `ep_id` counts as online. The number is for [`ignore`](Self::ignore).
    pub fn listen(&self, ep_id: &str, sink: FrameSink) -> u64 {
        let ear = self.next_ear.fetch_add(1, Ordering::Relaxed);
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).insert(ep_id.to_owned(), (ear, sink));
        ear
    }

    /// Ends what `listen` began; whoever listens to the device since then goes on.
    pub fn ignore(&self, ep_id: &str, ear: u64) {
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.get(ep_id).is_some_and(|(current, _)| *current == ear) {
            listening.remove(ep_id);
        }
    }

    /// A device by its `ip` or `ep_id`.
    pub fn find(&self, device: &str) -> Option<Arc<PhotoDevice>> {
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.get(device).or_else(|| lanes.values().find(|lane| lane.device.ip == device)).cloned()
    }

    pub fn lanes(&self) -> Vec<Arc<PhotoDevice>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Something came from a device: it is there.
    pub fn heard(&self, lane: &PhotoDevice) {
        let clock = &self.rules.clock;
        lane.heard_ms.store(clock.monotonic_ms().max(1), Ordering::Relaxed);
        lane.heard_wall_ms.store(clock.wall_ms(), Ordering::Relaxed);
    }

    /// Tells the device manager who is there; called a few times a second.
    pub fn beat(&self, now_ms: u64) {
        let listening: Vec<(String, FrameSink)> = {
            let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
            listening.iter().map(|(ep_id, (_, sink))| (ep_id.clone(), Arc::clone(sink))).collect()
        };
        for (ep_id, sink) in listening {
            let Some(lane) = self.find(&ep_id) else { continue };
            let heard_ms = lane.heard_ms.load(Ordering::Relaxed);
            let online_ms = lane.device.photos.online_ms;
            let is_there = online_ms == 0 || (heard_ms > 0 && now_ms.saturating_sub(heard_ms) <= online_ms);
            if is_there {
                sink(sign_of_life(lane.heard_wall_ms.load(Ordering::Relaxed)));
            }
        }
    }

    /// Puts a photo into the queue; the answer comes over the channel. What cannot be taken is answered, and counted, at
    /// once.
    pub fn offer(&self, RecognisePhoto { device, photo, received_ms }: RecognisePhoto) -> Offered {
        let Some(lane) = self.find(&device) else { return Offered::NoDevice };
        let ep_id = lane.device.ep_id.clone();
        self.heard(&lane);
        let (to, answered) = oneshot::channel();
        let answer = ReplyGuard { device: ep_id.clone(), to: Some(to) };
        // Also between two signs of life, when the device manager counts the device as gone.
        if self.closed.load(Ordering::Acquire) || !lane.device.enabled {
            let detail = "the box is stopping, or the device is switched off";
            answer.give(PhotoAnswer::without(PhotoResult::Failed, detail));
            return Offered::Taken(answered);
        }
        let weight = Weight { bytes: photo.len(), all: Arc::clone(&self.bytes) };
        let all = self.bytes.fetch_add(photo.len(), Ordering::AcqRel) + photo.len();
        let taken_ms = self.rules.clock.monotonic_ms();
        let job = PhotoJob { lane, photo, received_ms, taken_ms, answer, weight };
        if all > limits::PHOTO_PASSAGES_BYTES_MAX {
            refuse_full(job);
        } else if let Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) =
            self.waiting.try_send(job)
        {
            refuse_full(job);
        }
        Offered::Taken(answered)
    }

    /// Whether another photo would be taken now.
    pub fn has_room(&self) -> bool {
        !self.waiting.is_full() && self.bytes.load(Ordering::Acquire) < limits::PHOTO_PASSAGES_BYTES_MAX
    }

    /// Offers a photo and waits for what becomes of it. `None`: there is no such device.
    pub async fn recognise(&self, photo: RecognisePhoto) -> Option<PhotoAnswer> {
        let Offered::Taken(answered) = self.offer(photo) else { return None };
        let limit = Duration::from_millis(limits::PHOTO_ANSWER_TIMEOUT_MS);
        let late = |detail: &str| PhotoAnswer::without(PhotoResult::Failed, detail);
        Some(match tokio::time::timeout(limit, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => late("the face engine did not finish it"),
            Err(_) => late("the box is busy; the photo may still become an event"),
        })
    }

    /// Counts a photo that never got as far as the queue.
    pub fn refuse(&self, lane: &PhotoDevice, result: PhotoResult) {
        self.heard(lane);
        count(&lane.device.ep_id, result);
    }

    pub fn jobs(&self) -> &Receiver<PhotoJob> {
        &self.jobs
    }

    /// Takes nothing more; what is in the queue is still looked at.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

pub enum Offered {
    NoDevice,
    /// The answer comes, also where the photo was not taken.
    Taken(oneshot::Receiver<PhotoAnswer>),
}

/// The smallest frame there is: nobody looks at it, the device manager notes when it came.
fn sign_of_life(captured_at_ms: u64) -> Frame {
    static GREY: [u8; 384] = [128; 384];
    Frame {
        data: Bytes::from_static(&GREY),
        format: PixelFormat::I420,
        width: 16,
        height: 16,
        planes: [
            Plane { offset: 0, stride: 16 },
            Plane { offset: 256, stride: 8 },
            Plane { offset: 320, stride: 8 },
        ],
        captured_at_ms,
        sequence: 0,
        larger: None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_sign_of_life_is_a_frame() {
        assert_eq!(super::sign_of_life(1).validate(), Ok(()));
    }
}
