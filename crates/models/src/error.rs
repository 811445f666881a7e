//! Why models cannot be had.

use crate::catalogue::CatalogueError;
use crate::description::FileError;
use crate::optimize::OptimizeError;
use menshen_vision::VisionError;
use menshen_vision::inference::InferenceError;
use menshen_vision::spec::SpecError;

/// Models cannot be picked, optimised, loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// One is not described, or its description or file is of no use.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// One does not fit its decoder.
    #[error("model `{model}`: {reason}")]
    Spec {
        /// The model.
        model: String,
        /// What does not fit.
        reason: SpecError,
    },
    /// One is neither for the age nor for the gender.
    #[error("model `{model}`: it is a {role}, it guesses neither age nor gender")]
    NoAttribute {
        /// The model.
        model: String,
        /// What it is.
        role: String,
    },
    /// There is no model for any attribute.
    #[error("recognition.age_model and recognition.gender_model are both empty")]
    NoAttributeModels,
    /// The networks of liveness cannot be had, and a device asks for it.
    #[error("a device asks for liveness: {0}")]
    Liveness(Box<ModelError>),
    /// One cannot be optimised where it must be.
    #[error(transparent)]
    Optimize(#[from] OptimizeError),
    /// One cannot be loaded.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// One does not run or gives nonsense.
    #[error(transparent)]
    Vision(#[from] VisionError),
}

impl From<FileError> for ModelError {
    fn from(error: FileError) -> Self {
        Self::Catalogue(error.into())
    }
}
