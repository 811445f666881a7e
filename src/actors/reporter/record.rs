//! Making an event durable: pictures, then the row, and only then it is reported.
//!
//! What cannot be stored, on a full disk most of all, waits in memory in its order and is tried again. Matches are
//! pushed in real time all the same: a door should not stay shut because a disk is full.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

use super::deps::{ReporterDeps, WaitingEvent};
use super::message::{EventPicture, PassageStage, RecordPassage};
use crate::actors::blocking::run_blocking;
use crate::ports::store::{Fate, Namespace, NewPicture, Owner, Retention, StoreError, Trimmed};
use crate::telemetry::log_line::log_name;
use menshen_domain::event::EventRecord;
use menshen_domain::limits;

/// Stores an event, behind those that wait; blocks on the disk.
pub fn keep_blocking(deps: &ReporterDeps, message: RecordPassage) {
    let mut waiting = deps.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.push_back(WaitingEvent { message, tries: 0 });
    flush(deps, &mut waiting);
    while waiting.len() > limits::EVENTS_WAITING_MAX {
        if let Some(oldest) = waiting.pop_front() {
            lost(deps, &oldest.message, "too many wait for room on the disk");
        }
    }
    show(deps, waiting.len());
}

/// Tries again what waits, for as long as the reporter runs.
pub async fn retry(deps: ReporterDeps) {
    loop {
        tokio::time::sleep(Duration::from_millis(limits::EVENT_RETRY_MS)).await;
        let deps = deps.clone();
        let again = run_blocking(move || {
            let mut waiting = deps.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.is_empty() {
                flush(&deps, &mut waiting);
                show(&deps, waiting.len());
            }
            Ok(())
        });
        if let Err(refusal) = again.await {
            tracing::error!(%refusal, "storing waiting events failed");
        }
    }
}

/// The last try before the process ends.
pub fn keep_or_lose(deps: &ReporterDeps) {
    let mut waiting = deps.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    flush(deps, &mut waiting);
    for event in waiting.drain(..) {
        lost(deps, &event.message, "the box stops and it could not be stored");
    }
    show(deps, 0);
}

/// Waiting events are events too, and a wipe of events removes them.
pub fn forget(deps: &ReporterDeps) {
    deps.storage.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    show(deps, 0);
}

/// Stores from the front until one fails.
fn flush(deps: &ReporterDeps, waiting: &mut VecDeque<WaitingEvent>) {
    while let Some(first) = waiting.front_mut() {
        // Held until it is stored: an erasure that comes now finds it.
        let erased = deps.storage.erased.now();
        if erased.is_of_erased(&first.message.event) {
            if first.message.stage != PassageStage::Closed {
                metrics::counter!("menshen_events_erased_total").increment(1);
            }
            waiting.pop_front();
            continue;
        }
        erased.take_out_of(&mut first.message.event);
        match store_making_room(deps, &first.message) {
            Ok(()) => {}
            Err(error) => {
                metrics::counter!("menshen_store_errors_total").increment(1);
                if !matches!(error, StoreError::DiskFull { .. }) {
                    first.tries += 1;
                }
                let event = &first.message.event.event_id;
                tracing::warn!(%error, event, tries = first.tries, "storing an event failed, it waits in memory");
                if first.tries < limits::EVENT_STORE_TRIES {
                    return;
                }
                lost(deps, &first.message, "it could not be stored again and again");
            }
        }
        waiting.pop_front();
    }
}

fn lost(deps: &ReporterDeps, message: &RecordPassage, reason: &str) {
    metrics::counter!("menshen_events_lost_total").increment(1);
    deps.storage.status.change(|facts| facts.events_lost += 1);
    tracing::error!(event = %message.event.event_id, reason, "EVENT LOST");
}

fn show(deps: &ReporterDeps, waiting: usize) {
    metrics::gauge!("menshen_events_waiting").set(waiting as f64);
    deps.storage.status.change(|facts| facts.events_waiting = waiting as u64);
}

/// On a full disk, events that every receiver has are deleted for one that no receiver has.
fn store_making_room(deps: &ReporterDeps, message: &RecordPassage) -> Result<(), StoreError> {
    match try_store(deps, message) {
        Err(StoreError::DiskFull { path }) => {
            let stored = deps.storage.events.counts()?.stored;
            let keep_events = stored.saturating_sub(limits::MAKE_ROOM_EVENTS);
            let room = Retention { keep_events, only_sent: true, ..retention(deps)? };
            let trimmed = deps.storage.events.trim(&room)?;
            if trimmed.removed == 0 {
                return Err(StoreError::DiskFull { path });
            }
            tracing::warn!(removed = trimmed.removed, "old events were deleted to make room on a full disk");
            remove_pictures(deps, &trimmed);
            try_store(deps, message)
        }
        other => other,
    }
}

