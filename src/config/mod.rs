//! Configuration: text → checked settings, all mistakes told at once.
//!
//! Sources, the weakest first: built-in defaults, the file, environment variables `MENSHEN_KEY__PATH`,
//! `--set key.path=value`.

pub mod attributes;
pub mod devices;
pub mod photos;
pub mod reader;
pub mod renamed;
pub mod settings;
pub mod source;

pub use reader::ConfigError;
pub use settings::{Mode, Settings};
pub use source::{Overrides, inspect, load};
