//! The registry of people: durable on disk, searched in memory.

pub mod actor;
pub mod enrol;
pub mod message;
pub mod photo;
pub mod strangers;

pub use actor::RegistryActor;
