//! What can go wrong on the way from a picture to a feature.

use menshen_domain::frame::FrameError;

use crate::inference::InferenceError;
use crate::resize::ScaleError;

/// A frame could not be processed.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// A network could not be loaded or run.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// A network ran, and what came out is not what its description promises.
    #[error("model `{model}`: {reason}")]
    Output {
        /// Name of the model in the catalogue.
        model: String,
        /// What is wrong.
        reason: OutputError,
    },
    /// A frame could not be scaled.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// Pixels do not make a frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Why a face cannot be brought to its standard place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misaligned {
    /// Its landmarks coincide.
    #[error("the face cannot be aligned")]
    Landmarks,
    /// It may lie on its side or stand on its head.
    #[error("it cannot be told which way up the face is; turn the picture upright")]
    Orientation,
}

/// Why the output of a network is of no use.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OutputError {
    /// A distribution with another number of values.
    #[error("its output has {found} values, its model.toml says {expected}")]
    Values {
        /// How many came.
        found: usize,
        /// How many the description promises.
        expected: usize,
    },
    /// Another number of classes.
    #[error("its output has {found} classes, its model.toml says {expected}")]
    Classes {
        /// How many came.
        found: usize,
        /// How many the description promises.
        expected: usize,
    },
    /// A feature of another length.
    #[error("its output has {found} value(s) a face, its model.toml says {expected}")]
    Dimension {
        /// How many came for one face.
        found: usize,
        /// How many the description promises.
        expected: usize,
    },
    /// Another number of values of a detector's head.
    #[error("stride {stride}: expected {expected} values, the model gave {found}")]
    Head {
        /// Pixels of the input a cell of the head stands for.
        stride: usize,
        /// How many there must be for the size of the input.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// The detector's input has another shape than N, channels, height, width.
    #[error("the input tensor is not NCHW")]
    InputShape,
    /// Infinite, or not a number.
    #[error("its output is not a number")]
    NotFinite,
    /// Shares that do not add up to 1.
    #[error("its output is no distribution: it adds up to {sum:.2}, not to 1")]
    NoDistribution {
        /// What they add up to.
        sum: f32,
    },
    /// A feature without a direction.
    #[error("the feature is zero or not a number")]
    NoDirection,
}
