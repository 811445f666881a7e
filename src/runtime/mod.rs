//! The one place that sees everything: builds the parts, wires them, starts sinks first and sources last,
//! supervises, and takes it all down in the opposite order.

pub mod app;
pub mod attributes;
pub mod devices;
mod frame_router;
pub mod models;
pub mod open;
pub mod recover;
pub mod run;
pub mod supervise;

pub use run::{Ended, run};
