//! Where photos of devices enter: from their receivers into a bounded queue the vision workers take from. When it is full,
//! the sender is answered so at once; every photo that was taken ends in an event or in a counted reason.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;

use super::message::{PhotoAnswer, RecognisePhoto};
use super::rules::CameraRules;
use crate::ports::camera::FrameSink;
use menshen_domain::device::DeviceConfig;
use menshen_domain::fair_queue::{Bounds, FairQueue};
use menshen_domain::frame::{Colour, Frame, PixelAspect, PixelFormat, Plane};
use menshen_domain::limits;
use menshen_domain::photo::{DevicePicture, PhotoResult, RecentlyReported};

/// One device that sends photos.
pub struct PhotoDevice {
    pub config: DeviceConfig,
    pub reported: Mutex<RecentlyReported>,
    /// When something last came from it, monotonic and wall clock; 0: never.
    seen_ms: AtomicU64,
    seen_wall_ms: AtomicU64,
}

/// A photo of a device on its way to a worker, with the way back.
pub struct DevicePhotoJob {
    pub device: Arc<PhotoDevice>,
    pub pictures: Vec<DevicePicture>,
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

/// Answers once and counts what became of the photo, also when its holder panics and drops it.
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
            // The sender of the photo may have gone.
            let _ = to.send(answer);
        }
    }
}

impl Drop for ReplyGuard {
    fn drop(&mut self) {
        self.give_once(PhotoAnswer::without(PhotoResult::Failed, "the face engine did not finish it"));
    }
}

fn refuse_full(job: DevicePhotoJob) {
    let detail = "too many photos wait; send it again";
    job.answer.give(PhotoAnswer::without(PhotoResult::QueueFull, detail));
}

fn count(device: &str, result: PhotoResult) {
    metrics::counter!("menshen_photos_total", "device" => device.to_owned(), "result" => result.name())
        .increment(1);
}

/// All devices that send photos, and the queue.
pub struct PhotoIntake {
    devices: RwLock<HashMap<String, Arc<PhotoDevice>>>,
    /// Subscriptions of the device manager, by `ep_id`: where heartbeats of the device go.
    subscribers: Mutex<HashMap<String, (u64, FrameSink)>>,
    next_id: AtomicU64,
    /// Devices take turns, so that one that sends without pause keeps nobody else waiting.
    waiting: Mutex<FairQueue<DevicePhotoJob>>,
    /// One word for each photo that waits.
    woken: (Sender<()>, Receiver<()>),
    /// Of the photos that are queued or being processed.
    bytes: Arc<AtomicUsize>,
    closed: AtomicBool,
    pub(super) rules: CameraRules,
}

impl PhotoIntake {
    pub fn new(rules: CameraRules) -> Self {
        let bounds = Bounds {
            items: limits::PHOTO_PASSAGES_WAITING,
            items_of_one: limits::PHOTO_PASSAGES_OF_DEVICE,
            weight_of_one: limits::PHOTO_DEVICE_BYTES_MAX,
        };
        Self {
            devices: RwLock::default(),
            subscribers: Mutex::default(),
            next_id: AtomicU64::new(1),
            waiting: Mutex::new(FairQueue::new(bounds)),
            woken: bounded(limits::PHOTO_PASSAGES_WAITING),
            bytes: Arc::default(),
            closed: AtomicBool::new(false),
            rules,
        }
    }

