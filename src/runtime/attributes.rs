//! Whether any device asks for age and gender, and whether they can be estimated.

use std::sync::Arc;

use crate::actors::face_engine::attributes::AttributeEstimator;
use crate::config::Settings;
use menshen_models::attributes::LazyAttributeNets;
use menshen_models::{ModelError, Selection};
use menshen_vision::attributes::AttributeNets;
use menshen_vision::inference::InferenceLoader;

/// Whether a device, or the answers of `fiqa`, ask for age and gender.
pub fn needs_attributes(settings: &Settings) -> bool {
    let device = settings.devices.iter().any(|device| device.attributes && device.enabled);
    device || settings.recognition.attributes.in_fiqa
}

/// Age and gender are asked for, and cannot be estimated.
#[derive(Debug, thiserror::Error)]
#[error("guesses at age and gender are asked for: {0}")]
pub struct AttributesError(ModelError);

/// The networks, loaded and tried out, where something asks for them.
pub fn load_needed(
    selection: &Selection,
    settings: &Settings,
    loader: &dyn InferenceLoader,
) -> Result<Option<AttributeNets>, AttributesError> {
    if !needs_attributes(settings) {
        return Ok(None);
    }
    let load = || -> Result<AttributeNets, ModelError> {
        let mut nets = selection.attributes()?.load(loader)?;
        nets.try_out()?;
        Ok(nets)
    };
    load().map(Some).map_err(AttributesError)
}

/// For the face engine, loaded where something asks; devices may come to ask later.
pub fn attribute_estimator(
    selection: &Selection,
    settings: &Settings,
    loader: &Arc<dyn InferenceLoader>,
) -> Result<AttributeEstimator, AttributesError> {
    let nets = load_needed(selection, settings, loader.as_ref())?;
    let names = &settings.recognition.attributes;
    let lazy = LazyAttributeNets::new(
        settings.models_dir.clone(),
        names.age_model.clone(),
        names.gender_model.clone(),
        Arc::clone(loader),
    );
    Ok(AttributeEstimator::new(Arc::new(lazy.with(nets)), names.in_fiqa))
}
