//! Figures on the standard output.

use serde_json::Value;

/// One JSON object, on a line of its own.
#[allow(clippy::print_stdout, reason = "the figures are for the terminal and for scripts")]
pub fn print_figures(figures: &Value) {
    println!("{figures}");
}
