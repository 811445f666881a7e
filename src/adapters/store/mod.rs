//! Durable storage in redb: people in `registry.redb`, events in `events.redb`, so that one damaged file
//! does not take the other along. Every value is sealed.
//!
//! Every write commits with `Durability::Immediate`: when a method returns, the change has been flushed.

mod event_features;
mod event_passes;
mod event_queries;
mod event_store;
mod event_tables;
mod feature_queries;
mod file;
#[cfg(test)]
pub mod fixture;
mod outbox;
mod receivers;
mod registry_store;
mod sealed_file;

pub use event_store::RedbEventStore;
pub use file::DatabaseState;
pub use registry_store::RedbRegistryStore;
