//! The models a start would need: every one that is wrong.

use crate::adapters::onnx::OrtLoader;
use crate::cli::output::print_warning;
use crate::config::Settings;
use crate::runtime::attributes::{load_needed, needs_attributes};
use crate::runtime::models::read_selection;
use crate::runtime::problems::Problems;
use menshen_models::{Backend, Selection};

/// What is wrong with the chosen models, found by loading each; `settings` with the devices and the embedder of the field.
pub fn check_models(settings: &Settings) -> Problems {
    let selection = match read_selection(settings) {
        Ok(selection) => selection,
        Err(error) => return Problems::one(error),
    };
    for renamed in selection.catalogue().renamed() {
        print_warning(renamed);
    }
    let (loader, mut problems) = match OrtLoader::new(&settings.onnxruntime, &settings.provider) {
        Ok(loader) => (Some(loader), Problems::default()),
        Err(error) => (None, Problems::one(error)),
    };
    let faults = selection.faults(needs_attributes(settings), loader.as_ref().map(|loader| loader as _));
    if faults.is_empty() {
        if let Some(loader) = loader {
            problems.extend(run(settings, &selection, &loader));
        }
    } else {
        problems.extend(faults);
    }
    problems
}

/// Each is in order by itself: together they are run.
fn run(settings: &Settings, selection: &Selection, loader: &OrtLoader) -> Problems {
    let mut models = match selection.load(selection.embedder(), Backend::Original) {
        Ok(ready) => ready.models,
        Err(error) => return Problems::one(error),
    };
    let mut problems = Problems::default();
    if let Some(Err(error)) = models.use_accelerator(loader, settings.precision) {
        problems.push(format!("runtime.accelerator: {error}"));
    }
    problems.extend(models.load(loader).err());
    problems.extend(load_needed(selection, settings, loader).err());
    problems
}
