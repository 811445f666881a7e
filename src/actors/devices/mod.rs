//! The capture-device manager: opens every device's stream, watches it, and opens it again for ever.

pub mod actor;
pub mod door;
pub mod message;

pub use actor::DevicesActor;
