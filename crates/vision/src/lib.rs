//! Faces in pictures: find them, judge them, align them, embed them.
//!
//! Functions over frames and tensors; what runs the networks is behind `ports::inference`.

pub mod align;
pub mod analyzer;
pub mod attributes;
pub mod catalogue;
pub mod covered;
pub mod embedder;
pub mod inference;
pub mod letterbox;
pub mod liveness;
pub mod motion;
pub mod photo;
pub mod picture;
pub mod pixels;
pub mod pose;
pub mod prepare;
pub mod quality;
pub mod refine;
pub mod self_test;
pub mod shrink;
pub mod yunet;

pub use analyzer::{FaceAnalyzer, VisionError};
