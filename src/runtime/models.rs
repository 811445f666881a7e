//! Which models the box runs: those the configuration names, unless another embedder was chosen in the field.

use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::status::models::ModelStatus;
use menshen_domain::models::Precision;
use menshen_domain::score::Scale;
use menshen_domain::tuning::Changes;
use menshen_vision::FaceAnalyzer;
use menshen_vision::analyzer::ModelSet;
use menshen_vision::catalogue::Catalogue;
use menshen_vision::inference::InferenceLoader;
use menshen_vision::self_test::self_test;

/// Reads and checks the models a configuration names.
pub fn pick_models(settings: &Settings) -> Result<ModelSet, Vec<String>> {
    pick(settings, &settings.recognition.embedder).map_err(|error| vec![error])
}

/// The configured detector with an embedder, their checksums compared.
fn pick(settings: &Settings, embedder: &str) -> Result<ModelSet, String> {
    let catalogue = Catalogue::read(&settings.models_dir).map_err(|error| error.to_string())?;
    let recognition = &settings.recognition;
    let models = ModelSet::pick(&catalogue, &recognition.detector, embedder, recognition.detection_score_min)
        .map_err(|error| error.to_string())?;
    models.verify().map_err(|error| error.to_string())?;
    let names = &recognition.liveness_models;
    if asks_for_liveness(settings) {
        return with_liveness(models, &catalogue, names)
            .map_err(|error| format!("a device asks for liveness: {error}"));
    }
    // Described for a device that comes to ask for it later, and refused then if it is not there (`liveness_is_there`).
    Ok(models.clone().with_liveness(&catalogue, names).unwrap_or(models))
}

fn asks_for_liveness(settings: &Settings) -> bool {
    settings.devices.iter().any(|device| device.liveness && device.enabled)
}

fn with_liveness(models: ModelSet, catalogue: &Catalogue, names: &[String]) -> Result<ModelSet, String> {
    let models = models.with_liveness(catalogue, names).map_err(|error| error.to_string())?;
    models.verify_liveness().map_err(|error| error.to_string())?;
    Ok(models)
}

/// Whether a device may ask for liveness: its networks are described and whole.
pub fn liveness_is_there(settings: &Settings) -> Result<(), String> {
    let catalogue = Catalogue::read(&settings.models_dir).map_err(|error| error.to_string())?;
    let recognition = &settings.recognition;
    let models = ModelSet::pick(&catalogue, &recognition.detector, &recognition.embedder, None)
        .map_err(|error| error.to_string())?;
    with_liveness(models, &catalogue, &recognition.liveness_models).map(drop)
}

/// As [`pick_models`], with any embedder, to be run from the prepared files; a model that cannot be prepared goes on as it
/// came, slower.
pub fn pick_prepared(
    settings: &Settings,
    embedder: &str,
    loader: &dyn InferenceLoader,
) -> Result<ModelSet, String> {
    let mut models = pick(settings, embedder)?;
    accelerate(&mut models, loader, settings.precision);
    let mut unprepared = models.use_prepared(loader);
    if asks_for_liveness(settings) {
        unprepared.extend(models.use_prepared_liveness(loader));
    }
    for error in unprepared {
        metrics::counter!("menshen_models_unprepared_total").increment(1);
        tracing::warn!(%error, "a model runs unprepared, which is slower; see `menshen models prepare`");
    }
    Ok(models)
}

/// As [`pick_prepared`], on the CPU, whatever accelerator there is.
pub fn pick_plain(
    settings: &Settings,
    embedder: &str,
    loader: &dyn InferenceLoader,
) -> Result<ModelSet, String> {
    let mut models = pick(settings, embedder)?;
    models.use_prepared(loader).first().map_or(Ok(models), |error| Err(error.to_string()))
}

/// Uses the configured accelerator if it is of use; the CPU goes on with its work if not, and that is told.
fn accelerate(models: &mut ModelSet, loader: &dyn InferenceLoader, precision: Precision) {
    let accelerator = loader.accelerator();
    match models.use_accelerator(loader, precision) {
        None => {}
        Some(Ok(cosine)) => {
            tracing::info!(accelerator, ?precision, cosine, "embedding is accelerated");
        }
        Some(Err(error)) => {
            metrics::counter!("menshen_accelerator_faults_total").increment(1);
            tracing::error!(
                accelerator,
                %error,
                "the accelerator is of no use, the CPU embeds; see runtime.accelerator and scripts/setup --openvino"
            );
        }
    }
}

