//! What the benches take of the box, with its errors as this crate reports them.

use std::fmt::{self, Display};
use std::path::Path;

use anyhow::{Error, Result};
use menshen::adapters::camera::GstOpener;
use menshen::adapters::onnx::OrtLoader;
use menshen::cli::ConfigArgs;
use menshen::config::{Overrides, Settings, load};
use menshen::runtime::{models, storage};
use menshen_models::ModelSet;

/// Several errors at once, such as all mistakes of a configuration.
#[derive(Debug)]
pub struct Problems(pub Vec<Error>);

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem:#}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

fn problems<E: Display>(errors: Vec<E>) -> Error {
    Problems(errors.into_iter().map(|error| Error::msg(error.to_string())).collect()).into()
}

/// The settings that the options name.
pub fn settings(config: &ConfigArgs) -> Result<Settings> {
    config.settings().map_err(|errors| problems(errors.texts().collect()))
}

/// The settings of a configuration file.
pub fn settings_of(file: &Path) -> Result<Settings> {
    load(file, &Overrides::default()).map_err(problems)
}

/// The models the settings name, ready to be loaded.
pub fn ready_models(settings: &Settings) -> Result<(ModelSet, OrtLoader)> {
    Ok(models::ready_models(settings)?)
}

/// Opens video files and cameras through the pipelines the settings name.
pub fn opener(settings: &Settings) -> Result<GstOpener> {
    GstOpener::new(&settings.pipelines_dir).map_err(problems)
}

/// Makes a data folder as the box does.
pub fn create_data_dir(path: &Path) -> Result<()> {
    Ok(storage::create_data_dir(path)?)
}
