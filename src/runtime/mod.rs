//! The one place that sees everything: builds the parts, wires them, starts sinks first and sources last,
//! supervises, and takes it all down in the opposite order.

pub mod assemble;
pub mod attributes;
pub mod devices;
pub mod metrics;
pub mod models;
pub mod open;
mod places;
pub mod recover;
pub mod run;
pub mod supervise;

pub use run::{Ended, run};
