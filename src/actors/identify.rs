//! Who is on a photo: the 1:N question a photo terminal asks.

use bytes::Bytes;

use super::face_engine::FaceEngineActor;
use super::face_engine::message::AnalysePhoto;
use super::gallery::SharedGallery;
use super::handle::Handle;
use super::tuning::SharedTuning;
use crate::core::gallery::Candidate;
use crate::core::quality::QualityLevel;
use crate::core::score::ScoreMap;
use crate::core::status::{Refusal, StatusCode};

/// What the question needs. Cloning shares everything.
#[derive(Clone)]
pub struct Identifier {
    pub engine: Handle<FaceEngineActor>,
    pub gallery: SharedGallery,
    pub tuning: SharedTuning,
    /// Raw similarities of the model in use that the score scale is anchored to.
    pub similarity_min: f32,
    pub similarity_threshold: f32,
    /// Level the photo must pass: that of a live face.
    pub level: QualityLevel,
}

/// The best candidate with its score, 0–1, and whether it is at or above the pass mark.
#[derive(Debug, Clone)]
pub struct Identified {
    pub best: Option<Candidate>,
    pub score: f32,
    pub passed: bool,
}

impl Identifier {
    /// Looks for the largest face of a photo among the people of `groups`.
    pub async fn identify(&self, photo: Bytes, groups: &[String]) -> Result<Identified, Refusal> {
        let question = AnalysePhoto { photo, level: self.level.clone() };
        let face = self
            .engine
            .send(question)
            .await
            .map_err(|error| Refusal::new(StatusCode::ServerProcessFailed, error.to_string()))??;
        let (gallery, groups, probe) = (self.gallery.clone(), groups.to_vec(), face.embedding.vector);
        // A scan of a large gallery takes milliseconds: not on an arbiter.
        let search = move || gallery.read().search(&probe, &groups, 1).into_iter().next();
        let best = tokio::task::spawn_blocking(search)
            .await
            .map_err(|error| Refusal::new(StatusCode::ServerProcessFailed, error.to_string()))?;
        let tuning = self.tuning.load();
        let map = ScoreMap::new(tuning.range, self.similarity_min, self.similarity_threshold);
        let score = best.as_ref().map_or(0.0, |candidate| map.score(candidate.similarity));
        let passed = best.is_some() && score >= tuning.threshold;
        Ok(Identified { best, score: score / 100.0, passed })
    }
}
