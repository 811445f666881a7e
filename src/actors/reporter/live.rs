//! Messages of the live stream: every event as soon as it is known whose it is, strangers too, for clients that ask for its device.

use std::sync::Arc;

use super::deps::ReporterDeps;
use super::message::RecordPassage;
use super::realtime::{event_pictures, is_news, is_stale};
use crate::actors::blocking::spawn_blocking;
use crate::actors::live_stream::{LiveForm, LiveMessages, count};
use crate::actors::newest::NewestQueue;
use menshen_domain::limits;
use menshen_domain::report_options::Pictures;
use menshen_protocol::flat_event::device_id_of;
use menshen_protocol::live_event::LiveEventBody;

/// Events whose messages are to be made, in their order. Cloning shares it.
#[derive(Clone)]
pub struct Live(Arc<NewestQueue<RecordPassage>>);

impl Default for Live {
    fn default() -> Self {
        Self(Arc::new(NewestQueue::new(limits::STREAM_EVENTS_WAITING)))
    }
}

impl Live {
    /// Takes an event that was just stored, if a client asks for it; returns at once.
    pub fn offer(&self, deps: &ReporterDeps, message: &RecordPassage) {
        if !is_news(message, true) || deps.live.forms(&device_id_of(&message.event.device)).is_empty() {
            return;
        }
        if self.0.push(message.clone()).is_some() {
            count("dropped");
        }
    }

    /// Forgets what waits.
    pub fn forget(&self) {
        self.0.retain(|_| false);
    }

    /// Makes messages one after the other, so that their order is that of the events.
    pub async fn run(self, deps: ReporterDeps) {
        loop {
            let message = std::future::poll_fn(|context| self.0.poll_next(context)).await;
            if is_stale(&deps, &message) {
                count("stale");
                continue;
            }
            let made = {
                let deps = deps.clone();
                spawn_blocking(move || make(&deps, message)).await
            };
            match made {
                Ok(Ok(messages)) => deps.live.publish(&messages),
                Ok(Err(error)) => {
                    count("failed");
                    tracing::error!(%error, "a message of the live stream could not be written");
                }
                Err(_) => count("failed"),
            }
        }
    }
}

/// Each form once, however many clients ask for it.
fn make(deps: &ReporterDeps, message: RecordPassage) -> Result<LiveMessages, serde_json::Error> {
    let occlusion = deps.tuning.load().reports.occlusion;
    let write = |form: LiveForm| {
        // The scene is in no message: the configuration has no switch for it.
        let wanted = Pictures { reg_pic: form.register, spot_pic: false, recognize_face: form.face };
        let mut body = LiveEventBody::new(&message.event, event_pictures(deps, &message, wanted));
        body.event.ext_data.box_fiqa_info.info.say_occlusion(occlusion);
        Ok((form, serde_json::to_vec(&body)?.into()))
    };
    let forms = deps.live.forms(&device_id_of(&message.event.device));
    let forms = forms.into_iter().map(write).collect::<Result<_, serde_json::Error>>()?;
    Ok(LiveMessages { event: Arc::new(message.event), forms })
}
