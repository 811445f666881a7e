//! Addresses of the actors.

use crate::actors::devices::DevicesActor;
use crate::actors::face_engine::FaceEngineActor;
use crate::actors::handle::Handle;
use crate::actors::mq_link::MqLinkActor;
use crate::actors::registry::RegistryActor;
use crate::actors::reporter::ReporterActor;

/// Addresses of the five.
#[derive(Clone, Default)]
pub struct Handles {
    pub link: Handle<MqLinkActor>,
    pub registry: Handle<RegistryActor>,
    pub engine: Handle<FaceEngineActor>,
    pub devices: Handle<DevicesActor>,
    pub reporter: Handle<ReporterActor>,
}
