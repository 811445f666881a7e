//! Faces in pictures: detect them, judge them, align them, embed them.
//!
//! Functions over frames, pixels and tensors. What runs the networks is behind [`inference`]; which networks there are, where
//! their files lie and whether they are whole is the business of `menshen-models`, which hands them in loaded, with the
//! [`spec`] of each.
//!
//! What this crate must never know: files, clocks, threads and processes; cameras and protocols; people and
//! their names. It makes a feature of a face, and leaves to others whose it is.

#![deny(missing_docs)]
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod align;
pub mod analyzer;
pub mod as_seen;
pub mod attributes;
pub mod embedder;
pub mod error;
pub mod inference;
pub mod jpeg;
mod jpeg_mend;
pub mod letterbox;
pub mod liveness;
pub mod motion;
pub mod occlusion;
pub mod photo;
pub mod pixels;
pub mod pose;
pub mod quality;
pub mod refine;
pub mod resize;
pub mod spec;
pub mod tensor;
pub mod yunet;

pub use analyzer::{FaceAnalyzer, SeenFace};
pub use error::{Misaligned, VisionError};
