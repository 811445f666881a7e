//! The registry of people: durable on disk, searched in memory.

pub mod actor;
pub mod deps;
pub mod enrol;
mod forget;
mod groups;
pub mod message;
mod permissions;
pub mod photo;
mod prepare;
mod reembed;
pub mod request;
pub mod strangers;
pub mod swap;

pub use actor::RegistryActor;
pub use deps::{RegistryDeps, SwapDeps};
