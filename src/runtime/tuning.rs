//! The values that can be changed while the box runs, as the configuration file has them.

use crate::config::Settings;
use menshen_domain::report_options::{Dialects, ReportOptions};
use menshen_domain::tuning::Tuning;

/// What the configuration file says of the values that can be changed in the field.
pub fn base_tuning(settings: &Settings) -> Tuning {
    Tuning {
        threshold: settings.recognition.threshold,
        range: settings.recognition.score_range,
        enrol_strangers: settings.recognition.enrol_strangers,
        realtime_urls: settings.events.realtime_urls.clone(),
        history_urls: settings.events.history_urls.clone(),
        monitor_urls: settings.monitor_urls.clone(),
        gate_mode: settings.gate_mode,
        pass_mode: settings.pass_mode,
        history_face_info: settings.events.history_face_info.then_some(true),
        reports: ReportOptions {
            dialects: dialects(settings),
            occlusion: settings.occlusion_true,
            ..ReportOptions::default()
        },
    }
}

fn dialects(settings: &Settings) -> Dialects {
    Dialects {
        platform: settings.dialect,
        history: settings.events.history_dialect,
        receivers: settings.events.receivers.clone(),
    }
}
