//! Why models cannot be had.

use crate::catalogue::CatalogueError;
use crate::description::FileError;
use crate::optimize::OptimizeError;
use menshen_domain::text::spoken;
use menshen_domain::tr;
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
    /// One is not what its description says: it has no such input or output, or another shape.
    #[error("{}", unfit_text(model, reason))]
    Unfit {
        /// The model.
        model: String,
        /// What does not fit.
        reason: String,
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
    #[error("{}", liveness_text(.0))]
    Liveness(Box<ModelError>),
    /// A network of age or gender cannot be had, and somebody asks for it.
    #[error("{}", attributes_text(.0))]
    Attributes(Box<ModelError>),
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

fn liveness_text(error: &ModelError) -> String {
    tr!(spoken(), "a device asks for liveness: {error}", "有设备启用了活体检测：{error}")
}

fn attributes_text(error: &ModelError) -> String {
    tr!(spoken(), "guesses at age and gender are asked for: {error}", "启用了年龄与性别估计：{error}")
}

fn unfit_text(model: &str, reason: &str) -> String {
    tr!(
        spoken(),
        "model `{model}` is not what its model.toml says: {reason}; correct it, or fetch the model again with `menshen models fetch {model}`",
        "模型 `{model}` 与其 model.toml 不符：{reason}；请更正，或用 menshen models fetch {model} 重新下载"
    )
}

impl From<FileError> for ModelError {
    fn from(error: FileError) -> Self {
        Self::Catalogue(error.into())
    }
}
