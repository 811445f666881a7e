//! `menshen check`: everything that can be wrong before starting, told at once.

use std::process::ExitCode;

use super::ConfigArgs;
use super::models::embedder_in_force;
use crate::adapters::camera::GstOpener;
use crate::adapters::onnx::OrtLoader;
use crate::config::Settings;
use crate::ports::camera::{StreamOpener as _, StreamSpec};
use crate::runtime::attributes::load_asked;
use crate::runtime::models::pick_models;

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
pub fn check(arguments: &ConfigArgs) -> Result<ExitCode, Vec<String>> {
    let (mut settings, mut problems) = arguments.inspect()?;
    match embedder_in_force(&settings) {
        Ok(embedder) => settings.recognition.embedder = embedder,
        Err(wrong) => problems.extend(wrong),
    }
    problems.extend(check_pipelines(&settings));
    match pick_models(&settings) {
        Err(wrong) => problems.extend(wrong),
        Ok(mut models) => match OrtLoader::new(&settings.onnxruntime, &settings.provider) {
            Err(error) => problems.push(error.to_string()),
            Ok(loader) => {
                let accelerated = models.use_accelerator(&loader, settings.precision);
                problems.extend(
                    accelerated.and_then(Result::err).map(|error| format!("runtime.accelerator: {error}")),
                );
                problems.extend(models.load(&loader).err().map(|error| error.to_string()));
                problems.extend(load_asked(&settings, &loader).err());
            }
        },
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
