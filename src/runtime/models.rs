//! Which models the box runs: those the configuration names, unless another embedder was chosen in the field.

use crate::adapters::onnx::{LibraryError, OrtLoader};
use crate::config::Settings;
use crate::status::models::ModelStatus;
use menshen_domain::tuning::Changes;
use menshen_models::self_test::{SelfTestError, self_test};
use menshen_models::{Backend, ModelError, ModelNames, ModelSet, ReadyModels, Selection};
use menshen_vision::inference::InferenceLoader;
use menshen_vision::{FaceAnalyzer, VisionError};

/// What the configuration chooses from the catalogue, which is read now.
pub fn read_selection(settings: &Settings) -> Result<Selection, ModelError> {
    let recognition = &settings.recognition;
    Ok(Selection::read(ModelNames {
        folder: settings.models_dir.clone(),
        detector: recognition.detector.clone(),
        score_min: recognition.detection_score_min,
        embedder: recognition.embedder.clone(),
        liveness: recognition.liveness_models.clone(),
        needs_liveness: settings.devices.iter().any(|device| device.liveness && device.enabled),
        age: recognition.attributes.age_model.clone(),
        gender: recognition.attributes.gender_model.clone(),
    })?)
}

/// Checks the models a configuration names.
pub fn check_models(settings: &Settings) -> Result<ModelSet, ModelError> {
    let selection = read_selection(settings)?;
    Ok(selection.load(selection.embedder(), Backend::Original)?.models)
}

/// The configured detector with any embedder, to be run as fast as the box can; what is not as it should be is logged and counted.
pub fn load_fastest(
    selection: &Selection,
    settings: &Settings,
    embedder: &str,
    loader: &dyn InferenceLoader,
) -> Result<ModelSet, ModelError> {
    let precision = settings.precision;
    let ready = selection.load(embedder, Backend::Fastest(loader, precision))?;
    let ReadyModels { models, accelerator, not_optimized } = ready;
    match accelerator {
        None => {}
        Some(Ok(cosine)) => {
            tracing::info!(
                accelerator = loader.accelerator(),
                ?precision,
                cosine,
                "embedding is accelerated"
            );
        }
        Some(Err(error)) => {
            metrics::counter!("menshen_accelerator_faults_total").increment(1);
            tracing::error!(
                accelerator = loader.accelerator(),
                %error,
                "the accelerator is of no use, the CPU embeds; see runtime.accelerator and scripts/setup --openvino"
            );
        }
    }
    for error in not_optimized {
        metrics::counter!("menshen_models_unprepared_total").increment(1);
        tracing::warn!(%error, "a model runs without optimisation, which is slower; see `menshen models optimize`");
    }
    Ok(models)
}

/// The models a configuration names, ready to be loaded.
///
/// # Errors
/// When a model is not described or damaged, or ONNX Runtime cannot be loaded.
pub fn ready_models(settings: &Settings) -> Result<(ModelSet, OrtLoader), ReadyError> {
    let selection = read_selection(settings)?;
    // What can be found without ONNX Runtime is reported first.
    selection.load(selection.embedder(), Backend::Original)?;
    let loader = OrtLoader::new(&settings.onnxruntime, &settings.provider)?;
    let models = load_fastest(&selection, settings, selection.embedder(), &loader)?;
    Ok((models, loader))
}

/// The models a configuration names cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ReadyError {
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// Why an embedder that was chosen in the field cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChosenError {
    /// It cannot be had.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It cannot be loaded.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// It does not recognise.
    #[error(transparent)]
    SelfTest(#[from] SelfTestError),
}

/// Why there is no embedder to start with.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The only one there is cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Neither can the chosen one nor the one before it.
    #[error("embedder `{name}`: {reason}; the one before, `{previous}`: {other}")]
    BothBroken {
        /// The chosen one.
        name: String,
        /// What is wrong with it.
        reason: Box<ChosenError>,
        /// The one before.
        previous: String,
        /// What is wrong with that.
        other: Box<ChosenError>,
    },
}

impl StartError {
    /// Each problem by itself.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Model(error) => vec![error.to_string()],
            Self::BothBroken { name, reason, previous, other } => {
                vec![format!("embedder `{name}`: {reason}"), format!("the one before, `{previous}`: {other}")]
            }
        }
    }
}

/// The models of this start, with one that is loaded already if it had to pass the self-test. An embedder that was chosen in the
/// field and is broken now is replaced, loudly, by the one before it: a box that recognises with
/// yesterday's model is better than one that does not start.
pub fn start_models(
    selection: &Selection,
    settings: &Settings,
    changes: &Changes,
    loader: &dyn InferenceLoader,
    status: &ModelStatus,
) -> Result<(ModelSet, Vec<FaceAnalyzer>), StartError> {
    log_descriptions(selection, status);
    let configured = selection.embedder();
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
        let models = load_fastest(selection, settings, name, loader)?;
        status.change(|facts| {
            facts.embedder = models.embedder_id();
            facts.note_accelerator(models.accelerator());
        });
        return Ok((models, Vec::new()));
    };
    let (models, spare, fallback, back) = match load_tested(selection, settings, name, loader) {
        Ok((models, analyzer)) => (models, analyzer, None, previous),
        Err(reason) => match load_tested(selection, settings, previous, loader) {
            Ok((models, analyzer)) => {
                let story =
                    format!("`{name}` is chosen and broken ({reason}); `{previous}` recognises instead");
                tracing::error!("FALLBACK: {story}; repair it, or choose another with `menshen models use`");
                (models, analyzer, Some(story), previous)
            }
            Err(other) => {
                let (name, previous) = (name.to_owned(), previous.clone());
                return Err(StartError::BothBroken {
                    name,
                    reason: Box::new(reason),
                    previous,
                    other: Box::new(other),
                });
            }
        },
    };
    metrics::gauge!("menshen_embedder_fallback").set(f64::from(u8::from(fallback.is_some())));
    status.change(|facts| {
        facts.embedder = models.embedder_id();
        facts.note_accelerator(models.accelerator());
        facts.previous = Some(back.clone());
        facts.fallback = fallback;
    });
    Ok((models, vec![spare]))
}

/// Logs what is wrong with descriptions.
fn log_descriptions(selection: &Selection, status: &ModelStatus) {
    let catalogue = selection.catalogue();
    let broken: Vec<String> = catalogue.broken().map(ToString::to_string).collect();
    for error in &broken {
        tracing::warn!(error, "a model's description cannot be used; the other models are not affected");
    }
    for renamed in catalogue.renamed() {
        tracing::warn!("{renamed}");
    }
    status.change(|facts| facts.broken = broken);
}

/// Loads an embedder and lets it pass the self-test.
fn load_tested(
    selection: &Selection,
    settings: &Settings,
    embedder: &str,
    loader: &dyn InferenceLoader,
) -> Result<(ModelSet, FaceAnalyzer), ChosenError> {
    let models = load_fastest(selection, settings, embedder, loader)?;
    let mut analyzer = models.load(loader)?;
    self_test(&mut analyzer)?;
    Ok((models, analyzer))
}
