//! Making an event durable: pictures, then the row, and only then anyone is told.

use super::ReporterParts;
use super::message::{EventPicture, PassageStage, RecordPassage};
use crate::core::limits;
use crate::core::status::{Refusal, StatusCode};
use crate::ports::store::{Shelf, StoreError, Trimmed};

/// Stores an event; blocks on the disk. Tries again a few times, since a full disk may be emptied meanwhile.
pub fn store_blocking(parts: &ReporterParts, message: &RecordPassage) -> Result<(), Refusal> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_store(parts, message) {
            Ok(()) => return Ok(()),
            Err(error) if tries < limits::EVENT_STORE_TRIES => {
                tracing::warn!(%error, tries, "an event could not be stored, trying again");
                std::thread::sleep(std::time::Duration::from_millis(200 * u64::from(tries)));
            }
            Err(error) => return Err(Refusal::new(StatusCode::ServerProcessFailed, error.to_string())),
        }
    }
}

fn try_store(parts: &ReporterParts, message: &RecordPassage) -> Result<(), StoreError> {
    for EventPicture { name, jpeg } in &message.pictures {
        parts.pictures.put(Shelf::Events, name, jpeg)?;
    }
    match message.stage {
        PassageStage::Open => parts.store.put_open(&message.event)?,
        PassageStage::Closed => {
            parts.store.close(&message.event)?;
            trim(parts)?;
        }
    }
    let event = &message.event;
    let kind = if event.is_stranger() { "stranger" } else { "match" };
    if message.stage == PassageStage::Closed {
        metrics::counter!("menshen_events_total", "kind" => kind).increment(1);
    }
    // A recognised person is told at once, a stranger at the passage's end: one line each.
    let told_at = if event.is_stranger() { PassageStage::Closed } else { PassageStage::Open };
    if message.stage == told_at {
        tracing::info!(
            event = %event.event_id,
            device = %event.device.ep_id,
            person = event.identity.as_ref().map_or("stranger", |identity| identity.id.as_str()),
            score = event.score,
            face_px = event.quality.face_size_px,
            "passage"
        );
    }
    Ok(())
}

/// Keeps the number of events within its limit; a loss is shouted about.
fn trim(parts: &ReporterParts) -> Result<(), StoreError> {
    let counts = parts.store.counts()?;
    metrics::gauge!("menshen_events_stored").set(counts.stored as f64);
    if counts.stored <= parts.config.keep_max {
        return Ok(());
    }
    let receivers = match parts.session.load_full() {
        Some(_) => parts.receivers().iter().map(ToString::to_string).collect(),
        None => parts.store.receivers()?,
    };
    let Trimmed { pictures, removed, unsent_removed } =
        parts.store.trim(parts.config.keep_max, &receivers)?;
    if unsent_removed > 0 {
        metrics::counter!("menshen_events_dropped_unsent_total").increment(unsent_removed);
        tracing::error!(
            unsent_removed,
            keep_max = parts.config.keep_max,
            "EVENTS LOST: the limit was reached before they could be uploaded"
        );
    }
    tracing::debug!(removed, "old events removed");
    for name in pictures {
        if let Err(error) = parts.pictures.remove(Shelf::Events, &name) {
            tracing::warn!(%error, "an old picture could not be deleted; the sweep at start takes it");
        }
    }
    Ok(())
}
