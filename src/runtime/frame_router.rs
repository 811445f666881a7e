//! Where the frames and photos of a device go.

use std::sync::Arc;

use crate::actors::devices::actor::FrameRouting;
use crate::actors::face_engine::camera::CameraSession;
use crate::actors::face_engine::intake::FrameIntake;
use crate::actors::face_engine::photos::PhotoIntake;
use crate::actors::face_engine::rules::CameraRules;
use crate::ports::camera::FrameSink;
use menshen_domain::device::DeviceConfig;
use menshen_domain::lag::SinkFeedback;

/// The entrances of frames and of photos.
pub fn intakes(rules: CameraRules) -> (Arc<FrameIntake>, Arc<PhotoIntake>) {
    let photos = Arc::new(PhotoIntake::new(rules.clone()));
    let make_session = move |device: &DeviceConfig| CameraSession::new(device.clone(), rules.clone());
    (Arc::new(FrameIntake::new(make_session)), photos)
}

/// Frames go to the face engine.
pub struct FrameRouter {
    pub frames: Arc<FrameIntake>,
    pub photos: Arc<PhotoIntake>,
}

impl FrameRouting for FrameRouter {
    fn attach(&self, device: &DeviceConfig) -> FrameSink {
        // A device may have changed from the one kind to the other.
        if device.is_push() {
            self.frames.detach(device);
            self.photos.attach(device);
            // What comes here is only a sign of life.
            return Arc::new(|_| SinkFeedback::Accepted);
        }
        self.photos.detach(&device.ep_id);
        self.frames.attach(device)
    }

    fn detach(&self, device: &DeviceConfig) {
        self.photos.detach(&device.ep_id);
        self.frames.detach(device);
    }
}
