//! `menshen check`: everything that can be wrong before starting, at once.

use std::process::ExitCode;

use super::config_args::ConfigArgs;
use super::models::active_embedder;
use super::output::{print_line, print_note};
use crate::adapters::camera::GstOpener;
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::ports::camera::{StreamOpener as _, StreamSpec};
use crate::runtime::attributes::load_needed;
use crate::runtime::models::read_selection;
use crate::runtime::problems::Problems;
use menshen_models::{Backend, Selection};

pub fn check(arguments: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let (mut settings, mut problems) = arguments.inspect()?;
    match active_embedder(&settings) {
        Ok(embedder) => settings.recognition.embedder = embedder,
        Err(error) => problems.push(error),
    }
    problems.extend(check_pipelines(&settings));
    match read_selection(&settings) {
        Err(error) => problems.push(error),
        Ok(selection) => {
            for renamed in selection.catalogue().renamed() {
                print_line(&format!("warning: {renamed}"));
            }
            problems.extend(check_models(&settings, &selection));
        }
    }
    for renamed in &settings.renamed_keys {
        print_line(&format!("warning: {renamed}"));
    }
    for open in &settings.open_files {
        print_note(&format!("warning: {open}"));
    }
    problems.extend(super::certificates::show(&settings));
    problems.or_ok(())?;
    print_line(&format!(
        "ok: {} device(s), models {} and {}",
        settings.devices.len(),
        settings.recognition.detector,
        settings.recognition.embedder
    ));
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the chosen models, found by loading them.
fn check_models(settings: &Settings, selection: &Selection) -> Problems {
    let mut models = match selection.load(selection.embedder(), Backend::Original) {
        Ok(ready) => ready.models,
        Err(error) => return Problems::one(error),
    };
    let loader = match OrtLoader::new(&settings.onnxruntime, &settings.provider) {
        Ok(loader) => loader,
        Err(error) => return Problems::one(error),
    };
    let mut problems = Problems::default();
    if let Some(Err(error)) = models.use_accelerator(&loader, settings.precision) {
        problems.push(format!("runtime.accelerator: {error}"));
    }
    problems.extend(models.load(&loader).err());
    problems.extend(load_needed(selection, settings, &loader).err());
    problems
}

fn check_pipelines(settings: &Settings) -> Problems {
    let opener = match GstOpener::new(&settings.pipelines_dir) {
        Ok(opener) => opener,
        Err(errors) => return errors.into_iter().collect(),
    };
    settings
        .devices
        .iter()
        .filter_map(|device| {
            let spec = StreamSpec {
                device_id: device.ip.clone(),
                pipeline: device.pipeline.clone(),
                parameters: device.parameters.clone(),
            };
            let error = opener.check(&spec).err()?;
            Some(format!("device `{}` ({}): {error}", device.name, device.ip))
        })
        .collect()
}
