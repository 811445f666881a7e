//! Removing what a destroyed key had sealed. Begun by a wipe, and finished at the next start if a crash came between.

use crate::ports::store::{EventStore, Keys, Namespace, PictureStore, RegistryStore, StoreError};

/// Returns how many people were removed.
pub fn finish_people(
    keys: &dyn Keys,
    registry: &dyn RegistryStore,
    pictures: &dyn PictureStore,
) -> Result<u64, StoreError> {
    let count = registry.remove_wiped()?;
    pictures.remove_wiped(Namespace::Registry)?;
    keys.finish_wipe(Namespace::Registry)?;
    Ok(count)
}

/// Returns how many events were removed.
pub fn finish_events(
    keys: &dyn Keys,
    events: &dyn EventStore,
    pictures: &dyn PictureStore,
) -> Result<u64, StoreError> {
    let count = events.remove_wiped()?;
    pictures.remove_wiped(Namespace::Events)?;
    keys.finish_wipe(Namespace::Events)?;
    Ok(count)
}