    /// Adds a device, or replaces its configuration; who was reported a moment ago is kept.
    pub fn attach(&self, device: &DeviceConfig) {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        let old = devices.get(&device.ep_id);
        let load =
            |time: fn(&PhotoDevice) -> &AtomicU64| old.map_or(0, |old| time(old).load(Ordering::Relaxed));
        let reported = old.map(|old| old.reported.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let attached = PhotoDevice {
            config: device.clone(),
            reported: Mutex::new(reported.unwrap_or_default()),
            seen_ms: load(|device| &device.seen_ms).into(),
            seen_wall_ms: load(|device| &device.seen_wall_ms).into(),
        };
        devices.insert(device.ep_id.clone(), Arc::new(attached));
    }

    /// The device is gone.
    pub fn detach(&self, ep_id: &str) {
        self.devices.write().unwrap_or_else(PoisonError::into_inner).remove(ep_id);
    }

    /// From now on `sink` gets a heartbeat while `ep_id` counts as online. The id is for
    /// [`unsubscribe`](Self::unsubscribe).
    pub fn subscribe(&self, ep_id: &str, sink: FrameSink) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).insert(ep_id.to_owned(), (id, sink));
        id
    }

    /// Ends a subscription; a later one of the same device stays.
    pub fn unsubscribe(&self, ep_id: &str, id: u64) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        if subscribers.get(ep_id).is_some_and(|(current, _)| *current == id) {
            subscribers.remove(ep_id);
        }
    }

    /// A device by its `ip` or `ep_id`.
    pub fn find(&self, device: &str) -> Option<Arc<PhotoDevice>> {
        let devices = self.devices.read().unwrap_or_else(PoisonError::into_inner);
        devices.get(device).or_else(|| devices.values().find(|known| known.config.ip == device)).cloned()
    }

    pub fn devices(&self) -> Vec<Arc<PhotoDevice>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Something came from a device: it is online.
    pub fn touch(&self, device: &PhotoDevice) {
        let clock = &self.rules.clock;
        device.seen_ms.store(clock.monotonic_ms().max(1), Ordering::Relaxed);
        device.seen_wall_ms.store(clock.wall_ms(), Ordering::Relaxed);
    }

    /// Sends a heartbeat for every device that is online; called a few times a second.
    pub fn publish_heartbeats(&self, now_ms: u64) {
        let subscribers: Vec<(String, FrameSink)> = {
            let subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
            subscribers.iter().map(|(ep_id, (_, sink))| (ep_id.clone(), Arc::clone(sink))).collect()
        };
        for (ep_id, sink) in subscribers {
            let Some(device) = self.find(&ep_id) else { continue };
            let seen_ms = device.seen_ms.load(Ordering::Relaxed);
            let online_ms = device.config.photos.online_ms;
            let is_online = online_ms == 0 || (seen_ms > 0 && now_ms.saturating_sub(seen_ms) <= online_ms);
            if is_online {
                sink(heartbeat(device.seen_wall_ms.load(Ordering::Relaxed)));
            }
        }
    }

    /// Queues a photo; the answer comes over the channel. A photo that cannot be taken is answered and counted at once.
    pub fn offer(&self, RecognisePhoto { device, pictures, received_ms }: RecognisePhoto) -> Offered {
        let Some(device) = self.find(&device) else { return Offered::NoDevice };
        self.touch(&device);
        let (to, answered) = oneshot::channel();
        let answer = ReplyGuard { device: device.config.ip.clone(), to: Some(to) };
        // Also between two heartbeats, when the device manager counts the device as offline.
        if self.closed.load(Ordering::Acquire) || !device.config.enabled {
            let detail = "the box is stopping, or the device is switched off";
            answer.give(PhotoAnswer::without(PhotoResult::Failed, detail));
            return Offered::Taken(answered);
        }
        let bytes = pictures.iter().map(|picture| picture.bytes.len()).sum();
        let weight = Weight { bytes, all: Arc::clone(&self.bytes) };
        let all = self.bytes.fetch_add(bytes, Ordering::AcqRel) + bytes;
        let taken_ms = self.rules.clock.monotonic_ms();
        let job =
            DevicePhotoJob { device: Arc::clone(&device), pictures, received_ms, taken_ms, answer, weight };
        if all > limits::PHOTO_PASSAGES_BYTES_MAX {
            refuse_full(job);
            return Offered::Taken(answered);
        }
        let pushed = self.waiting().push(&device.config.ep_id, bytes, job);
        match pushed {
            // There is a word for each place, so this one has room.
            Ok(()) => drop(self.woken.0.try_send(())),
            Err(job) => refuse_full(job),
        }
        Offered::Taken(answered)
    }

    /// Whether another photo would be taken now.
    pub fn has_room(&self) -> bool {
        self.waiting().len() < limits::PHOTO_PASSAGES_WAITING
            && self.bytes.load(Ordering::Acquire) < limits::PHOTO_PASSAGES_BYTES_MAX
    }

    /// Offers a photo and waits for its answer. `None`: there is no such device.
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
    pub fn refuse(&self, device: &PhotoDevice, result: PhotoResult) {
        self.touch(device);
        count(&device.config.ip, result);
    }

    /// Says that a photo waits; whoever hears it takes one with [`next_job`](Self::next_job).
    pub fn woken(&self) -> &Receiver<()> {
        &self.woken.1
    }

    /// The oldest photo of the device whose turn it is.
    pub fn next_job(&self) -> Option<DevicePhotoJob> {
        self.waiting().pop()
    }

    fn waiting(&self) -> MutexGuard<'_, FairQueue<DevicePhotoJob>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes nothing more; what is in the queue is still processed.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

pub enum Offered {
    NoDevice,
    /// The answer comes, also where the photo was not taken.
    Taken(oneshot::Receiver<PhotoAnswer>),
}

/// The smallest frame there is: it is not analysed, the device manager notes when it came.
fn heartbeat(captured_at_ms: u64) -> Frame {
    static GREY: [u8; 384] = [128; 384];
    Frame {
        data: Bytes::from_static(&GREY),
        format: PixelFormat::I420,
        colour: Colour::default(),
        pixel_aspect: PixelAspect::SQUARE,
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
    fn a_heartbeat_is_a_frame() {
        assert_eq!(super::heartbeat(1).validate(), Ok(()));
    }
}
