//! History reports: every event to every receiver, in order, one event a POST, with a persisted cursor.
//!
//! Each receiver has its own task, so that one that is down holds nobody else up. The cursor moves only when
//! the receiver has answered 200, and the move is on disk before the next event is sent: a crash repeats at
//! most one event, which receivers recognise by its `event_id`.

use std::time::Duration;

use tokio::sync::watch;
use url::Url;

use super::realtime::stored;
use super::{ReporterParts, note_success};
use crate::actors::blocking::on_thread;
use crate::core::backoff::Backoff;
use crate::core::limits;
use crate::core::status::Refusal;
use crate::ports::platform::PostPurpose;
use crate::ports::store::{Shelf, StoredEvent};
use crate::wire::event::{EventBody, EventPictures, ReportKind};
use crate::wire::login::Session;

/// Sends history to one receiver until `stop` turns true.
pub async fn run(parts: ReporterParts, receiver: Url, mut stop: watch::Receiver<bool>) {
    let mut backoff = Backoff::new(limits::REPORT_BACKOFF_MS.0, limits::REPORT_BACKOFF_MS.1);
    loop {
        let wait = match cycle(&parts, &receiver, &stop).await {
            Ok(period) => {
                backoff.reset();
                period
            }
            Err(CycleError::Failed) => Duration::from_millis(backoff.next_ms(rand::random())),
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Why a cycle ended early; it has been logged.
enum CycleError {
    Failed,
}

impl From<Refusal> for CycleError {
    fn from(_: Refusal) -> Self {
        Self::Failed
    }
}

/// One cycle: what is new, at most [`limits::HISTORY_BATCH`]. Returns the wait until the next.
async fn cycle(
    parts: &ReporterParts,
    receiver: &Url,
    stop: &watch::Receiver<bool>,
) -> Result<Duration, CycleError> {
    let Some(session) = parts.session.load_full() else { return Ok(Duration::from_secs(1)) };
    let period = Duration::from_secs(session.record_upload_period_s);
    let key = receiver.to_string();
    let store = std::sync::Arc::clone(&parts.store);
    let batch = {
        let key = key.clone();
        on_thread(move || {
            let cursor = store.cursor(&key)?.unwrap_or(0);
            let batch = store.after(cursor, limits::HISTORY_BATCH)?;
            let counts = store.counts()?;
            Ok((batch, counts))
        })
        .await?
    };
    let (batch, counts) = batch;
    let first = batch.first();
    let depth = first.map_or(0, |event| {
        counts.newest_sequence.unwrap_or(event.sequence).saturating_sub(event.sequence) + 1
    });
    show_backlog(parts, &key, depth, first);
    for event in batch {
        if *stop.borrow() {
            return Ok(period);
        }
        send_one(parts, &session, receiver, &key, event).await?;
    }
    Ok(period)
}

fn show_backlog(parts: &ReporterParts, receiver: &str, depth: u64, first: Option<&StoredEvent>) {
    let age_ms = first.map_or(0, |event| parts.clock.wall_ms().saturating_sub(event.event.out_timestamp_ms));
    metrics::gauge!("menshen_outbox_depth", "receiver" => receiver.to_owned()).set(depth as f64);
    metrics::gauge!("menshen_outbox_oldest_age_seconds", "receiver" => receiver.to_owned())
        .set(age_ms as f64 / 1000.0);
}

async fn send_one(
    parts: &ReporterParts,
    session: &Session,
    receiver: &Url,
    key: &str,
    stored_event: StoredEvent,
) -> Result<(), CycleError> {
    let StoredEvent { sequence, event } = stored_event;
    let body = {
        let (parts, session) = (parts.clone(), session.clone());
        on_thread(move || {
            let read = |wanted: bool, shelf, name: &Option<String>| {
                name.as_ref().filter(|_| wanted).and_then(|name| stored(&parts, shelf, name))
            };
            let registry_photo = event.identity.as_ref().and_then(|who| who.registry_photo.clone());
            let pictures = EventPictures {
                reg_pic: read(session.upload_reg, Shelf::Registry, &registry_photo),
                spot_pic: read(session.upload_spot_pic, Shelf::Events, &event.spot_pic),
                recognize_face: read(session.upload_recognize_face, Shelf::Events, &event.face_pic),
            };
            let kind = ReportKind::History { dev_sno: &parts.config.dev_sno };
            Ok(serde_json::to_vec(&EventBody::new(&event, pictures, kind)).unwrap_or_default())
        })
        .await?
    };
    if let Err(error) = parts.platform.post(Some(session), receiver, body, PostPurpose::Report).await {
        parts.note_failure("history", &error);
        return Err(CycleError::Failed);
    }
    note_success("history");
    let (store, key) = (std::sync::Arc::clone(&parts.store), key.to_owned());
    on_thread(move || store.set_cursor(&key, sequence)).await?;
    Ok(())
}
