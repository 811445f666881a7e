//! `menshen check`: everything that can be wrong before starting, told at once.

use std::process::ExitCode;

use super::ConfigArgs;
use super::models::active_embedder;
use crate::adapters::camera::GstOpener;
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::ports::camera::{StreamOpener as _, StreamSpec};
use crate::runtime::attributes::load_needed;
use crate::runtime::models::read_selection;
use menshen_models::{Backend, Selection};

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
pub fn check(arguments: &ConfigArgs) -> Result<ExitCode, Vec<String>> {
    let (mut settings, mut problems) = arguments.inspect()?;
    match active_embedder(&settings) {
        Ok(embedder) => settings.recognition.embedder = embedder,
        Err(wrong) => problems.extend(wrong),
    }
    problems.extend(check_pipelines(&settings));
    match read_selection(&settings) {
        Err(error) => problems.push(error.to_string()),
        Ok(selection) => {
            for renamed in selection.catalogue().renamed() {
                println!("warning: {renamed}");
            }
            problems.extend(check_models(&settings, &selection));
        }
    }
    for renamed in &settings.renamed_keys {
        println!("warning: {renamed}");
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    println!(
        "ok: {} device(s), models {} and {}",
        settings.devices.len(),
        settings.recognition.detector,
        settings.recognition.embedder
    );
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the chosen models, found by loading them.
fn check_models(settings: &Settings, selection: &Selection) -> Vec<String> {
    let mut models = match selection.load(selection.embedder(), Backend::Original) {
        Ok(ready) => ready.models,
        Err(error) => return vec![error.to_string()],
    };
    let loader = match OrtLoader::new(&settings.onnxruntime, &settings.provider) {
        Ok(loader) => loader,
        Err(error) => return vec![error.to_string()],
    };
    let accelerated = models.use_accelerator(&loader, settings.precision);
    let accelerator = accelerated.and_then(Result::err).map(|error| format!("runtime.accelerator: {error}"));
    let loaded = models.load(&loader).err().map(|error| error.to_string());
    let attributes = load_needed(selection, settings, &loader).err().map(|error| error.to_string());
    [accelerator, loaded, attributes].into_iter().flatten().collect()
}

fn check_pipelines(settings: &Settings) -> Vec<String> {
    let opener = match GstOpener::new(&settings.pipelines_dir) {
        Ok(opener) => opener,
        Err(errors) => return errors.iter().map(ToString::to_string).collect(),
    };
    settings
        .devices
        .iter()
        .filter_map(|device| {
            let spec = StreamSpec {
                device_id: device.ep_id.clone(),
                pipeline: device.pipeline.clone(),
                parameters: device.parameters.clone(),
            };
            let error = opener.check(&spec).err()?;
            Some(format!("device `{}` ({}): {error}", device.name, device.ip))
        })
        .collect()
}
