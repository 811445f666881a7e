//! What recognises: an embedder, the gallery of its features, and its calibration. They are one thing, since nothing
//! of one model means anything to another, and are swapped as one.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;

use menshen_domain::score::{Scale, ScoreMap};
use menshen_domain::tuning::Tuning;
use menshen_gallery::Gallery;
use menshen_vision::analyzer::ModelSet;
use menshen_vision::inference::InferenceLoader;
use menshen_vision::{FaceAnalyzer, VisionError};

pub struct Recogniser {
    models: ModelSet,
    id: String,
    /// Writers hold it for microseconds; a panic while holding it leaves the gallery usable.
    gallery: RwLock<Gallery>,
    /// Loaded and tried, so that workers change over without a pause.
    spare: Mutex<Vec<FaceAnalyzer>>,
}

impl Recogniser {
    pub fn new(models: ModelSet, gallery: Gallery, spare: Vec<FaceAnalyzer>) -> Self {
        let id = models.embedder_id();
        Self { models, id, gallery: RwLock::new(gallery), spare: Mutex::new(spare) }
    }

    /// Label of the features it knows.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The embedder's name in the catalogue.
    pub fn name(&self) -> &str {
        self.models.embedder_name()
    }

    pub fn models(&self) -> &ModelSet {
        &self.models
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Gallery> {
        self.gallery.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Gallery> {
        self.gallery.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The models for one worker.
    pub fn analyzer(&self, loader: &dyn InferenceLoader) -> Result<FaceAnalyzer, VisionError> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.map_or_else(|| self.models.load(loader), Ok)
    }

    pub fn scale(&self) -> Scale {
        self.models.scale()
    }

    /// The score scale as it is tuned now.
    pub fn score_map(&self, tuning: &Tuning) -> ScoreMap {
        self.scale().map(tuning.range)
    }

    /// The raw similarity at the pass mark as it is tuned now. A threshold somebody set on the score scale means the same
    /// for every model.
    pub fn similarity_pass(&self, tuning: &Tuning) -> f32 {
        self.score_map(tuning).similarity(tuning.threshold)
    }
}

/// The recogniser in force, shared by who works with it. Whoever starts a piece of work (a frame, a photo, a search)
/// takes it once and finishes with what was taken.
#[derive(Clone)]
pub struct ActiveRecogniser(Arc<ArcSwap<Recogniser>>);

impl ActiveRecogniser {
    pub fn new(recogniser: Recogniser) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(recogniser)))
    }

    pub fn get(&self) -> Arc<Recogniser> {
        self.0.load_full()
    }

    pub fn replace(&self, recogniser: Recogniser) {
        self.0.store(Arc::new(recogniser));
    }
}