/// Id and calibration of an embedder as it is described, whether or not its file is in order.
pub fn describe(settings: &Settings, embedder: &str) -> Result<(String, Scale), String> {
    let catalogue = Catalogue::read(&settings.models_dir).map_err(|error| error.to_string())?;
    let models = ModelSet::pick(&catalogue, &settings.recognition.detector, embedder, None)
        .map_err(|error| error.to_string())?;
    Ok((models.embedder_id(), models.scale()))
}

/// The models a configuration names, ready to be loaded.
pub fn ready_models(settings: &Settings) -> Result<(ModelSet, OrtLoader), Vec<String>> {
    pick_models(settings)?;
    let loader =
        OrtLoader::new(&settings.onnxruntime, &settings.provider).map_err(|error| vec![error.to_string()])?;
    let models =
        pick_prepared(settings, &settings.recognition.embedder, &loader).map_err(|error| vec![error])?;
    Ok((models, loader))
}

/// The models of this start, with one that is loaded already if it had to prove itself. An embedder that was chosen in the
/// field and is broken now is passed over, loudly, for the one before it: a box that recognises with
/// yesterday's model is better than one that does not start.
pub fn models_in_force(
    settings: &Settings,
    changes: &Changes,
    loader: &dyn InferenceLoader,
    board: &ModelStatus,
) -> Result<(ModelSet, Vec<FaceAnalyzer>), Vec<String>> {
    if let Ok(catalogue) = Catalogue::read(&settings.models_dir) {
        let broken: Vec<String> = catalogue.broken().map(ToString::to_string).collect();
        for error in &broken {
            tracing::warn!(error, "a model's description is of no use; the others are not concerned");
        }
        board.change(|facts| facts.broken = broken);
    }
    let configured = &settings.recognition.embedder;
    let chosen = changes.embedder.as_ref();
    let name = chosen.map_or(configured, |chosen| &chosen.name);
    if name != configured {
        tracing::info!(
            embedder = name,
            configured,
            "the embedder is the one chosen with `menshen models use`"
        );
    }
    let Some(previous) = chosen.and_then(|chosen| chosen.previous.as_ref()) else {
        // Nothing to fall back to: what is wrong with it will show.
        let models = pick_prepared(settings, name, loader).map_err(|error| vec![error])?;
        board.change(|facts| {
            facts.embedder = models.embedder_id();
            facts.note_accelerator(models.accelerator());
        });
        return Ok((models, Vec::new()));
    };
    let (models, spare, fallback, back) = match prove(settings, name, loader) {
        Ok((models, analyzer)) => (models, analyzer, None, previous),
        Err(reason) => {
            let (models, analyzer) = prove(settings, previous, loader).map_err(|other| {
                vec![format!("embedder `{name}`: {reason}"), format!("the one before, `{previous}`: {other}")]
            })?;
            let story = format!("`{name}` is chosen and broken ({reason}); `{previous}` recognises instead");
            tracing::error!("FALLBACK: {story}; repair it, or choose another with `menshen models use`");
            (models, analyzer, Some(story), previous)
        }
    };
    metrics::gauge!("menshen_embedder_fallback").set(f64::from(u8::from(fallback.is_some())));
    board.change(|facts| {
        facts.embedder = models.embedder_id();
        facts.note_accelerator(models.accelerator());
        facts.previous = Some(back.clone());
        facts.fallback = fallback;
    });
    Ok((models, vec![spare]))
}

/// Loads it and lets it pass the self-test.
fn prove(
    settings: &Settings,
    embedder: &str,
    loader: &dyn InferenceLoader,
) -> Result<(ModelSet, FaceAnalyzer), String> {
    let models = pick_prepared(settings, embedder, loader)?;
    let mut analyzer = models.load(loader).map_err(|error| error.to_string())?;
    self_test(&mut analyzer)?;
    Ok((models, analyzer))
}
