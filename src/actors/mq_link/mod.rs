//! The link to the management platform: login, broker, commands.

pub mod actor;
mod audit;
pub mod control;
pub mod deps;
mod devices;
pub mod execute;
pub mod fiqa;
pub mod job;
pub mod lane;
pub mod message;
pub mod reply;
pub mod users;

pub use actor::MqLinkActor;
