//! Whether anybody asks for guesses at age and gender, and whether they can be had.

use std::sync::Arc;

use crate::actors::face_engine::attributes::AttributeEstimator;
use crate::config::Settings;
use menshen_vision::attributes::{AttributeModels, LazyAttributeNets, Nets};
use menshen_vision::catalogue::Catalogue;
use menshen_vision::inference::InferenceLoader;

fn asks_for_attributes(settings: &Settings) -> bool {
    let device = settings.devices.iter().any(|device| device.attributes && device.enabled);
    device || settings.recognition.attributes.in_fiqa
}

/// The networks the configuration names, described and whole; an error says what is missing.
pub fn pick_attributes(settings: &Settings) -> Result<AttributeModels, String> {
    let catalogue = Catalogue::read(&settings.models_dir).map_err(|error| error.to_string())?;
    let names = &settings.recognition.attributes;
    let models = AttributeModels::pick(&catalogue, &names.age_model, &names.gender_model)
        .map_err(|error| error.to_string())?;
    if models.is_empty() {
        return Err("recognition.age_model and recognition.gender_model are both empty".to_owned());
    }
    models.verify().map_err(|error| error.to_string())?;
    Ok(models)
}

/// The networks, loaded and tried out, where somebody asks for them; an error says what cannot be had.
pub fn load_asked(settings: &Settings, loader: &dyn InferenceLoader) -> Result<Option<Nets>, String> {
    if !asks_for_attributes(settings) {
        return Ok(None);
    }
    let loaded = pick_attributes(settings).and_then(|models| {
        let mut nets = models.load(loader).map_err(|error| error.to_string())?;
        nets.try_out().map_err(|error| error.to_string())?;
        Ok(Some(nets))
    });
    loaded.map_err(|error| format!("guesses at age and gender are asked for: {error}"))
}

/// For the face engine, loaded where somebody asks; devices may come to ask later.
pub fn attribute_desk(
    settings: &Settings,
    loader: &Arc<dyn InferenceLoader>,
) -> Result<AttributeEstimator, String> {
    let nets = load_asked(settings, loader.as_ref())?;
    let names = &settings.recognition.attributes;
    let guesser = LazyAttributeNets::new(
        settings.models_dir.clone(),
        names.age_model.clone(),
        names.gender_model.clone(),
        Arc::clone(loader),
    );
    Ok(AttributeEstimator::new(Arc::new(guesser.with(nets)), names.in_fiqa))
}
