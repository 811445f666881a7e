//! The rules by which frames and photos of devices are analysed.

use std::sync::Arc;

use super::attributes::AttributeEstimator;
use crate::actors::recogniser::ActiveRecogniser;
use crate::actors::tuning::SharedTuning;
use crate::ports::clock::Clock;
use crate::status::clock::ClockStatus;
use menshen_domain::frame_gate::FrameGateRules;
use menshen_domain::passage::PassageRules;
use menshen_domain::quality::QualityLevel;
use menshen_domain::validity::Moment;

/// What all devices share.
#[derive(Clone)]
pub struct CameraRules {
    pub recogniser: ActiveRecogniser,
    pub clock: Arc<dyn Clock>,
    pub clock_status: Arc<ClockStatus>,
    pub tuning: SharedTuning,
    /// Minutes the box's time zone is ahead of UTC: for dates that name none.
    pub utc_offset_min: i32,
    pub passages: PassageRules,
    pub frame_gate: FrameGateRules,
    /// Level a live face must pass to be embedded.
    pub live_level: QualityLevel,
    /// Smaller faces are not followed at all.
    pub face_min_px: f32,
    /// Whether passages of people the registry does not know become events.
    pub report_strangers: bool,
    /// Level a stranger must pass to be enrolled.
    pub stranger_level: QualityLevel,
    pub attributes: AttributeEstimator,
}

impl CameraRules {
    /// The time by which the validity of people is decided.
    pub fn now(&self) -> Moment {
        self.clock_status.moment(self.clock.wall_ms(), self.utc_offset_min)
    }

    /// Whether events of strangers are wanted, for themselves or to enrol them.
    pub fn keeps_strangers(&self) -> bool {
        self.report_strangers || self.tuning.load().enrol_strangers
    }
}
