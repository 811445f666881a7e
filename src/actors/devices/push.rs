//! Devices that push photos have no stream to open: opening one subscribes to its photos.

use std::sync::Arc;

use crate::actors::face_engine::photos::PhotoIntake;
use crate::ports::camera::{
    FrameSink, NoticeSink, OpenError, Stream, StreamOpener, StreamSpec, StreamTraits,
};
use menshen_domain::device::PUSH_PIPELINES;

/// Opens streams as `inner` does, and subscribes to devices that push.
pub struct PushOpener {
    pub inner: Arc<dyn StreamOpener>,
    pub photos: Arc<PhotoIntake>,
}

struct Subscription {
    photos: Arc<PhotoIntake>,
    ep_id: String,
    id: u64,
}

impl Stream for Subscription {}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.photos.unsubscribe(&self.ep_id, self.id);
    }
}

impl StreamOpener for PushOpener {
    fn traits(&self, pipeline: &str) -> Result<StreamTraits, OpenError> {
        self.inner.traits(pipeline)
    }

    fn check(&self, spec: &StreamSpec) -> Result<(), OpenError> {
        self.inner.check(spec)
    }

    fn reload(&self) -> Result<Vec<String>, Vec<OpenError>> {
        self.inner.reload()
    }

    fn open(
        &self,
        spec: &StreamSpec,
        frames: FrameSink,
        notices: NoticeSink,
    ) -> Result<Box<dyn Stream>, OpenError> {
        if !PUSH_PIPELINES.contains(&spec.pipeline.as_str()) {
            return self.inner.open(spec, frames, notices);
        }
        let id = self.photos.subscribe(&spec.device_id, frames);
        Ok(Box::new(Subscription { photos: Arc::clone(&self.photos), ep_id: spec.device_id.clone(), id }))
    }
}
