//! What can be asked of the face engine.

use std::time::Duration;

use actix::Message;
use bytes::Bytes;
use tokio::sync::oneshot;

use menshen_domain::candidate::GalleryPerson;
use menshen_domain::event::ShotQuality;
use menshen_domain::face::Embedding;
use menshen_domain::limits;
use menshen_domain::photo::{DevicePicture, PhotoResult};
use menshen_domain::quality::QualityLevel;
use menshen_domain::status::ProtocolError;
use menshen_vision::SeenFace;

/// A face of a photo that passed its level.
#[derive(Debug, Clone)]
pub struct PhotoFace {
    pub embedding: Embedding,
    /// FIQA score, 0–1.
    pub quality: f32,
    /// Shorter side of the face, in pixels of the photo.
    pub face_size_px: f32,
}

/// Finds, judges and embeds the largest face of a photo.
#[derive(Clone, Message)]
#[rtype(result = "Result<PhotoFace, ProtocolError>")]
pub struct AnalysePhoto {
    /// JPEG or PNG as it came.
    pub photo: Bytes,
    pub level: QualityLevel,
}

/// Judges the largest face of a photo, whether or not it passes; goes before enrolment photos.
#[derive(Clone, Message)]
#[rtype(result = "Result<ShotQuality, ProtocolError>")]
pub struct JudgePhoto {
    /// JPEG or PNG as it came.
    pub photo: Bytes,
    pub level: QualityLevel,
}

/// Finds the faces of a photo, the largest first; goes before enrolment photos.
#[derive(Clone, Message)]
#[rtype(result = "Result<Vec<SeenFace>, ProtocolError>")]
pub struct FindFaces {
    /// JPEG or PNG as it came.
    pub photo: Bytes,
    pub most: usize,
    /// Whether age and gender are estimated of each.
    pub with_attributes: bool,
}

/// A photo a snapshot camera or a terminal took of a person: a passage by itself. Goes to the workers through the bounded
/// queue of [`PhotoIntake`](super::photos::PhotoIntake), behind live frames and before the photos above.
#[derive(Debug, Clone)]
pub struct RecognisePhoto {
    /// The device's `ip` or `ep_id`.
    pub device: String,
    /// In the order in which they are looked at; as a rule one.
    pub pictures: Vec<DevicePicture>,
    /// When it came, wall clock.
    pub received_ms: u64,
}

/// What became of a photo of a device.
#[derive(Debug)]
pub struct PhotoAnswer {
    pub result: PhotoResult,
    /// Faces found.
    pub faces: usize,
    /// The largest face: the person, the score (0–1), and its event where there is one.
    pub who: Option<GalleryPerson>,
    pub score: f32,
    pub event_id: Option<String>,
    /// Whether the device's door should open.
    pub opens: bool,
    /// What exactly was wrong, if anything.
    pub detail: String,
    /// One for each event; completes when it is stored.
    pub stored: Vec<oneshot::Receiver<()>>,
}

impl PhotoAnswer {
    /// No face, no event.
    pub fn without(result: PhotoResult, detail: impl Into<String>) -> Self {
        Self {
            result,
            faces: 0,
            who: None,
            score: 0.0,
            event_id: None,
            opens: false,
            detail: detail.into(),
            stored: Vec::new(),
        }
    }

    /// Waits until the events are stored; false when one was lost.
    pub async fn stored(&mut self) -> bool {
        let mut all = true;
        for stored in self.stored.drain(..) {
            all &= stored.await.is_ok();
        }
        all
    }

    /// As `stored`, for a sender who is not kept waiting: false as well when it takes too long.
    pub async fn stored_soon(&mut self) -> bool {
        let limit = Duration::from_millis(limits::PHOTO_STORED_WAIT_MS);
        tokio::time::timeout(limit, self.stored()).await.unwrap_or(false)
    }
}

/// Ends the passages that are open and stops the workers; answers when everything has been reported.
#[derive(Clone, Message)]
#[rtype(result = "()")]
pub struct Drain;
