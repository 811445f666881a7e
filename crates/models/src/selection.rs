//! What a configuration chooses from the catalogue, and getting it ready to be run.

use std::path::PathBuf;

use crate::attributes::AttributeModels;
use crate::catalogue::{Catalogue, CatalogueError};
use crate::error::ModelError;
use crate::model_set::{ModelSet, check_one};
use crate::optimize::OptimizeError;
use menshen_domain::models::Precision;
use menshen_domain::score::Scale;
use menshen_vision::inference::InferenceLoader;

/// Names of models, and where they are described.
#[derive(Debug, Clone, Default)]
pub struct ModelNames {
    /// Folder of the catalogue.
    pub folder: PathBuf,
    /// The detector.
    pub detector: String,
    /// Overrides the detector's own confidence from which a face is one, 0–1.
    pub score_min: Option<f32>,
    /// The embedder that is configured.
    pub embedder: String,
    /// The networks of liveness.
    pub liveness: Vec<String>,
    /// Whether a device asks for liveness, so that its networks must be there.
    pub needs_liveness: bool,
    /// The network that estimates the age; empty for none.
    pub age: String,
    /// The network that estimates the gender; empty for none.
    pub gender: String,
}

/// What the networks are run with.
#[derive(Clone, Copy)]
pub enum Backend<'a> {
    /// The files as they came; none is made, nothing is run.
    Original,
    /// The CPU, from optimised files. A model that cannot be optimised is an error.
    Cpu(&'a dyn InferenceLoader),
    /// The loader's accelerator if it is of use, else the CPU; from optimised files where they can be made.
    Fastest(&'a dyn InferenceLoader, Precision),
}

/// Models that are described, whole and ready to be loaded for each thread.
#[derive(Debug)]
pub struct ReadyModels {
    /// The models.
    pub models: ModelSet,
    /// Of the configured accelerator: least cosine of its answers to the original's, or why it is of no use.
    pub accelerator: Option<Result<f64, OptimizeError>>,
    /// Models that are run as they came, which is slower, and why.
    pub not_optimized: Vec<OptimizeError>,
}

impl From<ModelSet> for ReadyModels {
    fn from(models: ModelSet) -> Self {
        Self { models, accelerator: None, not_optimized: Vec::new() }
    }
}

/// A catalogue as it was read, and what is chosen from it.
#[derive(Debug, Clone)]
pub struct Selection {
    names: ModelNames,
    catalogue: Catalogue,
}

impl Selection {
    /// Reads the catalogue.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn read(names: ModelNames) -> Result<Self, CatalogueError> {
        let catalogue = Catalogue::read(&names.folder)?;
        Ok(Self { names, catalogue })
    }

    /// The same with the catalogue as it is now: models are added, and files fetched, while a box runs.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn reread(&self) -> Result<Self, CatalogueError> {
        Self::read(self.names.clone())
    }

    /// The catalogue as it was read.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Name of the embedder that is configured.
    pub fn embedder(&self) -> &str {
        &self.names.embedder
    }

    /// Id and calibration of an embedder as it is described, whether or not its file is in order.
    ///
    /// # Errors
    /// When it, or the detector, is not described or does not fit its decoder.
    pub fn describe(&self, embedder: &str) -> Result<(String, Scale), ModelError> {
        let models = ModelSet::pick(&self.catalogue, &self.names.detector, embedder, None)?;
        Ok((models.embedder_id(), models.scale()))
    }

    /// The configured detector with an embedder, their files compared with their checksums, ready to be run with `backend`.
    ///
    /// # Errors
    /// When a model is not described, its file is missing or another one, or it cannot be optimised where it must be; the networks of
    /// liveness only where a device asks for them.
    pub fn load(&self, embedder: &str, backend: Backend<'_>) -> Result<ReadyModels, ModelError> {
        let models = self.pick(embedder)?;
        let mut ready = ReadyModels::from(models);
        match backend {
            Backend::Original => {}
            Backend::Cpu(loader) => {
                if let Some(error) = ready.models.use_optimized(loader).into_iter().next() {
                    return Err(error.into());
                }
            }
            Backend::Fastest(loader, precision) => {
                ready.accelerator = ready.models.use_accelerator(loader, precision);
                ready.not_optimized = ready.models.use_optimized(loader);
                if self.names.needs_liveness {
                    ready.not_optimized.extend(ready.models.use_optimized_liveness(loader));
                }
            }
        }
        Ok(ready)
    }

    /// Everything that is wrong with the models that are needed, each looked at by itself: described, of the right role, whole, and
    /// loaded where there is a loader.
    pub fn faults(&self, needs_attributes: bool, loader: Option<&dyn InferenceLoader>) -> Vec<ModelError> {
        let ModelNames { detector, embedder, liveness, needs_liveness, age, gender, .. } = &self.names;
        let mut needed = vec![(detector, "detector"), (embedder, "embedder")];
        if *needs_liveness {
            needed.extend(liveness.iter().map(|name| (name, "liveness")));
        }
        if needs_attributes {
            needed
                .extend([(age, "age"), (gender, "gender")].into_iter().filter(|(name, _)| !name.is_empty()));
        }
        let check = |(name, role): (&String, &'static str)| {
            let error = check_one(&self.catalogue, name, role, loader).err()?;
            Some(match role {
                "liveness" => ModelError::Liveness(Box::new(error)),
                "age" | "gender" => ModelError::Attributes(Box::new(error)),
                _ => error,
            })
        };
        needed.into_iter().filter_map(check).collect()
    }

    fn pick(&self, embedder: &str) -> Result<ModelSet, ModelError> {
        let ModelNames { detector, score_min, liveness, .. } = &self.names;
        let models = ModelSet::pick(&self.catalogue, detector, embedder, *score_min)?;
        models.verify()?;
        if self.names.needs_liveness {
            return self.with_liveness(models).map_err(|error| ModelError::Liveness(Box::new(error)));
        }
        // Described for a device that comes to ask for it later, and refused then if it is not there (`check_liveness`).
        Ok(models.clone().with_liveness(&self.catalogue, liveness).unwrap_or(models))
    }

    fn with_liveness(&self, models: ModelSet) -> Result<ModelSet, ModelError> {
        let models = models.with_liveness(&self.catalogue, &self.names.liveness)?;
        models.verify_liveness()?;
        Ok(models)
    }

    /// Whether a device may ask for liveness: its networks are described and whole.
    ///
    /// # Errors
    /// Which is not.
    pub fn check_liveness(&self) -> Result<(), ModelError> {
        let ModelNames { detector, embedder, .. } = &self.names;
        let models = ModelSet::pick(&self.catalogue, detector, embedder, None)?;
        self.with_liveness(models).map(drop)
    }

    /// The networks of age and gender, described and whole.
    ///
    /// # Errors
    /// When none is configured, or one is not described, or its file is missing or another one.
    pub fn attributes(&self) -> Result<AttributeModels, ModelError> {
        let models = AttributeModels::pick(&self.catalogue, &self.names.age, &self.names.gender)?;
        if models.is_empty() {
            return Err(ModelError::NoAttributeModels);
        }
        models.verify()?;
        Ok(models)
    }
}
