//! `menshen bench calibrate`: the figures of an embedder's `model.toml` that are measured on people.

use std::path::Path;

use anyhow::{Error, Result, bail};
use serde_json::json;

use super::recognition::{note, timed_embeddings};
use menshen::config::Settings;
use menshen::evaluation::embeddings::{Centring, Photos, list_images};
use menshen::evaluation::pairs::all_pairs;
use menshen::evaluation::statistics::rate_at;
use menshen_sim::figures::print_figures;
use menshen_vision::embedder::normalise;

/// Places of the printed mean: finer than the features' own noise.
const PLACES: f32 = 1e5;

/// The mean of the features of a folder of people, and the thresholds for centred features.
pub fn calibrate(images: &Path, settings: &Settings) -> Result<()> {
    let names = list_images(images).map_err(Error::msg)?;
    let photos = Photos { folder: images, names: &names, tilt_deg: 0.0 };
    let (mut embedded, mut line) = timed_embeddings(settings, photos, Centring::Off)?;
    let vectors: Vec<&Vec<f32>> = embedded.values().flatten().map(|embedding| &embedding.vector).collect();
    let Some(dimension) = vectors.first().map(|vector| vector.len()) else {
        bail!("{}: no face in any photo", images.display());
    };
    let mean: Vec<f32> = (0..dimension)
        .map(|at| vectors.iter().map(|vector| f64::from(vector[at])).sum::<f64>() / vectors.len() as f64)
        .map(|value| (value as f32 * PLACES).round() / PLACES)
        .collect();
    for embedding in embedded.values_mut().flatten() {
        for (value, mean) in embedding.vector.iter_mut().zip(&mean) {
            *value -= mean;
        }
        normalise(&mut embedding.vector)?;
    }
    let (genuine, mut impostor) = all_pairs(&embedded);
    line["bench"] = json!("calibrate");
    for (name, far) in [("1e-3", 1e-3), ("1e-4", 1e-4), ("1e-5", 1e-5)] {
        note(&mut line, "tar_at_far", name, rate_at(&genuine, &mut impostor, far));
    }
    line["mean"] = json!(mean);
    print_figures(&line);
    Ok(())
}
