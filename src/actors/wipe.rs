//! Removes what was sealed with a destroyed key. A wipe begins it; the next start finishes it if a crash came between.

use crate::ports::store::{EventStore, Keys, Namespace, PictureStore, RegistryStore, StoreError};

/// Returns how many people were removed.
///
/// # Errors
/// A store cannot be changed; the next start tries again.
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
///
/// # Errors
/// A store cannot be changed; the next start tries again.
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
