//! Recognition: models, gallery, and the entrances of frames and photos.

use std::sync::Arc;

use super::attributes::attribute_estimator;
use super::frame_router::intakes;
use super::models::{load_fastest, read_selection, start_models};
use super::problems::Problems;
use super::recover::Filled;
use crate::actors::face_engine::attributes::AttributeEstimator;
use crate::actors::face_engine::intake::FrameIntake;
use crate::actors::face_engine::photos::PhotoIntake;
use crate::actors::face_engine::rules::CameraRules;
use crate::actors::recogniser::{ActiveRecogniser, Recogniser};
use crate::actors::registry::SwapDeps;
use crate::actors::tuning::{SharedTuning, Tuner};
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::ports::clock::Clock;
use crate::status::clock::ClockStatus;
use crate::status::models::ModelStatus;
use menshen_domain::frame_gate::FrameGateRules;
use menshen_domain::passage::PassageRules;
use menshen_domain::quality::QualityLevel;
use menshen_domain::tuning::Changes;
use menshen_gallery::Gallery;
use menshen_models::{ModelSet, Selection};
use menshen_vision::FaceAnalyzer;
use menshen_vision::inference::InferenceLoader;

/// The models of this start.
pub struct Models {
    loader: Arc<dyn InferenceLoader>,
    selection: Selection,
    set: ModelSet,
    /// One that is loaded already, if it had to pass its self-test.
    loaded: Vec<FaceAnalyzer>,
    attributes: AttributeEstimator,
}

impl Models {
    /// Loads ONNX Runtime, and checks the models that are configured or were chosen in the field.
    ///
    /// # Errors
    /// What cannot be loaded, and why.
    pub fn load(settings: &Settings, changes: &Changes, status: &ModelStatus) -> Result<Self, Problems> {
        let loader: Arc<dyn InferenceLoader> =
            Arc::new(OrtLoader::new(&settings.onnxruntime, &settings.provider).map_err(Problems::one)?);
        let selection = read_selection(settings).map_err(Problems::one)?;
        let attributes = attribute_estimator(&selection, settings, &loader).map_err(Problems::one)?;
        let (set, loaded) = start_models(&selection, settings, changes, &*loader, status)
            .map_err(|error| Problems::from_iter(error.problems()))?;
        Ok(Self { loader, selection, set, loaded, attributes })
    }

    /// An empty gallery for the embedder's features.
    pub fn gallery(&self, capacity: usize) -> Gallery {
        Gallery::new(self.set.embedder_id(), self.set.embedder_spec().dimension, capacity)
    }
}

/// What recognises, and where frames and photos come in.
pub struct Recognition {
    pub recogniser: ActiveRecogniser,
    pub loader: Arc<dyn InferenceLoader>,
    selection: Selection,
    pub intake: Arc<FrameIntake>,
    pub photos: Arc<PhotoIntake>,
    /// Somebody has no feature of the embedder: the registry embeds those photos when it runs.
    pub missing_features: bool,
}

impl Recognition {
    pub fn build(
        settings: &Settings,
        models: Models,
        filled: Filled,
        (clock, clock_status): (Arc<dyn Clock>, Arc<ClockStatus>),
        tuning: SharedTuning,
    ) -> Self {
        let Models { loader, selection, set, loaded, attributes } = models;
        let recogniser = ActiveRecogniser::new(Recogniser::new(set, filled.gallery, loaded));
        let rules = camera_rules(settings, recogniser.clone(), clock, tuning);
        let (intake, photos) = intakes(CameraRules { clock_status, attributes, ..rules });
        Self { recogniser, loader, selection, intake, photos, missing_features: filled.other_model > 0 }
    }

    /// What a swap of the embedder works with.
    pub fn swap_deps(&self, settings: &Arc<Settings>, status: &Arc<ModelStatus>, tuner: &Tuner) -> SwapDeps {
        let (settings, loader) = (Arc::clone(settings), Arc::clone(&self.loader));
        let selection = self.selection.clone();
        SwapDeps {
            status: Arc::clone(status),
            loader: Arc::clone(&self.loader),
            threads: settings.recognition.workers,
            pick: Arc::new(move |name| Ok(load_fastest(&selection.reread()?, &settings, name, &*loader)?)),
            tuner: tuner.clone(),
            missing: Arc::new(self.missing_features.into()),
            stop: Arc::default(),
        }
    }
}

/// What every camera goes by.
pub fn camera_rules(
    settings: &Settings,
    recogniser: ActiveRecogniser,
    clock: Arc<dyn Clock>,
    tuning: SharedTuning,
) -> CameraRules {
    let (recognition, passages) = (&settings.recognition, &settings.passages);
    let match_threshold = recogniser.get().scale().similarity_threshold;
    CameraRules {
        recogniser,
        clock,
        clock_status: Arc::default(),
        utc_offset_min: recognition.utc_offset_min,
        passages: PassageRules {
            gap_ms: passages.gap_ms,
            max_ms: passages.max_ms,
            stranger_hits_min: passages.stranger_hits_min,
            // Set again before every frame, since the threshold can be changed while the box runs.
            match_threshold,
            high_confidence_margin: passages.high_confidence_margin,
            top2_margin_min: recognition.top2_margin_min,
            embed_interval_ms: passages.embed_interval_ms,
            better_shot_ratio: passages.better_shot_ratio,
            // The detector's own comes with every frame.
            high_score_min: 0.0,
            // For those devices that ask for it.
            liveness_min: Some(recognition.liveness_min),
        },
        frame_gate: FrameGateRules { idle_look_ms: recognition.idle_look_ms, ..FrameGateRules::default() },
        live_level: recognition.live_level.clone(),
        face_min_px: recognition.face_min_px,
        report_strangers: passages.strangers,
        stranger_level: QualityLevel::Custom(recognition.custom_level.clone()),
        tuning,
        // Set for the whole box by `Recognition::build`; rules by themselves estimate nothing.
        attributes: AttributeEstimator::default(),
    }
}
