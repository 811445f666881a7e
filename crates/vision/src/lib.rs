//! Faces in pictures: find them, judge them, align them, embed them.
//!
//! Functions over frames and tensors; what runs the networks is behind `ports::inference`.

pub mod align;
pub mod analyzer;
pub mod attributes;
pub mod catalogue;
pub mod embedder;
pub mod inference;
pub mod jpeg;
pub mod letterbox;
pub mod liveness;
pub mod motion;
pub mod occlusion;
pub mod optimize;
pub mod photo;
pub mod pixels;
pub mod pose;
pub mod quality;
pub mod refine;
pub mod resize;
pub mod self_test;
pub mod yunet;

pub use analyzer::{FaceAnalyzer, VisionError};
