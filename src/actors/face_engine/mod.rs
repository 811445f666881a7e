//! The face engine: vision workers that analyse frames and photos, and the actor in front of them.
//!
//! Frames reach the workers through latest-wins slots ([`intake`]), photos of devices through a bounded queue
//! ([`photos`]), photos of the registry through bounded channels. What becomes certain leaves as [`report::PassageReport`]
//! over a bounded channel; the engine knows no other actor.

pub mod actor;
pub mod attributes;
pub mod camera;
pub mod event_builder;
pub mod intake;
pub mod message;
pub mod photo_ingest;
pub mod photo_pipeline;
pub mod photos;
pub mod report;
pub mod rules;
pub mod stage_timer;
pub mod workers;

pub use actor::FaceEngineActor;
