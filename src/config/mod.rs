//! Configuration: from text to checked settings, with every error at once.
//!
//! Sources, the weakest first: built-in defaults, the file, environment variables `MENSHEN_KEY__PATH`,
//! `--set key.path=value`.

pub mod attributes;
pub mod devices;
pub mod networks;
pub mod photos;
mod platform;
pub mod published;
pub mod reader;
pub mod receivers;
pub mod renamed;
mod sample;
pub mod secret_files;
pub mod settings;
pub mod source;
pub mod tls;
pub mod token_strength;
pub mod value_error;
pub mod web;
#[cfg(test)]
mod wrong_types_tests;

pub use reader::ConfigError;
pub use settings::{Mode, Settings};
pub use source::{Overrides, inspect, load};
