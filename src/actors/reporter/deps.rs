//! What reporting works with.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use url::Url;

use super::message::RecordPassage;
use crate::actors::erased_people::ErasedPeople;
use crate::actors::live_stream::LiveStream;
use crate::actors::session::SessionKeeper;
use crate::actors::tuning::SharedTuning;
use crate::ports::clock::Clock;
use crate::ports::outbox::Outbox;
use crate::ports::platform::{PlatformApi, PlatformError};
use crate::ports::store::{EventStore, Keys, PictureStore};
use crate::ports::system::SystemProbe;
use crate::status::clock::ClockStatus;
use crate::status::receivers::ReceiversStatus;
use crate::status::storage::StorageStatus;
use menshen_domain::limits;
use menshen_protocol::login::Session;

/// What does not change while the box runs.
#[derive(Debug, Clone)]
pub struct ReporterConfig {
    pub dev_sno: String,
    /// Events kept on the box, and bytes with their pictures.
    pub keep_max: u64,
    pub keep_bytes: u64,
    /// Days an event is kept; `None`: without end.
    pub keep_days: Option<u64>,
    /// Whether a platform will name history receivers.
    pub has_platform: bool,
    /// Port of health and metrics.
    pub web_port: u16,
}

/// What reporting works with. Cloning shares everything.
#[derive(Clone)]
pub struct ReporterDeps {
    pub storage: Storage,
    pub delivery: Delivery,
    pub tuning: SharedTuning,
    /// The clients of the live stream.
    pub live: LiveStream,
    pub clock: Arc<dyn Clock>,
    pub clock_status: Arc<ClockStatus>,
    pub config: Arc<ReporterConfig>,
}

/// Where events are kept.
#[derive(Clone)]
pub struct Storage {
    pub events: Arc<dyn EventStore>,
    pub outbox: Arc<dyn Outbox>,
    pub pictures: Arc<dyn PictureStore>,
    pub keys: Arc<dyn Keys>,
    pub waiting: WaitingEvents,
    /// Whose events are neither kept nor sent any more.
    pub erased: ErasedPeople,
    pub status: Arc<StorageStatus>,
}

/// How reports leave the box, and what they say of it.
#[derive(Clone)]
pub struct Delivery {
    pub platform: Arc<dyn PlatformApi>,
    pub sessions: SessionKeeper,
    pub probe: Arc<dyn SystemProbe>,
    pub receivers: ReceiversStatus,
}

/// Events that could not be stored yet, oldest first. Outlives an incarnation of the reporter.
pub type WaitingEvents = Arc<Mutex<VecDeque<WaitingEvent>>>;

/// An event that could not be stored yet.
pub struct WaitingEvent {
    pub(super) message: RecordPassage,
    /// Tries that failed for another reason than a full disk.
    pub(super) tries: u32,
}

impl ReporterDeps {
    /// The history receivers of the moment: those the login names, then the box's own.
    pub fn receivers(&self) -> Vec<Url> {
        let mut urls =
            self.delivery.sessions.current().map_or_else(Vec::new, |session| session.record_urls.clone());
        urls.extend(self.tuning.load().history_urls.iter().cloned());
        let mut seen = HashSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        if urls.len() > limits::HISTORY_RECEIVERS_MAX {
            let max = limits::HISTORY_RECEIVERS_MAX;
            tracing::error!(
                named = urls.len(),
                max,
                "too many history receivers are configured, the last ones get nothing"
            );
            urls.truncate(max);
        }
        urls
    }

    pub(super) fn note_success(&self, report: &'static str, url: &Url) {
        metrics::counter!("menshen_reports_total", "report" => report, "result" => "ok").increment(1);
        self.delivery.sessions.note_accepted(url);
    }

    /// Notes a failed call that carried the session `used`. A rejected token makes the link log in again.
    pub(super) fn note_failure(
        &self,
        report: &'static str,
        url: &Url,
        error: &PlatformError,
        used: Option<&Arc<Session>>,
    ) {
        metrics::counter!("menshen_reports_total", "report" => report, "result" => "failed").increment(1);
        tracing::warn!(report, %error, "report failed");
        if let Some(used) = used.filter(|_| error.is_session_rejected()) {
            self.delivery.sessions.note_rejected(url, used, self.clock.monotonic_ms());
        }
    }
}
