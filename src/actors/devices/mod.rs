//! The capture-device manager: opens every device's stream, watches it, and opens it again for ever.

pub mod actor;
mod change;
pub mod door;
pub mod message;
mod one;
pub mod push;
pub mod roster;

pub use actor::DevicesActor;
