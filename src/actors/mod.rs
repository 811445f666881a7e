//! The five actors, each a thin shell around a state machine of `menshen_domain`, and what they share.
//!
//! Every actor has a folder with `message.rs` (its typed messages: they live beside their receiver) and
//! `actor.rs`. Blocking work runs on threads, never on an arbiter.

pub mod blocking;
pub mod device_groups;
pub mod devices;
pub mod erased_people;
pub mod erasure;
pub mod face_engine;
pub mod handle;
pub mod identify;
pub mod live_stream;
pub mod mq_link;
pub mod newest;
pub mod passages;
pub mod recogniser;
pub mod registry;
pub mod reporter;
pub mod session;
pub mod task;
pub mod tuning;
pub mod wipe;
