//! A report without its pictures: a photo at a door is answered before they are made.

use super::pictures::encode_pictures;
use super::report::PassageReport;
use super::rules::CameraRules;
use menshen_domain::attributes::Attributes;
use menshen_domain::device::DeviceConfig;
use menshen_domain::passage::Shot;
use menshen_domain::quality::judge;
use menshen_domain::stranger::StrangerShot;

/// The report of a passage, but for pictures, attributes and the shot that enrols a stranger.
pub struct ReportDraft {
    pub report: PassageReport,
    pub(super) shot: Shot,
    /// Whether a stranger is to be enrolled.
    pub(super) enrols: bool,
}

impl ReportDraft {
    pub fn event_id(&self) -> &str {
        &self.report.event.event_id
    }

    /// Encodes the pictures and estimates the attributes where the device asks for them.
    pub fn complete(self, device: &DeviceConfig, rules: &CameraRules) -> PassageReport {
        let Self { mut report, shot, enrols } = self;
        report.event.quality.attributes = rules.attributes.of_shot(device, &shot);
        report.pictures = encode_pictures(device, &report.event.event_id, &shot);
        if enrols {
            report.stranger = stranger_shot(device, rules, &shot, &report);
        }
        report
    }

    /// The pictures of the passage's earlier report still hold, and so do its attributes.
    pub fn complete_with(self, attributes: Option<Attributes>) -> PassageReport {
        let Self { mut report, .. } = self;
        report.event.quality.attributes = attributes;
        report
    }
}

/// What it takes to enrol a stranger, if the shot is good enough and has a picture.
fn stranger_shot(
    device: &DeviceConfig,
    rules: &CameraRules,
    shot: &Shot,
    report: &PassageReport,
) -> Option<StrangerShot> {
    let judgement = judge(&rules.stranger_level, &shot.observation.measurements);
    let face_pic = report.event.face_pic.as_ref()?;
    let photo = report.pictures.iter().find(|picture| picture.name == *face_pic)?;
    judgement.passed.then(|| StrangerShot {
        embedding: shot.embedding.clone(),
        quality: judgement.score,
        photo: photo.jpeg.clone(),
        permission_ids: device.permission_groups.clone(),
        registry_group: device.registry_group.clone(),
    })
}
