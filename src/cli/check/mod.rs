//! `menshen check`: everything that `run` would meet, at once, before it does.

mod folder;
mod hosts;
mod models;
mod online;
mod ports;

use std::process::ExitCode;

use clap::Args;

use self::folder::check_data_folder;
pub(super) use self::folder::is_in_use;
use self::hosts::check_hosts;
use self::models::check_models;
use self::ports::check_ports;
use super::config_args::ConfigArgs;
use super::devices::{Known, known_devices};
use super::language::{help, said};
use super::output::{print_line, print_note, print_warning};
use crate::adapters::camera::GstOpener;
use crate::config::Settings;
use crate::ports::camera::{StreamOpener as _, StreamSpec};
use crate::runtime::overridden::overridden;
use crate::runtime::problems::Problems;

#[derive(Args)]
pub struct CheckArgs {
    #[arg(long, help = help(
        "Also try the login, the broker, the receivers, the doors and the cameras, each for some seconds",
        "同时测试登录、消息服务器、接收地址、门和摄像机，每项限时数秒"
    ))]
    online: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn check(arguments: &CheckArgs) -> anyhow::Result<ExitCode> {
    let (mut settings, mut problems) = arguments.config.inspect()?;
    problems.extend(check_data_folder(&settings));
    let known = match known_devices(&settings) {
        Ok(known) => Some(known),
        Err(error) => {
            problems.push(error);
            None
        }
    };
    if let Some(known) = known {
        for value in overridden(&settings, &known.changes) {
            print_warning(&value.text());
        }
        take_over(&mut settings, known, &mut problems);
    }
    problems.extend(check_ports(&settings, is_in_use(&settings)));
    problems.extend(check_hosts(&settings));
    problems.extend(check_pipelines(&settings));
    problems.extend(check_models(&settings));
    if let Some(warning) = settings.local_api.allow_warning() {
        print_warning(&warning);
    }
    for renamed in &settings.renamed_keys {
        print_warning(renamed);
    }
    for open in &settings.open_files {
        print_note(&said!("warning: {open}", "注意：{open}"));
    }
    problems.extend(super::certificates::show(&settings));
    let mut tried = 0;
    if arguments.online {
        let (count, more) = online::check(&settings);
        tried = count;
        problems.extend(more);
    }
    problems.or_ok(())?;
    print_line(&said!(
        "ok: {devices} device(s), models {detector} and {embedder}",
        "正常：{devices} 台设备，模型 {detector} 和 {embedder}",
        devices = settings.devices.len(),
        detector = settings.recognition.detector,
        embedder = settings.recognition.embedder
    ));
    if arguments.online {
        print_line(&said!("ok: {tried} connection(s) tried", "正常：已测试 {tried} 项连接"));
    } else {
        print_note(&said!(
            "nothing was connected to; `menshen check --online` also tries login, broker, receivers, doors and cameras",
            "未测试连接；menshen check --online 还会测试登录、消息服务器、接收地址、门和摄像机"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings as `run` has them: devices, identity and receivers as they were changed in the field.
fn take_over(settings: &mut Settings, known: Known, problems: &mut Problems) {
    let Known { devices, problems: left_out, changes } = known;
    let is_changed = |ip: &str| changes.devices.contains_key(ip);
    // A block of the file that is wrong was told already, with its line.
    problems.extend(
        left_out
            .into_iter()
            .filter(|text| changes.devices.keys().any(|ip| text.starts_with(&format!("device `{ip}`")))),
    );
    settings.devices.retain(|device| !is_changed(&device.ip));
    settings.devices.extend(devices.into_iter().filter(|device| is_changed(&device.ip)));
    settings.change_identity(&changes);
    if let Some(chosen) = &changes.embedder {
        settings.recognition.embedder.clone_from(&chosen.name);
    }
    settings.events.realtime_urls =
        changes.realtime_urls.unwrap_or_else(|| std::mem::take(&mut settings.events.realtime_urls));
    settings.events.history_urls =
        changes.history_urls.unwrap_or_else(|| std::mem::take(&mut settings.events.history_urls));
    settings.monitor_urls =
        changes.monitor_urls.unwrap_or_else(|| std::mem::take(&mut settings.monitor_urls));
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
            let (name, ip) = (&device.name, &device.ip);
            Some(said!("device `{name}` ({ip}): {error}", "设备 `{name}`（{ip}）：{error}"))
        })
        .collect()
}
