//! What the handlers of the local API work with.

use std::sync::Arc;

use tokio::sync::Notify;
use url::Url;

use super::access::Access;
use crate::actors::devices::DevicesActor;
use crate::actors::devices::device_list::DeviceList;
use crate::actors::erasure::Eraser;
use crate::actors::face_engine::photos::PhotoIntake;
use crate::actors::handle::Handle;
use crate::actors::identify::Identifier;
use crate::actors::live_stream::LiveStream;
use crate::actors::registry::RegistryActor;
use crate::actors::reporter::ReporterActor;
use crate::actors::session::SharedSession;
use crate::actors::tuning::Tuner;
use crate::ports::audit::AuditLog;
use crate::ports::picture_download::PictureDownload;
use crate::status::clock::ClockStatus;
use crate::status::models::ModelStatus;
use crate::web::health::Health;
use menshen_domain::quality::QualityLimits;
use menshen_domain::status::Language;

/// What the handlers work with.
pub struct LocalDeps {
    pub registry: Handle<RegistryActor>,
    pub eraser: Eraser,
    pub reporter: Handle<ReporterActor>,
    pub devices: Handle<DevicesActor>,
    pub live: LiveStream,
    pub health: Arc<Health>,
    pub identifier: Identifier,
    pub pictures_by_url: Arc<dyn PictureDownload>,
    /// FIQA level `custom`.
    pub custom_level: QualityLimits,
    pub photos: Arc<PhotoIntake>,
    pub tuner: Tuner,
    pub models: Arc<ModelStatus>,
    pub clock_status: Arc<ClockStatus>,
    pub session: SharedSession,
    /// Asks the runtime to start again as a new process.
    pub restart: Arc<Notify>,
    pub device_list: DeviceList,
    pub language: Language,
    pub dev_sno: String,
    /// `None` in standalone mode.
    pub login_url: Option<Url>,
    /// Whether answers have registry photos in them.
    pub shows_photos: bool,
    /// Addresses without TLS are refused.
    pub require_tls: bool,
    pub access: Access,
    pub audit: Arc<dyn AuditLog>,
    /// Milliseconds since the epoch, and on the monotonic clock.
    pub wall_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub monotonic_ms: Arc<dyn Fn() -> u64 + Send + Sync>,
}
