//! Real-time pushes: matches, as soon as they are durable, fire and forget.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::{ReporterParts, note_success};
use crate::actors::reporter::message::{PassageStage, RecordPassage};
use crate::core::limits;
use crate::ports::platform::PostPurpose;
use crate::ports::store::Shelf;
use crate::wire::event::{EventBody, EventPictures, ReportKind};
use crate::wire::picture;

/// Pushes in flight are bounded; what does not fit is dropped and counted, and arrives as history.
#[derive(Clone)]
pub struct RealTime {
    places: Arc<Semaphore>,
}

impl Default for RealTime {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(limits::REALTIME_PUSHES_MAX)) }
    }
}

impl RealTime {
    /// Tells every event server of a match that was just stored; returns at once.
    pub fn push(&self, parts: &ReporterParts, body: Vec<u8>) {
        for url in parts.tuning.load().realtime_urls.clone() {
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                metrics::counter!("menshen_reports_total", "report" => "realtime", "result" => "dropped")
                    .increment(1);
                continue;
            };
            let (parts, body) = (parts.clone(), body.clone());
            actix_rt::spawn(async move {
                match parts.platform.post(None, &url, body, PostPurpose::RealTime).await {
                    Ok(()) => note_success("realtime"),
                    Err(error) => {
                        metrics::counter!("menshen_reports_total", "report" => "realtime", "result" => "failed")
                            .increment(1);
                        tracing::warn!(%error, "a real-time push failed; the event arrives as history");
                    }
                }
                drop(place);
            });
        }
    }
}

/// What to push for a passage that was just stored, if anything; reads the registry photo from the disk.
pub fn push_body(parts: &ReporterParts, message: &RecordPassage) -> Option<Vec<u8>> {
    let is_wanted = message.stage == PassageStage::Open
        && !message.event.is_stranger()
        && !parts.tuning.load().realtime_urls.is_empty();
    is_wanted.then(|| serde_json::to_vec(&event_body(parts, message)).ok()).flatten()
}

fn event_body(parts: &ReporterParts, message: &RecordPassage) -> EventBody {
    let fresh = |name: &Option<String>| {
        let name = name.as_ref()?;
        let found = message.pictures.iter().find(|picture| &picture.name == name)?;
        Some(picture::encode(&found.jpeg))
    };
    let event = &message.event;
    let registry_photo = event.identity.as_ref().and_then(|who| who.registry_photo.clone());
    let pictures = EventPictures {
        reg_pic: registry_photo.and_then(|name| stored(parts, Shelf::Registry, &name)),
        spot_pic: fresh(&event.spot_pic),
        recognize_face: fresh(&event.face_pic),
    };
    EventBody::new(event, pictures, ReportKind::RealTime)
}

/// A stored picture as base64; `None` when it is gone, which for a deleted person's photo is right.
pub fn stored(parts: &ReporterParts, shelf: Shelf, name: &str) -> Option<String> {
    match parts.pictures.get(shelf, name) {
        Ok(found) => found.map(|bytes| picture::encode(&bytes)),
        Err(error) => {
            tracing::warn!(%error, "a picture could not be read, the report goes without it");
            None
        }
    }
}
