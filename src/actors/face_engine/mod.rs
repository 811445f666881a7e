//! The face engine: vision workers that analyse frames and photos, and the actor in front of them.
//!
//! Frames reach the workers through latest-wins slots ([`intake`]), photos of devices through a bounded queue
//! ([`photos`]), photos of the registry through bounded queues of their own. Both go through one chain: `shot` makes a shot
//! of a detected face, `event_builder` the event of a passage; [`camera`] and `photo_pipeline` decide what becomes a
//! passage. It leaves as a [`report::PassageReport`] over a bounded channel; the engine knows no other actor.

pub mod actor;
pub mod attributes;
pub mod camera;
mod draft;
mod error;
mod event_builder;
pub mod intake;
pub mod message;
mod photo_form;
mod photo_ingest;
mod photo_pipeline;
pub mod photos;
mod pictures;
pub mod report;
mod request_queue;
pub mod rules;
mod shot;
mod slot;
mod stage_timer;
pub mod workers;

pub use actor::FaceEngineActor;
pub use error::EngineError;
