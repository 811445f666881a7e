//! Making an event durable: pictures, then the row, and only then anyone is told.
//!
//! What cannot be stored, on a full disk most of all, waits in memory in its order and is tried again. Matches are
//! told in real time all the same: a door should not stay shut because a disk is full.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use super::deps::{ReporterDeps, WaitingEvent};
use super::message::{EventPicture, PassageStage, RecordPassage};
use crate::actors::blocking::run_blocking;
use crate::ports::store::{Namespace, NewPicture, Owner, Retention, StoreError, Trimmed};
use menshen_domain::limits;

/// Stores an event, behind those that wait; blocks on the disk.
pub fn keep_blocking(parts: &ReporterDeps, message: RecordPassage) {
    let mut waiting = parts.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push_back(WaitingEvent { message, tries: 0 });
    flush(parts, &mut waiting);
    while waiting.len() > limits::EVENTS_WAITING_MAX {
        if let Some(oldest) = waiting.pop_front() {
            lost(parts, &oldest.message, "too many wait for room on the disk");
        }
    }
    show(parts, waiting.len());
}

/// Tries again what waits, for as long as the reporter runs.
pub async fn retry(parts: ReporterDeps) {
    loop {
        tokio::time::sleep(Duration::from_millis(limits::EVENT_RETRY_MS)).await;
        let parts = parts.clone();
        let again = run_blocking(move || {
            let mut waiting = parts.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.is_empty() {
                flush(&parts, &mut waiting);
                show(&parts, waiting.len());
            }
            Ok(())
        });
        if let Err(refusal) = again.await {
            tracing::error!(%refusal, "events that wait could not be tried again");
        }
    }
}

/// The last try before the process ends.
pub fn keep_or_lose(parts: &ReporterDeps) {
    let mut waiting = parts.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    flush(parts, &mut waiting);
    for event in waiting.drain(..) {
        lost(parts, &event.message, "the box stops and it could not be stored");
    }
    show(parts, 0);
}

/// Those that wait are events too, and a wipe of events takes them.
pub fn forget(parts: &ReporterDeps) {
    parts.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    show(parts, 0);
}

/// Stores from the front until one fails.
fn flush(parts: &ReporterDeps, waiting: &mut VecDeque<WaitingEvent>) {
    while let Some(first) = waiting.front_mut() {
        match store_making_room(parts, &first.message) {
            Ok(()) => {}
            Err(error) => {
                metrics::counter!("menshen_store_errors_total").increment(1);
                if !matches!(error, StoreError::DiskFull { .. }) {
                    first.tries += 1;
                }
                let event = &first.message.event.event_id;
                tracing::warn!(%error, event, tries = first.tries, "an event could not be stored, it waits in memory");
                if first.tries < limits::EVENT_STORE_TRIES {
                    return;
                }
                lost(parts, &first.message, "it could not be stored again and again");
            }
        }
        waiting.pop_front();
    }
}

fn lost(parts: &ReporterDeps, message: &RecordPassage, reason: &str) {
    metrics::counter!("menshen_events_lost_total").increment(1);
    parts.storage.status.change(|facts| facts.events_lost += 1);
    tracing::error!(event = %message.event.event_id, reason, "EVENT LOST");
}

fn show(parts: &ReporterDeps, waiting: usize) {
    metrics::gauge!("menshen_events_waiting").set(waiting as f64);
    parts.storage.status.change(|facts| facts.events_waiting = waiting as u64);
}

/// On a full disk, events that every receiver has make room for one that nobody has.
fn store_making_room(parts: &ReporterDeps, message: &RecordPassage) -> Result<(), StoreError> {
    match try_store(parts, message) {
        Err(StoreError::DiskFull { path }) => {
            let stored = parts.storage.events.counts()?.stored;
            let keep_events = stored.saturating_sub(limits::MAKE_ROOM_EVENTS);
            let room = Retention { keep_events, only_sent: true, ..retention(parts)? };
            let trimmed = parts.storage.events.trim(&room)?;
            if trimmed.removed == 0 {
                return Err(StoreError::DiskFull { path });
            }
            tracing::warn!(removed = trimmed.removed, "old events went to make room on a full disk");
            remove_pictures(parts, &trimmed);
            try_store(parts, message)
        }
        other => other,
    }
}

fn try_store(parts: &ReporterDeps, message: &RecordPassage) -> Result<(), StoreError> {
    let event = &message.event;
    let pictures: Vec<_> = message
        .pictures
        .iter()
        .map(|EventPicture { name, jpeg }| NewPicture { name, bytes: jpeg, owner: Owner::Event(event) })
        .collect();
    parts.storage.pictures.put(&pictures)?;
    let bytes = pictures.iter().map(|picture| picture.bytes.len() as u64).sum();
    let kind = if event.is_stranger() { "stranger" } else { "match" };
    match message.stage {
        PassageStage::Open => parts.storage.events.put_open(event, bytes)?,
        PassageStage::Closed | PassageStage::Whole => {
            let closed = parts.storage.events.close(event, bytes, &retention(parts)?)?;
            metrics::counter!("menshen_events_total", "kind" => kind).increment(1);
            tidy(parts, &closed.trimmed)?;
        }
    }
    // A recognised person is told at once, a stranger at the passage's end: one line each.
    let told_at = if event.is_stranger() { PassageStage::Closed } else { PassageStage::Open };
    if message.stage == told_at || message.stage == PassageStage::Whole {
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

/// The limits, and who must have an event before it counts as sent: those the platform names and those named in the
/// field. Before the first login of all nobody knows them, and nothing counts as sent.
fn retention(parts: &ReporterDeps) -> Result<Retention, StoreError> {
    let mut receivers: Vec<String> = parts.receivers().iter().map(ToString::to_string).collect();
    if parts.delivery.sessions.current().is_none() {
        receivers.extend(parts.storage.events.receivers()?);
        if receivers.is_empty() && parts.config.has_platform {
            receivers.push("not known yet".to_owned());
        }
    }
    let (keep_events, keep_bytes) = (parts.config.keep_max, parts.config.keep_bytes);
    Ok(Retention { keep_events, keep_bytes, receivers, only_sent: false })
}

/// Shows how much is kept and finishes what the limits removed; a loss is shouted about.
fn tidy(parts: &ReporterDeps, trimmed: &Trimmed) -> Result<(), StoreError> {
    let counts = parts.storage.events.counts()?;
    metrics::gauge!("menshen_events_stored").set(counts.stored as f64);
    metrics::gauge!("menshen_events_stored_bytes").set(counts.stored_bytes as f64);
    if trimmed.unsent_removed > 0 {
        metrics::counter!("menshen_events_dropped_unsent_total").increment(trimmed.unsent_removed);
        tracing::error!(
            unsent_removed = trimmed.unsent_removed,
            keep_max = parts.config.keep_max,
            keep_bytes = parts.config.keep_bytes,
            "EVENTS LOST: a limit was reached before they could be uploaded"
        );
    }
    remove_pictures(parts, trimmed);
    Ok(())
}

fn remove_pictures(parts: &ReporterDeps, trimmed: &Trimmed) {
    for name in &trimmed.pictures {
        if let Err(error) = parts.storage.pictures.remove(Namespace::Events, name) {
            tracing::warn!(%error, "an old picture could not be deleted; the sweep at start takes it");
        }
    }
}
