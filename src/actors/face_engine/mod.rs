//! The face engine: vision workers that look at frames and photos, and the actor that fronts them.
//!
//! Frames reach the workers through latest-wins slots ([`intake`]), photos of devices through a bounded queue
//! ([`photos`]), photos of the registry through bounded channels; what has become certain goes to the reporter through the
//! [`forwarder`].

pub mod actor;
pub mod attributes;
pub mod camera;
pub mod event_builder;
pub mod forwarder;
pub mod intake;
pub mod message;
pub mod photo_ingest;
pub mod photo_pipeline;
pub mod photos;
mod slot;
pub mod workers;

pub use actor::FaceEngineActor;
