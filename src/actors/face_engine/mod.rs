//! The face engine: vision workers that look at frames and photos, and the actor that fronts them.
//!
//! Frames reach the workers through latest-wins slots ([`intake`]), photos through a bounded channel; what has
//! become certain goes to the reporter through the [`forwarder`].

pub mod actor;
pub mod camera;
pub mod forwarder;
pub mod intake;
pub mod message;
pub mod workers;

pub use actor::FaceEngineActor;
