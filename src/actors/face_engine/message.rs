//! What can be asked of the face engine.

use actix::Message;
use bytes::Bytes;

use crate::core::event::ShotQuality;
use crate::core::face::Embedding;
use crate::core::quality::QualityLevel;
use crate::core::status::Refusal;

/// A face of a photo that passed its level.
#[derive(Debug, Clone)]
pub struct PhotoFace {
    pub embedding: Embedding,
    /// FIQA score, 0–1.
    pub quality: f32,
}

/// Finds, judges and embeds the largest face of a photo.
#[derive(Clone, Message)]
#[rtype(result = "Result<PhotoFace, Refusal>")]
pub struct AnalysePhoto {
    /// JPEG or PNG as it came.
    pub photo: Bytes,
    pub level: QualityLevel,
}

/// Judges the largest face of a photo, whether or not it passes; goes before enrolment photos.
#[derive(Clone, Message)]
#[rtype(result = "Result<ShotQuality, Refusal>")]
pub struct JudgePhoto {
    /// JPEG or PNG as it came.
    pub photo: Bytes,
    pub level: QualityLevel,
}

/// Ends the passages that are open, stops the workers; answers when the reporter has got everything.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Drain;
