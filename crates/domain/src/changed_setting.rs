//! Keys of the configuration file whose value a change in the field takes the place of.

use super::tuning::Changes;

/// A key of the configuration file that can be changed in the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangedSetting {
    /// Who the box is.
    DevSno,
    /// Where it logs in.
    LoginUrl,
    /// Match threshold.
    Threshold,
    /// Lowest, best and highest score.
    ThresholdRange,
    /// Whether strangers are enrolled.
    EnrolStrangers,
    /// Event servers.
    RealtimeUrls,
    /// History receivers.
    HistoryUrls,
    /// Status receivers.
    MonitorUrls,
    /// What a turnstile does on a match.
    GateMode,
    /// Who may pass.
    PassMode,
    /// Whether history tells what was detected of the face.
    HistoryFaceInfo,
    /// The embedder.
    Embedder,
    /// What the platform is written in.
    PlatformDialect,
    /// What the box's own history receivers are written in.
    HistoryDialect,
    /// The same of single ones.
    ReceiverDialects,
}

impl ChangedSetting {
    /// All of them, in the order of the configuration file.
    pub const ALL: [Self; 15] = [
        Self::LoginUrl,
        Self::DevSno,
        Self::PlatformDialect,
        Self::Embedder,
        Self::Threshold,
        Self::ThresholdRange,
        Self::EnrolStrangers,
        Self::RealtimeUrls,
        Self::HistoryUrls,
        Self::HistoryFaceInfo,
        Self::HistoryDialect,
        Self::ReceiverDialects,
        Self::MonitorUrls,
        Self::GateMode,
        Self::PassMode,
    ];

    /// As the configuration file has it.
    pub fn key(self) -> &'static str {
        match self {
            Self::DevSno => "platform.dev_sno",
            Self::LoginUrl => "platform.login_url",
            Self::Threshold => "recognition.threshold",
            Self::ThresholdRange => "recognition.threshold_range",
            Self::EnrolStrangers => "recognition.enrol_strangers",
            Self::RealtimeUrls => "events.realtime_urls",
            Self::HistoryUrls => "events.history_urls",
            Self::MonitorUrls => "status.monitor_urls",
            Self::GateMode => "gate.mode",
            Self::PassMode => "gate.pass_mode",
            Self::HistoryFaceInfo => "events.history_face_info",
            Self::Embedder => "recognition.embedder",
            Self::PlatformDialect => "platform.dialect",
            Self::HistoryDialect => "events.history_dialect",
            Self::ReceiverDialects => "events.receiver",
        }
    }

    /// By its key.
    pub fn find(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.key() == key)
    }

    /// Whether it takes effect at a start only.
    pub fn needs_restart(self) -> bool {
        matches!(self, Self::DevSno | Self::LoginUrl)
    }

    /// Whether a change is kept of it.
    pub fn is_in(self, changes: &Changes) -> bool {
        let mut without = changes.clone();
        self.clear(&mut without);
        without != *changes
    }

    /// The configuration file counts again.
    pub fn clear(self, changes: &mut Changes) {
        match self {
            Self::DevSno => changes.dev_sno = None,
            Self::LoginUrl => changes.login_url = None,
            Self::Threshold => changes.threshold = None,
            Self::ThresholdRange => changes.threshold_range = None,
            Self::EnrolStrangers => changes.support_stranger_group = None,
            // How they are written to was said with them.
            Self::RealtimeUrls => (changes.realtime_urls, changes.realtime_options) = (None, None),
            Self::HistoryUrls => (changes.history_urls, changes.history_options) = (None, None),
            Self::MonitorUrls => (changes.monitor_urls, changes.monitor_options) = (None, None),
            Self::GateMode => changes.gate_mode = None,
            Self::PassMode => changes.pass_mode = None,
            Self::HistoryFaceInfo => changes.history_face_info = None,
            Self::Embedder => changes.embedder = None,
            Self::PlatformDialect => changes.platform_dialect = None,
            Self::HistoryDialect => changes.history_dialect = None,
            Self::ReceiverDialects => changes.receiver_dialects = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::GateMode;

    #[test]
    fn each_goes_back_alone() {
        let mut changes =
            Changes { threshold: Some(90.0), gate_mode: Some(GateMode::Avoid), ..Changes::default() };
        let changed = |changes: &Changes| -> Vec<&str> {
            ChangedSetting::ALL.into_iter().filter(|it| it.is_in(changes)).map(ChangedSetting::key).collect()
        };
        assert_eq!(changed(&changes), ["recognition.threshold", "gate.mode"]);
        ChangedSetting::find("gate.mode").unwrap().clear(&mut changes);
        assert_eq!(changed(&changes), ["recognition.threshold"]);
        assert_eq!(ChangedSetting::find("gate.mod"), None);
    }
}
