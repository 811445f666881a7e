//! What is done at start, before anything runs: finish what a crash left half done, fill the gallery.

use std::collections::BTreeSet;

use crate::core::gallery::{Gallery, GalleryError};
use crate::ports::store::{EventStore, PictureStore, RegistryStore, Shelf, StoreError};

/// Passages that were open when the process ended become history as they were last known, and pictures no
/// row refers to are deleted.
pub fn recover_events(events: &dyn EventStore, pictures: &dyn PictureStore) -> Result<(), StoreError> {
    let open = events.open_events()?;
    for event in &open {
        events.close(event)?;
    }
    let in_use = events.pictures()?;
    let orphans = pictures.sweep(Shelf::Events, &|name| in_use.contains(name))?;
    let counts = events.counts()?;
    tracing::info!(
        stored = counts.stored,
        closed_after_crash = open.len(),
        orphan_pictures = orphans,
        "events"
    );
    Ok(())
}

/// Fills an empty gallery from the registry. Features of another model stay on disk and are counted.
pub fn fill_gallery(
    registry: &dyn RegistryStore,
    pictures: &dyn PictureStore,
    mut gallery: Gallery,
) -> Result<Gallery, StoreError> {
    let model = gallery.model().to_owned();
    let mut photos = BTreeSet::new();
    let (mut other_model, mut unfit) = (0u64, 0u64);
    registry.for_each(&mut |person| {
        photos.extend(person.features.iter().map(|feature| feature.photo.clone()));
        match gallery.put(&person) {
            Ok(()) => {}
            Err(GalleryError::OtherModel { .. }) => other_model += 1,
            Err(error) => {
                unfit += 1;
                tracing::error!(person = %person.id, %error, "not searchable");
            }
        }
    })?;
    let orphans = pictures.sweep(Shelf::Registry, &|name| photos.contains(name))?;
    metrics::gauge!("menshen_registry_people").set(gallery.people() as f64);
    metrics::gauge!("menshen_registry_features").set(gallery.features() as f64);
    tracing::info!(
        people = gallery.people(),
        features = gallery.features(),
        unfit,
        orphan_photos = orphans,
        model,
        "registry"
    );
    if other_model > 0 {
        tracing::warn!(
            people = other_model,
            model,
            "people have features of another model and are not recognised until they are enrolled again"
        );
    }
    Ok(gallery)
}
