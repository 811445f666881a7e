//! Real-time pushes: matches, as soon as they are durable, fire and forget.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::deps::ReporterDeps;
use crate::actors::blocking::spawn_blocking;
use crate::actors::reporter::message::{PassageStage, RecordPassage};
use crate::ports::platform::PostPurpose;
use crate::ports::store::Namespace;
use menshen_domain::limits;
use menshen_protocol::event::{EventBody, EventPictures, ReportKind};
use menshen_protocol::picture;

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
    pub fn push(&self, parts: &ReporterDeps, message: RecordPassage) {
        let urls = parts.tuning.load().realtime_urls.clone();
        let is_wanted =
            message.stage != PassageStage::Closed && !message.event.is_stranger() && !urls.is_empty();
        if !is_wanted {
            return;
        }
        if is_stale(parts, &message) {
            count("stale");
            tracing::info!(event = %message.event.event_id, "too old to be news; it arrives as history");
            return;
        }
        let (parts, places) = (parts.clone(), Arc::clone(&self.places));
        let Ok(making) = Arc::clone(&places).try_acquire_owned() else { return count("dropped") };
        actix_rt::spawn(async move {
            let made = {
                let parts = parts.clone();
                let work =
                    move || serde_json::to_vec(&event_body(&parts, &message)).map(|body| (body, message));
                spawn_blocking(work).await
            };
            drop(making);
            let Ok(Ok((body, message))) = made else { return count("failed") };
            for url in urls {
                // Making the body took its time too.
                if is_stale(&parts, &message) {
                    return count("stale");
                }
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    count("dropped");
                    continue;
                };
                let (parts, body) = (parts.clone(), body.clone());
                actix_rt::spawn(async move {
                    match parts.delivery.platform.post(None, &url, body, PostPurpose::RealTime).await {
                        Ok(()) => count("ok"),
                        Err(error) => {
                            count("failed");
                            tracing::warn!(%error, "a real-time push failed; the event arrives as history");
                        }
                    }
                    drop(place);
                });
            }
        });
    }
}

fn count(result: &'static str) {
    metrics::counter!("menshen_reports_total", "report" => "realtime", "result" => result).increment(1);
}

/// Nothing that was held up may look live.
fn is_stale(parts: &ReporterDeps, message: &RecordPassage) -> bool {
    parts.clock.monotonic_ms().saturating_sub(message.decided_ms) > limits::REALTIME_TTL_MS
}

fn event_body(parts: &ReporterDeps, message: &RecordPassage) -> EventBody {
    let fresh = |name: &Option<String>| {
        let name = name.as_ref()?;
        let found = message.pictures.iter().find(|picture| &picture.name == name)?;
        Some(picture::encode(&found.jpeg))
    };
    let event = &message.event;
    let registry_photo = event.identity.as_ref().and_then(|who| who.registry_photo.clone());
    let pictures = EventPictures {
        reg_pic: registry_photo.and_then(|name| stored(parts, Namespace::Registry, &name)),
        spot_pic: fresh(&event.spot_pic),
        recognize_face: fresh(&event.face_pic),
    };
    EventBody::new(event, pictures, ReportKind::RealTime)
}

/// A stored picture as base64; `None` when it is gone, which for a deleted person's photo is right.
pub fn stored(parts: &ReporterDeps, shelf: Namespace, name: &str) -> Option<String> {
    match parts.storage.pictures.get(shelf, name) {
        Ok(found) => found.map(|bytes| picture::encode(&bytes)),
        Err(error) => {
            tracing::warn!(%error, "a picture could not be read, the report goes without it");
            None
        }
    }
}
