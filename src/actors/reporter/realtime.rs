//! Real-time pushes: matches, as soon as they are durable, fire and forget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use url::Url;

use super::deps::ReporterDeps;
use super::outcome::{Outcome, outcome_of};
use crate::actors::blocking::spawn_blocking;
use crate::actors::reporter::message::{PassageStage, RecordPassage};
use crate::ports::platform::{PlatformError, PostPurpose};
use crate::ports::store::Namespace;
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_domain::receiver_pause::ReceiverPauses;
use menshen_protocol::event::{EventBody, EventPictures, ReportKind};
use menshen_protocol::picture;

/// Pushes in flight are bounded; what does not fit is dropped and counted, and arrives as history.
#[derive(Clone)]
pub struct RealTime {
    slots: Arc<Semaphore>,
    /// Event servers that are left alone for a while, as history leaves a receiver alone.
    pauses: Arc<Mutex<ReceiverPauses>>,
}

impl Default for RealTime {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(limits::REALTIME_PUSHES_MAX)),
            pauses: Arc::new(Mutex::new(ReceiverPauses::new(limits::REALTIME_BACKOFF_MS))),
        }
    }
}

impl RealTime {
    /// Pushes a match that was just stored to every event server; returns at once.
    pub fn push(&self, deps: &ReporterDeps, message: RecordPassage) {
        let mut urls = deps.tuning.load().realtime_urls.clone();
        let is_wanted =
            message.stage != PassageStage::Closed && !message.event.is_stranger() && !urls.is_empty();
        if !is_wanted {
            return;
        }
        let now_ms = deps.clock.monotonic_ms();
        urls.retain(|url| {
            let is_paused = self.pauses().is_paused(url.as_str(), now_ms);
            if is_paused {
                count("paused");
            }
            !is_paused
        });
        if urls.is_empty() {
            return;
        }
        if deps.storage.erased.has(&message.event) {
            return count("erased");
        }
        if is_stale(deps, &message) {
            count("stale");
            tracing::info!(event = %message.event.event_id, "event is too old for a real-time push; it arrives as history");
            return;
        }
        let (deps, slots, me) = (deps.clone(), Arc::clone(&self.slots), self.clone());
        let Ok(making) = Arc::clone(&slots).try_acquire_owned() else { return count("dropped") };
        actix_rt::spawn(async move {
            let made = {
                let deps = deps.clone();
                let work =
                    move || serde_json::to_vec(&event_body(&deps, &message)).map(|body| (body, message));
                spawn_blocking(work).await
            };
            drop(making);
            let Ok(Ok((body, message))) = made else { return count("failed") };
            for url in urls {
                if deps.storage.erased.has(&message.event) {
                    return count("erased");
                }
                // Making the body took its time too.
                if is_stale(&deps, &message) {
                    return count("stale");
                }
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                    count("dropped");
                    continue;
                };
                let (deps, body, me) = (deps.clone(), body.clone(), me.clone());
                actix_rt::spawn(async move {
                    let sent = deps.delivery.platform.post(None, &url, body, PostPurpose::RealTime).await;
                    me.note(&url, sent, deps.clock.monotonic_ms());
                    drop(slot);
                });
            }
        });
    }

    fn note(&self, url: &Url, sent: Result<(), PlatformError>, now_ms: u64) {
        let Err(error) = sent else {
            count("ok");
            return self.pauses().accepted(url.as_str());
        };
        count("failed");
        let mut pauses = self.pauses();
        let pause_ms = match outcome_of(&error) {
            Outcome::Refused(_) => pauses.refused(url.as_str(), now_ms, rand::random()),
            Outcome::Accepted | Outcome::Failed(_) => pauses.failed(url.as_str(), now_ms, rand::random()),
        };
        drop(pauses);
        tracing::warn!(receiver = shown(url), %error, pause_ms, "real-time push failed; the event arrives as history");
    }

    fn pauses(&self) -> MutexGuard<'_, ReceiverPauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(result: &'static str) {
    metrics::counter!("menshen_reports_total", "report" => "realtime", "result" => result).increment(1);
}

/// Whether the match is too old to be pushed as live.
fn is_stale(deps: &ReporterDeps, message: &RecordPassage) -> bool {
    deps.clock.monotonic_ms().saturating_sub(message.decided_ms) > limits::REALTIME_TTL_MS
}

fn event_body(deps: &ReporterDeps, message: &RecordPassage) -> EventBody {
    let fresh = |name: &Option<String>| {
        let name = name.as_ref()?;
        let found = message.pictures.iter().find(|picture| &picture.name == name)?;
        Some(picture::encode(&found.jpeg))
    };
    let event = &message.event;
    let registry_photo = event.identity.as_ref().and_then(|identity| identity.registry_photo.clone());
    let pictures = EventPictures {
        reg_pic: registry_photo.and_then(|name| stored(deps, Namespace::Registry, &name)),
        spot_pic: fresh(&event.spot_pic),
        recognize_face: fresh(&event.face_pic),
    };
    EventBody::new(event, pictures, ReportKind::RealTime)
}

/// A stored picture as base64; `None` when it is gone, which for a deleted person's photo is right.
pub fn stored(deps: &ReporterDeps, namespace: Namespace, name: &str) -> Option<String> {
    match deps.storage.pictures.get(namespace, name) {
        Ok(found) => found.map(|bytes| picture::encode(&bytes)),
        Err(error) => {
            tracing::warn!(%error, "reading a picture failed, the report is sent without it");
            None
        }
    }
}
