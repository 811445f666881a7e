//! Of the vision chain only what reads photos.

#[path = "../../src/vision/photo.rs"]
pub mod photo;
