//! The reporter: makes events durable, then tells the world, each way at its own pace.

pub mod actor;
mod body;
pub mod devices;
pub mod history;
pub mod message;
pub mod realtime;
pub mod record;
mod refused;
pub mod status;

pub use actor::ReporterActor;
use record::WaitingEvents;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use url::Url;

use crate::actors::handle::Handle;
use crate::actors::mq_link::MqLinkActor;
use crate::actors::mq_link::message::SessionRejected;
use crate::actors::tuning::SharedTuning;
use crate::ports::clock::Clock;
use crate::ports::outbox::Outbox;
use crate::ports::platform::{PlatformApi, PlatformError};
use crate::ports::store::{EventStore, Keys, PictureStore};
use crate::ports::system::SystemProbe;
use crate::status::receivers::ReceiversStatus;
use crate::status::storage::StorageStatus;
use menshen_domain::limits;
use menshen_domain::relogin::ReloginBackoff;
use menshen_protocol::login::Session;

/// The platform session of the moment; written by the MQ link only.
pub type SharedSession = Arc<ArcSwapOption<Session>>;

/// What does not change while the box runs.
#[derive(Debug, Clone)]
pub struct ReporterConfig {
    pub dev_sno: String,
    /// Events kept on the box, and bytes with their pictures.
    pub keep_max: u64,
    pub keep_bytes: u64,
    /// Whether a platform will name history receivers.
    pub has_platform: bool,
}

/// What reporting works with. Cloning shares everything.
#[derive(Clone)]
pub struct ReporterDeps {
    pub store: Arc<dyn EventStore>,
    pub outbox: Arc<dyn Outbox>,
    pub pictures: Arc<dyn PictureStore>,
    pub keys: Arc<dyn Keys>,
    pub waiting: WaitingEvents,
    pub storage: Arc<StorageStatus>,
    pub platform: Arc<dyn PlatformApi>,
    pub clock: Arc<dyn Clock>,
    pub probe: Arc<dyn SystemProbe>,
    pub session: SharedSession,
    pub link: Handle<MqLinkActor>,
    pub tuning: SharedTuning,
    pub config: Arc<ReporterConfig>,
    pub board: ReceiversStatus,
    pub relogin_backoff: Arc<Mutex<ReloginBackoff>>,
}

impl ReporterDeps {
    /// The history receivers of the moment: those the login names, then the box's own.
    pub fn receivers(&self) -> Vec<Url> {
        let mut urls =
            self.session.load().as_ref().map_or_else(Vec::new, |session| session.record_urls.clone());
        urls.extend(self.tuning.load().history_urls.iter().cloned());
        let mut seen = std::collections::HashSet::new();
        urls.retain(|url| seen.insert(url.clone()));
        if urls.len() > limits::HISTORY_RECEIVERS_MAX {
            let max = limits::HISTORY_RECEIVERS_MAX;
            tracing::error!(named = urls.len(), max, "too many history receivers, the last ones get nothing");
            urls.truncate(max);
        }
        urls
    }

    /// The session a report to `url` carries. The token belongs to the platform: only addresses the login named, or
    /// of the platform's own origin, get it.
    fn session_for(&self, url: &Url) -> Option<Arc<Session>> {
        let session = self.session.load_full()?;
        let named = session.record_urls.contains(url)
            || session.device_monitor_url.as_ref() == Some(url)
            || session.device_list_url.as_ref() == Some(url);
        (named || session.origin.origin() == url.origin()).then_some(session)
    }

    fn relogin_backoff(&self) -> MutexGuard<'_, ReloginBackoff> {
        self.relogin_backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_success(&self, report: &'static str, url: &Url) {
        metrics::counter!("menshen_reports_total", "report" => report, "result" => "ok").increment(1);
        self.relogin_backoff().forget(url.as_str());
    }

    /// Notes a failed call that carried the session `used`. A token that is no longer taken makes the link log in
    /// again, once for each session.
    fn note_failure(
        &self,
        report: &'static str,
        url: &Url,
        error: &PlatformError,
        used: Option<&Arc<Session>>,
    ) {
        metrics::counter!("menshen_reports_total", "report" => report, "result" => "failed").increment(1);
        tracing::warn!(report, %error, "report failed");
        let Some(used) = used.filter(|_| error.is_session_rejected()) else { return };
        let is_current = self.session.load().as_ref().is_some_and(|current| Arc::ptr_eq(current, used));
        if !is_current || !self.relogin_backoff().rejected(url.as_str(), self.clock.monotonic_ms()) {
            return;
        }
        if self.link.try_send(SessionRejected).is_err() {
            tracing::debug!(
                "the link is busy or down; it hears of the rejected session with the next report"
            );
            self.relogin_backoff().forget(url.as_str());
        }
    }
}
