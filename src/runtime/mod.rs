//! The one place that sees everything: builds the app, wires its parts, starts sinks first and sources last,
//! supervises, and takes it all down in the opposite order.

pub mod app;
pub mod attributes;
pub mod devices;
mod doors;
#[cfg(test)]
mod erasure_tests;
mod frame_router;
mod ftp;
pub mod handles;
pub mod listeners;
pub mod models;
pub mod overridden;
mod parts;
#[cfg(test)]
mod picture_search_tests;
pub mod platform;
pub mod problems;
pub mod recognition;
pub mod recover;
pub mod run;
mod signals;
pub mod storage;
pub mod supervise;
pub mod tuning;

pub use run::run;
pub use signals::Ended;
