//! Metrics: one table says what they are, and the exporter shows them as Prometheus text.

mod declare;
mod exporter;
pub mod log_fields;
pub mod log_line;
pub mod peers_told;
mod table;

#[cfg(test)]
mod tests;

pub use declare::{Declared, Former, Kind, Metric, Seconds, Unit};
pub use exporter::{BuildError, Exporter, ask_for, install};
pub use table::*;
