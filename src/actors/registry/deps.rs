//! What the registry works with, and what its files have in common.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::actors::face_engine::FaceEngineActor;
use crate::actors::handle::Handle;
use crate::actors::recogniser::ActiveRecogniser;
use crate::actors::session::SessionKeeper;
use crate::actors::tuning::{SharedTuning, Tuner};
use crate::ports::clock::Clock;
use crate::ports::platform::PlatformApi;
use crate::ports::store::{Keys, Namespace, PictureStore, RegistryStore};
use crate::status::models::ModelStatus;

use menshen_domain::person::Person;
use menshen_domain::quality::QualityLimits;
use menshen_models::ModelSet;
use menshen_vision::inference::InferenceLoader;

/// What enrolment works with. Cloning shares everything.
#[derive(Clone)]
pub struct RegistryDeps {
    pub store: Arc<dyn RegistryStore>,
    pub pictures: Arc<dyn PictureStore>,
    pub keys: Arc<dyn Keys>,
    /// The active model with its gallery.
    pub recogniser: ActiveRecogniser,
    /// The match threshold as it is tuned.
    pub tuning: SharedTuning,
    pub swap: SwapDeps,
    pub platform: Arc<dyn PlatformApi>,
    pub engine: Handle<FaceEngineActor>,
    pub clock: Arc<dyn Clock>,
    pub sessions: SessionKeeper,
    /// Level `custom`, which a stranger's photo must pass (`register_type` 2).
    pub custom_level: QualityLimits,
    /// Strangers the box enrols by itself; the oldest go first.
    pub strangers_max: usize,
    /// Held while files, rows and gallery change together.
    pub committing: Arc<Mutex<()>>,
}

impl RegistryDeps {
    pub fn committing(&self) -> MutexGuard<'_, ()> {
        self.committing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error of the model catalogue, which these actors do not know.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Finds an embedder by name and checks what can be checked without running it.
pub type PickModels = Arc<dyn Fn(&str) -> Result<ModelSet, BoxError> + Send + Sync>;

/// What a swap of the embedder works with. Cloning shares everything.
#[derive(Clone)]
pub struct SwapDeps {
    pub status: Arc<ModelStatus>,
    pub loader: Arc<dyn InferenceLoader>,
    pub pick: PickModels,
    pub tuner: Tuner,
    /// Threads that embed.
    pub threads: usize,
    /// Someone has no feature of the active model: missing features are computed once the registry runs.
    pub missing: Arc<AtomicBool>,
    /// The box is shutting down.
    pub stop: Arc<AtomicBool>,
}

/// Puts the size of the gallery into the metrics.
pub fn report_size(recogniser: &ActiveRecogniser) {
    let recogniser = recogniser.get();
    let gallery = recogniser.read();
    metrics::gauge!("menshen_registry_people").set(gallery.people() as f64);
    metrics::gauge!("menshen_registry_features").set(gallery.features() as f64);
}

/// Deletes the photos of replaced or deleted records that no new record uses.
pub fn remove_photos(pictures: &dyn PictureStore, gone: &[Person], kept: &[Person]) {
    let in_use: BTreeSet<_> =
        kept.iter().flat_map(|person| &person.features).map(|feature| feature.photo.as_str()).collect();
    for feature in gone.iter().flat_map(|person| &person.features) {
        if !in_use.contains(feature.photo.as_str())
            && let Err(error) = pictures.remove(Namespace::Registry, &feature.photo)
        {
            // The sweep at the next start takes it.
            tracing::warn!(%error, "deleting an old registry photo failed");
        }
    }
}
