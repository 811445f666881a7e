//! The reporter: makes events durable, then reports them, each kind of report at its own pace.

pub mod actor;
mod body;
pub mod deps;
pub mod devices;
pub mod history;
pub mod live;
pub mod message;
mod outcome;
mod parts;
pub mod picture_search;
pub mod query;
pub mod realtime;
pub mod record;
mod refused;
pub mod status;
mod status_body;

pub use actor::ReporterActor;
pub use deps::{Delivery, ReporterConfig, ReporterDeps, Storage};
