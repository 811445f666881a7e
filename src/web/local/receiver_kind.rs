//! The three kinds of receivers that published calls set.

use url::Url;

use super::state::LocalDeps;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    History,
    Event,
    Monitor,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::History, Self::Event, Self::Monitor];

    pub fn name(self) -> &'static str {
        match self {
            Self::History => "HistoryEventUrl",
            Self::Event => "EventServerUrl",
            Self::Monitor => "MonitorServerUrl",
        }
    }

    /// The published field with the addresses.
    pub fn field(self) -> &'static str {
        match self {
            Self::History => "history_upload_event_url",
            Self::Event => "event_server_url",
            Self::Monitor => "monitor_server_url",
        }
    }

    pub fn own(self, deps: &LocalDeps) -> Vec<Url> {
        let tuning = deps.tuner.shared();
        let tuning = tuning.load();
        match self {
            Self::History => tuning.history_urls.clone(),
            Self::Event => tuning.realtime_urls.clone(),
            Self::Monitor => tuning.monitor_urls.clone(),
        }
    }

    /// Those of the login, which only the platform changes.
    pub fn of_platform(self, deps: &LocalDeps) -> Vec<Url> {
        let Some(session) = deps.session.load_full() else { return Vec::new() };
        match self {
            Self::History => session.record_urls.clone(),
            Self::Event => Vec::new(),
            Self::Monitor => session.device_monitor_url.iter().cloned().collect(),
        }
    }
}
