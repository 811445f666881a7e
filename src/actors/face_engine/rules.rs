//! The rules by which frames and photos of devices are analysed.

use std::sync::Arc;

use super::attributes::AttributeEstimator;
use crate::actors::recogniser::ActiveRecogniser;
use crate::actors::tuning::SharedTuning;
use crate::ports::clock::Clock;
use menshen_domain::frame_gate::FrameGateRules;
use menshen_domain::passage::PassageRules;
use menshen_domain::quality::QualityLevel;

/// What every camera shares.
#[derive(Clone)]
pub struct CameraRules {
    pub in_force: ActiveRecogniser,
    pub clock: Arc<dyn Clock>,
    pub tuning: SharedTuning,
    /// Minutes the box's time zone is ahead of UTC: for dates that name none.
    pub utc_offset_min: i32,
    pub passages: PassageRules,
    pub attention: FrameGateRules,
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
