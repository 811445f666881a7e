//! The models of a box: which there are, whether their files are whole, making them fast, and loading them.
//!
//! `models/*/model.toml` describe them ([`catalogue`], [`description`]); a configuration chooses some of them ([`Selection`]), which
//! are optimised ([`optimize`]), compared with their originals ([`equivalence`]), tried out ([`self_test`]) and loaded for each thread
//! ([`ModelSet`]). What is done with pictures is `menshen-vision`; how a file is run is behind its trait `InferenceLoader`.
//!
//! What this crate must never know: cameras, people and protocols; the configuration file; which library runs the networks.

#![deny(missing_docs)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod attributes;
pub mod catalogue;
pub mod description;
pub mod equivalence;
mod error;
mod file_error;
mod model_set;
mod network;
pub mod optimize;
mod selection;
pub mod self_test;

pub use catalogue::Catalogue;
pub use description::ModelSpec;
pub use error::ModelError;
pub use model_set::ModelSet;
pub use selection::{Backend, ModelNames, ReadyModels, Selection};
