//! The capture-device manager: opens every device's stream, watches it, and opens it again for ever.

pub mod actor;
mod change;
mod device;
pub mod device_list;
pub mod door;
pub mod message;
pub mod push;

pub use actor::DevicesActor;
