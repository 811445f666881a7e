//! Identification of a photo, 1:N, as photo terminals ask for it.

use std::sync::Arc;

use bytes::Bytes;

use super::face_engine::FaceEngineActor;
use super::face_engine::message::AnalysePhoto;
use super::handle::Handle;
use super::recogniser::ActiveRecogniser;
use super::tuning::SharedTuning;
use crate::ports::clock::Clock;
use crate::status::clock::ClockStatus;
use menshen_domain::candidate::{Candidate, SearchGroups};
use menshen_domain::decision::people_first;
use menshen_domain::limits;
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::{ProtocolError, StatusCode};
use menshen_gallery::GalleryError;

/// Identifies photos. Cloning shares everything.
#[derive(Clone)]
pub struct Identifier {
    pub engine: Handle<FaceEngineActor>,
    pub recogniser: ActiveRecogniser,
    pub tuning: SharedTuning,
    /// Level the photo must pass: that of a live face.
    pub level: QualityLevel,
    pub clock: Arc<dyn Clock>,
    pub clock_status: Arc<ClockStatus>,
    /// Minutes the box's time zone is ahead of UTC: for dates that name none.
    pub utc_offset_min: i32,
}

/// The best candidate with its score, 0–1, and whether that reaches the match threshold.
#[derive(Debug, Clone)]
pub struct Identified {
    pub best: Option<Candidate>,
    pub score: f32,
    pub passed: bool,
}

impl Identifier {
    /// Searches for the largest face of a photo among the people of `groups`.
    ///
    /// # Errors
    /// The photo has no usable face, or the face engine cannot answer.
    pub async fn identify(&self, photo: Bytes, groups: &SearchGroups) -> Result<Identified, ProtocolError> {
        for _ in 0..limits::SWAP_RACE_TRIES {
            if let Some(identified) = self.try_once(photo.clone(), groups).await? {
                return Ok(identified);
            }
        }
        Err(ProtocolError::new(StatusCode::ServerProcessFailed, "the embedder is being swapped; ask again"))
    }

    /// `None`: the embedder was swapped between embedding and search.
    async fn try_once(
        &self,
        photo: Bytes,
        groups: &SearchGroups,
    ) -> Result<Option<Identified>, ProtocolError> {
        let failed = |reason: String| ProtocolError::new(StatusCode::ServerProcessFailed, reason);
        let question = AnalysePhoto { photo, level: self.level.clone() };
        let face = self.engine.send(question).await.map_err(|error| failed(error.to_string()))??;
        let (recogniser, groups) = (self.recogniser.get(), groups.clone());
        let tuning = self.tuning.load().clone();
        let map = recogniser.score_map(&tuning);
        // A scan of a large gallery takes milliseconds: not on an arbiter.
        let now = self.clock_status.moment(self.clock.wall_ms(), self.utc_offset_min);
        let search = move || recogniser.search(&[&face.embedding], groups.scope(), now);
        let found = tokio::task::spawn_blocking(search).await.map_err(|error| failed(error.to_string()))?;
        let candidates = match found {
            Ok(mut found) => found.pop().unwrap_or_default(),
            Err(GalleryError::OtherModel { .. }) => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        // Of two people who are hard to tell apart it is the more similar one: there is no second picture to wait for.
        let best = people_first(candidates, map.similarity(tuning.threshold)).into_iter().next();
        let score = best.as_ref().map_or(0.0, |candidate| map.score(candidate.similarity));
        let passed = best.is_some() && score >= tuning.threshold;
        Ok(Some(Identified { best, score: score / 100.0, passed }))
    }
}
