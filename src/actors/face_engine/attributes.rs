//! Estimates of age and gender, for devices and photo checks that ask for them. One set of networks serves all workers: it
//! runs once a passage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::stage_timer::StageTimer;
use menshen_domain::attributes::Attributes;
use menshen_domain::device::DeviceConfig;
use menshen_domain::face::Detection;
use menshen_domain::frame::Frame;
use menshen_domain::passage::Shot;
use menshen_models::ModelError;
use menshen_models::attributes::LazyAttributeNets;

/// Runs the networks where they are asked for.
#[derive(Clone, Default)]
pub struct AttributeEstimator {
    nets: Option<Arc<LazyAttributeNets>>,
    /// Whether `fiqa` answers have them.
    in_fiqa: bool,
}

impl AttributeEstimator {
    pub fn new(nets: Arc<LazyAttributeNets>, in_fiqa: bool) -> Self {
        Self { nets: Some(nets), in_fiqa }
    }

    /// Of the face of an event.
    pub fn of_shot(&self, device: &DeviceConfig, shot: &Shot) -> Option<Attributes> {
        let nets = self.nets.as_ref().filter(|_| device.attributes)?;
        let face = &shot.observation.detection;
        guarded(|| {
            StageTimer::of_device(device).run("attributes", || nets.estimate(&shot.frame, &face.landmarks))
        })
    }

    /// Of the face of a photo that is judged.
    pub fn of_photo(&self, frame: &Frame, face: &Detection) -> Option<Attributes> {
        if self.in_fiqa { self.of_face(frame, face) } else { None }
    }

    /// Of a face somebody asks about.
    pub fn of_face(&self, frame: &Frame, face: &Detection) -> Option<Attributes> {
        let nets = self.nets.as_ref()?;
        guarded(|| StageTimer::without_device().run("attributes", || nets.estimate(frame, &face.landmarks)))
    }
}

/// A failure costs the estimate, not the event or the answer, and is counted.
fn guarded(estimate: impl FnOnce() -> Result<Attributes, ModelError>) -> Option<Attributes> {
    let failed = |reason: String| {
        metrics::counter!("menshen_vision_errors_total", "kind" => "attributes").increment(1);
        tracing::error!(reason, "estimating age and gender failed; see `menshen models check`");
    };
    match catch_unwind(AssertUnwindSafe(estimate)) {
        Ok(Ok(seen)) => return Some(seen).filter(|seen| !seen.is_empty()),
        Ok(Err(error)) => failed(error.to_string()),
        Err(_) => failed("a network panicked; it is loaded again".to_owned()),
    }
    None
}
