//! Strangers who are enrolled, so that they are recognised when they come again.

use bytes::Bytes;

use super::face::Embedding;

/// The shot of a passage that ended without a name: what it takes to enrol the stranger.
#[derive(Debug, Clone)]
pub struct StrangerShot {
    /// Unit-length feature of the shot.
    pub embedding: Embedding,
    /// FIQA score of the shot, 0–1.
    pub quality: f32,
    /// The face crop, JPEG.
    pub photo: Bytes,
    /// Permission groups of the camera: the stranger is recognised there again.
    pub permission_ids: Vec<String>,
    /// And its registry group.
    pub registry_group: String,
}
