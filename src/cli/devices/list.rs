//! `menshen devices list`: each device with its state, and why one is not up in the words of the probe.

use anyhow::bail;
use serde_json::Value;

use crate::adapters::changes_file::ChangesFile;
use crate::cli::language::said;
use crate::cli::local_api::{DEVICES, LocalApi};
use crate::cli::offline::{Offline, offline};
use crate::cli::output::{print_line, print_note};
use crate::config::Settings;
use crate::ports::changes::ChangesStore as _;
use crate::ports::device_config_store::DeviceConfigStore as _;
use crate::runtime::overridden::{Overridden, overridden};
use crate::runtime::storage::key_places;
use menshen_domain::device::DeviceConfig;
use menshen_domain::status::Language;
use menshen_domain::text::spoken;

pub fn list(settings: &Settings) -> anyhow::Result<()> {
    let Some(Offline { device_configs, tuner }) = offline(settings)? else {
        let language = if spoken() == Language::Zh { "zh" } else { "en" };
        let answer = LocalApi::new(settings)?.get(&format!("{DEVICES}?lang={language}"))?;
        for device in answer["devices"].as_array().into_iter().flatten() {
            let text = |key: &str| device[key].as_str().unwrap_or_default();
            let state = state_name(text("state"));
            line(text("ip"), text("name"), text("type"), text("pipeline"), &state, text("url"));
            if let Some(reason) = why(device) {
                print_line(&format!("{:<18} {reason}", ""));
            }
        }
        note_overridden(settings);
        return Ok(());
    };
    let (devices, problems) = device_configs.list(&tuner.changes());
    for device in &devices {
        let DeviceConfig { ip, name, pipeline, enabled, .. } = device;
        let kind = serde_json::to_value(device.kind).unwrap_or_default();
        let state = if *enabled { said!("not running", "未运行") } else { state_name("disabled") };
        line(ip, name, kind.as_str().unwrap_or_default(), pipeline, &state, &device.masked_url());
    }
    note_overridden(settings);
    if problems.is_empty() { Ok(()) } else { bail!(problems.join("; ")) }
}

/// The words of the state, as the local API names it.
fn state_name(state: &str) -> String {
    match state {
        "opening" => said!("opening", "正在打开"),
        "online" => said!("online", "在线"),
        "waiting-for-key-frame" => said!("waiting for a key frame", "等待关键帧"),
        "offline" => said!("offline", "离线"),
        "finished" => said!("finished", "已播放完"),
        "stopped" => said!("stopped", "已停止"),
        "disabled" => said!("disabled", "已停用"),
        other => other.to_owned(),
    }
}

/// Why a device is not up, and the mend.
fn why(device: &Value) -> Option<String> {
    if let Some(reason) = device["reason"].as_str() {
        return Some(reason.to_owned());
    }
    (device["state"] == "waiting-for-key-frame").then(|| {
        said!(
            "its packets come, and no key frame: set the camera's key-frame interval to 1-2 s",
            "有数据但没有关键帧：请把摄像机的关键帧间隔（I 帧间隔）设为 1-2 秒"
        )
    })
}

fn line(ip: &str, name: &str, kind: &str, pipeline: &str, state: &str, url: &str) {
    print_line(&format!("{ip:<18} {name:<16} {kind:<16} {pipeline:<10} {state:<24} {url}"));
}

/// Names what of the configuration file's devices does not count. Changes that cannot be read have been told by who needed them.
fn note_overridden(settings: &Settings) {
    let Ok(changes) = ChangesFile::new(key_places(settings)).load() else { return };
    for value in overridden(settings, &changes) {
        if !matches!(value, Overridden::Setting { .. }) {
            print_note(&value.text().to_string());
        }
    }
}
