//! The reporter: makes events durable, then tells the world, each way at its own pace.

pub mod actor;
pub mod devices;
pub mod history;
pub mod message;
pub mod realtime;
pub mod record;
pub mod status;

pub use actor::ReporterActor;

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::actors::handle::Handle;
use crate::actors::mq_link::MqLinkActor;
use crate::actors::mq_link::message::SessionRejected;
use crate::actors::tuning::SharedTuning;
use crate::ports::clock::Clock;
use crate::ports::platform::{PlatformApi, PlatformError};
use crate::ports::store::{EventStore, PictureStore};
use crate::ports::system::SystemProbe;
use crate::wire::login::Session;

/// The platform session of the moment; written by the MQ link only.
pub type SharedSession = Arc<ArcSwapOption<Session>>;

/// What does not change while the box runs.
#[derive(Debug, Clone)]
pub struct ReporterConfig {
    pub dev_sno: String,
    /// Events kept on the box.
    pub keep_max: u64,
}

/// What reporting works with. Cloning shares everything.
#[derive(Clone)]
pub struct ReporterParts {
    pub store: Arc<dyn EventStore>,
    pub pictures: Arc<dyn PictureStore>,
    pub platform: Arc<dyn PlatformApi>,
    pub clock: Arc<dyn Clock>,
    pub probe: Arc<dyn SystemProbe>,
    pub session: SharedSession,
    pub link: Handle<MqLinkActor>,
    pub tuning: SharedTuning,
    pub config: Arc<ReporterConfig>,
}

impl ReporterParts {
    /// Notes a failed call; a rejected token makes the link log in again.
    fn note_failure(&self, report: &'static str, error: &PlatformError) {
        metrics::counter!("menshen_reports_total", "report" => report, "result" => "failed").increment(1);
        tracing::warn!(report, %error, "report failed, it will be tried again");
        if error.is_session_rejected() && self.link.try_send(SessionRejected).is_err() {
            tracing::debug!(
                "the link is busy or down; it hears of the rejected session with the next report"
            );
        }
    }
}

fn note_success(report: &'static str) {
    metrics::counter!("menshen_reports_total", "report" => report, "result" => "ok").increment(1);
}
