//! Adding, changing, moving and removing devices, and reading the file's again.

use anyhow::bail;
use reqwest::Method;
use serde_json::{Map, Value};

use crate::adapters::camera::GstOpener;
use crate::cli::language::said;
use crate::cli::local_api::{DEVICES, LocalApi};
use crate::cli::note_change::write_down;
use crate::cli::offline::{Offline, offline};
use crate::cli::output::{print_line, print_note};
use crate::config::Settings;
use crate::ports::camera::{StreamOpener as _, StreamSpec};
use crate::ports::device_config_store::DeviceConfigStore as _;
use crate::runtime::problems::Problems;
use menshen_domain::tuning::DeviceChange;

pub fn change(settings: &Settings, ip: &str, change: &DeviceChange) -> anyhow::Result<()> {
    let moved = match change {
        DeviceChange::Set(keys) => keys.get("ip").and_then(Value::as_str).filter(|new| *new != ip),
        _ => None,
    };
    let Some(Offline { device_configs, tuner }) = offline(settings)? else {
        let answer = through_the_box(settings, ip, change)?;
        print_line(&match (answer["state"].as_str(), change) {
            (Some(state), _) => format!("{}: {state}", moved.unwrap_or(ip)),
            (None, DeviceChange::Reset) => {
                said!(
                    "{ip}: removed; the configuration file does not have it",
                    "{ip}：已删除（配置文件中没有）"
                )
            }
            (None, _) => said!("{ip}: removed", "{ip}：已删除"),
        });
        note_move(ip, moved);
        return Ok(());
    };
    let becomes = device_configs.changed(&tuner.changes(), ip, change)?;
    if let Some(device) = &becomes.config {
        let opener = GstOpener::new(&settings.pipelines_dir).map_err(Problems::from_iter)?;
        let (pipeline, parameters) = (device.pipeline.clone(), device.parameters.clone());
        opener.check(&StreamSpec { device_id: device.ip.clone(), pipeline, parameters })?;
    }
    let done = tuner.change(|changes| changes.put_devices(becomes.entries));
    write_down(settings, "devices change", ip, &done);
    done?;
    let now = moved.unwrap_or(ip);
    print_line(&said!("{now}: from the next start on", "{now}：下次启动生效"));
    note_move(ip, moved);
    Ok(())
}

fn through_the_box(settings: &Settings, ip: &str, change: &DeviceChange) -> anyhow::Result<Value> {
    let (method, path, mut body) = match change {
        DeviceChange::Add(table) => (Method::POST, DEVICES.to_owned(), table.clone()),
        DeviceChange::Set(table) => (Method::PUT, DEVICES.to_owned(), table.clone()),
        DeviceChange::Remove => (Method::DELETE, DEVICES.to_owned(), Map::new()),
        DeviceChange::Reset => (Method::POST, format!("{DEVICES}/reset"), Map::new()),
    };
    if let Some(new) = body.remove("ip") {
        body.insert("new_ip".to_owned(), new);
    }
    body.insert("ip".to_owned(), ip.into());
    LocalApi::new(settings)?.call(method, &path, Some(&Value::Object(body)))
}

/// What comes along with a device that moves, and what does not.
fn note_move(ip: &str, moved: Option<&str>) {
    let Some(new) = moved else { return };
    print_note(&said!(
        "moved from {ip} to {new}: groups, door and all other keys come along, and addresses at {ip} lead to {new}. Events so \
         far stay under {ip}; the platform sees {new} as a new device",
        "已由 {ip} 移至 {new}：权限组、门和其他设置一并保留，指向 {ip} 的地址改为 {new}。已有事件仍属 {ip}；平台将 {new} 视为新设备"
    ));
}

pub fn reload(settings: &Settings) -> anyhow::Result<()> {
    if offline(settings)?.is_some() {
        bail!(said!(
            "no box is running on this data; it reads everything when it starts",
            "门神未在运行；启动时会读取全部配置"
        ));
    }
    let answer = LocalApi::new(settings)?.post(&format!("{DEVICES}/reload"), None)?;
    let changed: Vec<&str> =
        answer["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (devices, changed) = (&answer["devices"], changed.join(", "));
    print_line(&if changed.is_empty() {
        said!("{devices} devices, nothing has changed", "{devices} 台设备，无变化")
    } else {
        said!("{devices} devices, changed: {changed}", "{devices} 台设备，已更新：{changed}")
    });
    Ok(())
}
