//! What is done at start, before anything runs: finish what a crash left half done, rebuild what was damaged, fill
//! the gallery.

use std::collections::{BTreeMap, BTreeSet};

use crate::actors::wipe;
use crate::adapters::store::DatabaseState;
use crate::ports::store::{
    EventStore, Keys, Namespace, PictureStore, RegistryStore, RestoredEvent, Retention, StoreError,
};
use crate::status::storage::StorageStatus;
use crate::telemetry::log_line::log_name;
use menshen_domain::event::EventRecord;
use menshen_domain::limits;
use menshen_domain::person::Person;
use menshen_domain::validity::Validity;
use menshen_gallery::{Gallery, GalleryError};

/// A wipe that a crash cut short is finished before anything of it is read.
pub fn finish_wipes(
    keys: &dyn Keys,
    registry: &dyn RegistryStore,
    events: &dyn EventStore,
    pictures: &dyn PictureStore,
) -> Result<(), StoreError> {
    if keys.is_wipe_unfinished(Namespace::Registry) {
        let people = wipe::finish_people(keys, registry, pictures)?;
        tracing::warn!(people, "an interrupted wipe of people was finished");
    }
    if keys.is_wipe_unfinished(Namespace::Events) {
        let events = wipe::finish_events(keys, events, pictures)?;
        tracing::warn!(events, "an interrupted wipe of events was finished");
    }
    Ok(())
}

/// Reports what was damaged and what came back, in the log and in the health report.
fn report_damage(
    status: &StorageStatus,
    file: &str,
    found: &DatabaseState,
    unreadable: u64,
    rebuilt: usize,
    what: &str,
) {
    let story = match found {
        DatabaseState::SetAside { to, reason } => {
            let name = to.file_name().unwrap_or_default().to_string_lossy();
            format!(
                "{file} was damaged ({reason}) and set aside as {name}; {rebuilt} {what} rebuilt from pictures"
            )
        }
        DatabaseState::Missing if rebuilt > 0 => {
            format!("{file} was missing; {rebuilt} {what} rebuilt from pictures")
        }
        DatabaseState::Whole if unreadable > 0 => {
            format!("{file} held {unreadable} unreadable records; {rebuilt} {what} rebuilt from pictures")
        }
        _ => return,
    };
    tracing::error!(rebuilt, unreadable, "DAMAGE: {story}");
    status.change(|facts| facts.set_aside.push(story));
}

/// Passages that were open when the process ended become history as they were last known, lost events come back from
/// their pictures, and pictures no row refers to are deleted.
pub fn recover_events(
    events: &dyn EventStore,
    pictures: &dyn PictureStore,
    found: &DatabaseState,
    status: &StorageStatus,
) -> Result<(), StoreError> {
    let open = events.open_events()?;
    for event in &open {
        match events.close(event, 0, &Retention::EVERYTHING) {
            // Stays open until a start finds room; a full disk must not keep the box from starting.
            Err(error @ StoreError::DiskFull { .. }) => {
                tracing::error!(%error, "an event could not be closed and stays open");
            }
            other => drop(other?),
        }
    }
    let unreadable = events.remove_unreadable()?;
    if unreadable > 0 || *found != DatabaseState::Whole {
        let rebuilt = rebuild_events(events, pictures)?;
        events.mark_complete()?;
        report_damage(status, "events.redb", found, unreadable, rebuilt, "events");
    }
    let in_use = events.pictures()?;
    let orphans = pictures.sweep(Namespace::Events, &|name| in_use.contains(name))?;
    let counts = events.counts()?;
    tracing::info!(
        stored = counts.stored,
        bytes = counts.stored_bytes,
        closed_after_crash = open.len(),
        orphan_pictures = orphans,
        "events were read"
    );
    Ok(())
}

