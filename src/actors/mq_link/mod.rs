//! The link to the platform: login, broker connection, commands in, replies out.

pub mod actor;
pub mod execute;
pub mod message;
pub mod parts;
pub mod users;

pub use actor::MqLinkActor;