fn try_store(deps: &ReporterDeps, message: &RecordPassage) -> Result<(), StoreError> {
    let event = &message.event;
    let pictures: Vec<_> = message
        .pictures
        .iter()
        .map(|EventPicture { name, jpeg }| NewPicture { name, bytes: jpeg, owner: Owner::Event(event) })
        .collect();
    deps.storage.pictures.put(&pictures)?;
    let bytes = pictures.iter().map(|picture| picture.bytes.len() as u64).sum();
    let kind = if event.is_stranger() { "stranger" } else { "match" };
    match message.stage {
        PassageStage::Open => deps.storage.events.put_open(event, bytes)?,
        PassageStage::Closed | PassageStage::Whole => {
            let closed = deps.storage.events.close(event, bytes, &retention(deps)?)?;
            metrics::counter!("menshen_events_total", "kind" => kind).increment(1);
            tidy(deps, &closed.trimmed)?;
        }
    }
    deps.clock_status.event_at(event.timestamp_ms);
    // One log line each: a recognised person's at once, a stranger's at the passage's end.
    let logged_at = if event.is_stranger() { PassageStage::Closed } else { PassageStage::Open };
    if message.stage == logged_at || message.stage == PassageStage::Whole {
        tracing::info!(
            event = %event.event_id,
            device = %event.device.ip,
            person = event.identity.as_ref().map_or_else(|| "stranger".to_owned(), |identity| log_name(&identity.id)),
            score = event.score,
            face_px = event.quality.face_size_px,
            "passage recorded"
        );
    }
    Ok(())
}

/// The limits, and who must have an event before it counts as sent: those the platform names and those named in the
/// field. Before the first login of all they are unknown, and nothing counts as sent.
/// Those that have to get an event before it counts as sent.
pub(super) fn receivers_to_wait_for(deps: &ReporterDeps) -> Result<Vec<String>, StoreError> {
    let mut receivers: Vec<String> = deps.receivers().iter().map(ToString::to_string).collect();
    if deps.delivery.sessions.current().is_none() {
        receivers.extend(deps.storage.events.receivers()?);
        if receivers.is_empty() && deps.config.has_platform {
            receivers.push("not known yet".to_owned());
        }
    }
    Ok(receivers)
}

fn retention(deps: &ReporterDeps) -> Result<Retention, StoreError> {
    let receivers = receivers_to_wait_for(deps)?;
    let (keep_events, keep_bytes) = (deps.config.keep_max, deps.config.keep_bytes);
    Ok(Retention { keep_events, keep_bytes, receivers, only_sent: false })
}

const MS_PER_DAY: u64 = 86_400_000;

/// Removes events that are older than they may be, for as long as the reporter runs.
pub async fn expire(deps: ReporterDeps, keep_days: u64) {
    loop {
        let deps = deps.clone();
        if let Err(refusal) = run_blocking(move || expire_now(&deps, keep_days)).await {
            tracing::error!(%refusal, "removing old events failed");
        }
        tokio::time::sleep(Duration::from_millis(limits::EXPIRY_PERIOD_MS)).await;
    }
}

fn expire_now(deps: &ReporterDeps, keep_days: u64) -> Result<(), StoreError> {
    let oldest_ms = deps.clock.wall_ms().saturating_sub(keep_days * MS_PER_DAY);
    let receivers = retention(deps)?.receivers;
    let mut is_any = false;
    deps.storage.events.for_each(&receivers, &mut |event, _| is_any |= event.out_timestamp_ms < oldest_ms)?;
    if !is_any {
        return Ok(());
    }
    let fate = |event: &EventRecord| {
        if event.out_timestamp_ms < oldest_ms { Fate::Remove } else { Fate::Keep }
    };
    let changed = deps.storage.events.decide(&receivers, &fate)?;
    let pictures = changed.removed.iter().flat_map(EventRecord::pictures).map(str::to_owned).collect();
    let removed = changed.removed.len() as u64;
    tracing::info!(removed, keep_days, "events older than events.keep_days were removed");
    tidy(deps, &Trimmed { pictures, removed, unsent_removed: changed.removed_unsent })
}

/// Shows how much is kept and finishes what the limits removed; a loss is logged as an error.
fn tidy(deps: &ReporterDeps, trimmed: &Trimmed) -> Result<(), StoreError> {
    let counts = deps.storage.events.counts()?;
    metrics::gauge!("menshen_events_stored").set(counts.stored as f64);
    metrics::gauge!("menshen_events_stored_bytes").set(counts.stored_bytes as f64);
    if trimmed.unsent_removed > 0 {
        metrics::counter!("menshen_events_dropped_unsent_total").increment(trimmed.unsent_removed);
        tracing::error!(
            unsent_removed = trimmed.unsent_removed,
            keep_max = deps.config.keep_max,
            keep_bytes = deps.config.keep_bytes,
            keep_days = deps.config.keep_days,
            "EVENTS LOST: a limit was reached before they could be uploaded"
        );
    }
    remove_pictures(deps, trimmed);
    Ok(())
}

fn remove_pictures(deps: &ReporterDeps, trimmed: &Trimmed) {
    for name in &trimmed.pictures {
        if let Err(error) = deps.storage.pictures.remove(Namespace::Events, name) {
            tracing::warn!(%error, "deleting an old picture failed; the sweep at start takes it");
        }
    }
}