/// They go to every receiver again, which knows them by their `event_id`.
fn rebuild_events(events: &dyn EventStore, pictures: &dyn PictureStore) -> Result<usize, StoreError> {
    let mut lost: BTreeMap<String, RestoredEvent> = BTreeMap::new();
    pictures.events(&mut |event: EventRecord, bytes| {
        match lost.get_mut(&event.event_id) {
            // Its other picture; the later of two records is the truer one.
            Some(known) => {
                known.picture_bytes += bytes;
                if event.out_timestamp_ms > known.event.out_timestamp_ms {
                    known.event = event;
                }
            }
            None => {
                lost.insert(event.event_id.clone(), RestoredEvent { event, picture_bytes: bytes });
            }
        }
    })?;
    let mut missing = Vec::new();
    for (id, restored) in lost {
        if !events.has(&id)? {
            missing.push(restored);
        }
    }
    missing.sort_by(|a, b| {
        (a.event.out_timestamp_ms, &a.event.event_id).cmp(&(b.event.out_timestamp_ms, &b.event.event_id))
    });
    for chunk in missing.chunks(limits::REBUILD_CHUNK) {
        events.restore(chunk)?;
    }
    Ok(missing.len())
}

/// The gallery of a start.
pub struct Filled {
    pub gallery: Gallery,
    /// People who have features of other models only: not recognised until their photos are embedded again.
    pub other_model: u64,
}

/// Fills an empty gallery from the registry. Features of another model stay on disk.
pub fn fill_gallery(
    registry: &dyn RegistryStore,
    pictures: &dyn PictureStore,
    found: &DatabaseState,
    status: &StorageStatus,
    mut gallery: Gallery,
) -> Result<Filled, StoreError> {
    let model = gallery.model().to_owned();
    let mut photos = BTreeSet::new();
    let (mut other_model, mut unfit, mut unreadable_limits) = (0u64, 0u64, 0u64);
    let mut add = |person: Person| {
        photos.extend(person.features.iter().map(|feature| feature.photo.clone()));
        unreadable_limits += u64::from(Validity::of(&person.info).is_err());
        match gallery.put(&person) {
            Ok(()) => {}
            Err(GalleryError::OtherModel { .. }) => other_model += 1,
            Err(error) => {
                unfit += 1;
                tracing::error!(person = log_name(&person.id), %error, "a person's features cannot be searched");
            }
        }
    };
    let unreadable = registry.for_each(&mut add)?;
    if unreadable > 0 || *found != DatabaseState::Whole {
        let rebuilt = rebuild_people(registry, pictures, *found != DatabaseState::Whole)?;
        registry.set_aside_unreadable()?;
        registry.mark_complete()?;
        report_damage(status, "registry.redb", found, unreadable, rebuilt.len(), "people");
        rebuilt.into_iter().for_each(&mut add);
    }
    let orphans = pictures.sweep(Namespace::Registry, &|name| photos.contains(name))?;
    metrics::gauge!("menshen_registry_people").set(gallery.people() as f64);
    metrics::gauge!("menshen_registry_features").set(gallery.features() as f64);
    tracing::info!(
        people = gallery.people(),
        features = gallery.features(),
        unfit,
        orphan_photos = orphans,
        model,
        "the registry was read"
    );
    if unreadable_limits > 0 {
        tracing::warn!(
            people = unreadable_limits,
            "people have a start_time or end_time that cannot be read; they are not recognised until they are enrolled \
             with one that can"
        );
    }
    if other_model > 0 {
        tracing::warn!(
            people = other_model,
            model,
            "people have features of another model only; they are not recognised until their photos are embedded again"
        );
    }
    Ok(Filled { gallery, other_model })
}

/// People as their photos have them. Where the registry as a whole is there, only those whose own record cannot be
/// read: a photo that was left behind must not bring a deleted person back.
fn rebuild_people(
    registry: &dyn RegistryStore,
    pictures: &dyn PictureStore,
    everyone: bool,
) -> Result<Vec<Person>, StoreError> {
    let mut newest: BTreeMap<String, Person> = BTreeMap::new();
    pictures.people(&mut |person| {
        if newest.get(&person.id).is_none_or(|known| known.updated_at_ms <= person.updated_at_ms) {
            newest.insert(person.id.clone(), person);
        }
    })?;
    let mut people = Vec::new();
    for (id, person) in newest {
        let is_lost = if everyone { registry.get(&id)?.is_none() } else { registry.is_unreadable(&id)? };
        if is_lost {
            people.push(person);
        }
    }
    for chunk in people.chunks(limits::REBUILD_CHUNK) {
        registry.put(chunk)?;
    }
    Ok(people)
}

#[cfg(test)]
#[path = "recover_tests.rs"]
mod tests;
