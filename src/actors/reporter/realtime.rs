//! Real-time pushes: matches, as soon as they are durable, fire and forget; strangers too where event servers want them.
//! Always in the nested form, whatever the dialect.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use url::Url;

use super::deps::ReporterDeps;
use super::outcome::{Outcome, outcome_of};
use super::parts::{stored, write};
use crate::actors::blocking::spawn_blocking;
use crate::actors::reporter::message::{PassageStage, RecordPassage};
use crate::ports::platform::{PlatformError, PostPurpose};
use crate::ports::store::Namespace;
use menshen_domain::history::shown;
use menshen_domain::limits;
use menshen_domain::receiver_pause::ReceiverPauses;
use menshen_domain::report_options::Pictures;
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
        let tuning = deps.tuning.load_full();
        let (mut urls, options) = (tuning.realtime_urls.clone(), tuning.reports.realtime);
        if urls.is_empty() || !is_news(&message, options.all_person_types) {
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
                let work = move || {
                    let body = event_body(&deps, &message, options.pictures);
                    write(&body, options.send_as).map(|body| (body, message))
                };
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

/// A match is news when it is made, a stranger when the passage is over: before that nobody knows who it is.
pub(super) fn is_news(message: &RecordPassage, strangers_too: bool) -> bool {
    if message.event.is_stranger() {
        strangers_too && message.stage != PassageStage::Open
    } else {
        message.stage != PassageStage::Closed
    }
}

fn count(result: &'static str) {
    metrics::counter!("menshen_reports_total", "report" => "realtime", "result" => result).increment(1);
}

/// Whether the match is too old to be pushed as live.
pub(super) fn is_stale(deps: &ReporterDeps, message: &RecordPassage) -> bool {
    deps.clock.monotonic_ms().saturating_sub(message.decided_ms) > limits::REALTIME_TTL_MS
}

/// The pictures of an event that has just been stored.
pub(super) fn event_pictures(
    deps: &ReporterDeps,
    message: &RecordPassage,
    wanted: Pictures,
) -> EventPictures {
    let picture = |is_wanted: bool, name: &Option<String>| {
        let name = name.as_ref().filter(|_| is_wanted)?;
        match message.pictures.iter().find(|picture| &picture.name == name) {
            Some(fresh) => Some(picture::encode(&fresh.jpeg)),
            // At the end of a passage that was told of before, those stored then are still right.
            None if message.stage == PassageStage::Closed => stored(deps, Namespace::Events, name),
            None => None,
        }
    };
    let event = &message.event;
    let registry_photo = event.identity.as_ref().and_then(|identity| identity.registry_photo.clone());
    let registry_photo = registry_photo.filter(|_| wanted.reg_pic);
    EventPictures {
        reg_pic: registry_photo.and_then(|name| stored(deps, Namespace::Registry, &name)),
        spot_pic: picture(wanted.spot_pic, &event.spot_pic),
        recognize_face: picture(wanted.recognize_face, &event.face_pic),
    }
}

fn event_body(deps: &ReporterDeps, message: &RecordPassage, wanted: Pictures) -> EventBody {
    let pictures = event_pictures(deps, message, wanted);
    let mut body = EventBody::new(&message.event, pictures, ReportKind::RealTime);
    body.ext_data.box_fiqa_info.info.say_occlusion(deps.tuning.load().reports.occlusion);
    body
}
