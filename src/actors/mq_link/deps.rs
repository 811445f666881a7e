//! What the link and its commands work with.

use std::sync::Arc;

use crate::actors::devices::DevicesActor;
use crate::actors::devices::device_list::DeviceList;
use crate::actors::erasure::Eraser;
use crate::actors::face_engine::FaceEngineActor;
use crate::actors::handle::Handle;
use crate::actors::registry::RegistryActor;
use crate::actors::reporter::ReporterActor;
use crate::actors::session::SessionKeeper;
use crate::actors::tuning::Tuner;
use crate::ports::audit::AuditLog;
use crate::ports::clock::Clock;
use crate::ports::dead_letters::DeadLetters;
use crate::ports::platform::PlatformApi;
use menshen_domain::quality::QualityLimits;
use menshen_protocol::reply::ReplyHead;

/// What the link works with. Cloning shares everything.
#[derive(Clone)]
pub struct LinkDeps {
    pub platform: Arc<dyn PlatformApi>,
    pub sessions: SessionKeeper,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub eraser: Eraser,
    pub audit: Arc<dyn AuditLog>,
    pub clock: Arc<dyn Clock>,
    pub registry: Handle<RegistryActor>,
    pub reporter: Handle<ReporterActor>,
    pub engine: Handle<FaceEngineActor>,
    pub devices: Handle<DevicesActor>,
    pub device_list: DeviceList,
    /// Whether the platform may change the devices.
    pub manages_devices: bool,
    pub tuner: Tuner,
    /// FIQA level `custom`.
    pub custom_level: QualityLimits,
    pub head: ReplyHead,
}
