//! What recognises: an embedder, the gallery of its features, and its calibration. They are swapped as one, since no
//! feature or threshold of one model is valid for another.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;

use menshen_domain::candidate::{Candidate, Scope};
use menshen_domain::face::Embedding;
use menshen_domain::score::{Scale, ScoreMap};
use menshen_domain::tuning::Tuning;
use menshen_domain::validity::Moment;
use menshen_gallery::{Gallery, GalleryError};
use menshen_models::ModelSet;
use menshen_vision::inference::InferenceLoader;
use menshen_vision::{FaceAnalyzer, VisionError};

/// Candidates per search: a person who was a stranger first may be enrolled both ways.
const CANDIDATES: usize = 4;

pub struct Recogniser {
    models: ModelSet,
    id: String,
    /// Writers hold it for microseconds; a panic while holding it leaves the gallery usable.
    gallery: RwLock<Gallery>,
    /// Analyzers already loaded and tried, so that workers change over without a pause.
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

    /// The most similar people for each probe, among those of `scope` whose enrolment is valid at that moment.
    ///
    /// # Errors
    /// A probe is of another model.
    pub fn search(
        &self,
        probes: &[&Embedding],
        scope: Scope<'_>,
        at: Moment,
    ) -> Result<Vec<Vec<Candidate>>, GalleryError> {
        self.read().find_at(probes, scope, CANDIDATES, at)
    }

    /// The models for one worker.
    ///
    /// # Errors
    /// A model cannot be loaded.
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

    /// The raw similarity at the match threshold as it is tuned now. A threshold on the score scale means the same for every
    /// model.
    pub fn match_threshold(&self, tuning: &Tuning) -> f32 {
        self.score_map(tuning).similarity(tuning.threshold)
    }
}

/// The recogniser in use, shared by everything that recognises. A piece of work (a frame, a photo, a search) takes it once
/// and finishes with what it took.
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
