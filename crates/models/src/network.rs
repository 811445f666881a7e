//! Loading one described network.

use std::path::Path;

use crate::description::ModelSpec;
use menshen_vision::inference::{InferenceError, InferenceLoader, Network, Placement};

/// Loads a form of a model, the file at `path`.
pub fn load_network(
    model: &ModelSpec,
    path: &Path,
    place: Placement,
    loader: &dyn InferenceLoader,
) -> Result<Network, InferenceError> {
    let inference = loader.load(path, &model.input.name, &model.outputs.names, place)?;
    Ok(Network { name: model.name.clone(), input: model.input.clone(), inference })
}
