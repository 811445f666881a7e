//! `menshen devices`: over the local API of the running box, else on its data for the next start.

mod discover;
mod door;
mod password;
mod probe;
mod streams;
mod streams_fault;
mod streams_suggest;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use self::discover::{DiscoverArgs, discover};
use self::door::{DoorArgs, act};
use self::probe::{ProbeArgs, probe};
use self::streams::{StreamsArgs, streams};
use super::config_args::ConfigArgs;
use super::local_api::LocalApi;
use super::note_change::write_down;
use super::offline::{Offline, offline};
use super::output::print_line;
use crate::adapters::camera::GstOpener;
use crate::config::Settings;
use crate::ports::camera::{StreamOpener as _, StreamSpec};
use crate::ports::device_config_store::DeviceConfigStore as _;
use crate::runtime::problems::Problems;
use menshen_domain::device::DeviceConfig;
use menshen_domain::secrets::mask_url;
use menshen_domain::tuning::{DeviceChange, DeviceTable};

#[derive(Args)]
pub struct DevicesArgs {
    #[command(subcommand)]
    command: DevicesCommand,
}

#[derive(Subcommand)]
enum DevicesCommand {
    /// Find the cameras on this network that speak ONVIF 搜索网络中的摄像机（ONVIF）
    Discover(DiscoverArgs),
    /// Ask a camera for its RTSP addresses, over ONVIF, within ten seconds 查询摄像机的 RTSP 地址（ONVIF）
    Streams(StreamsArgs),
    /// List devices and their state 列出设备
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Add a device, as in `menshen devices add 192.168.1.25 type=network-camera url=rtsp://…` 添加设备
    Add {
        /// Its address, or another unique name 设备地址
        ip: String,
        /// Keys of a [[devices]] block: name, type, pipeline, url, direction, permission_groups, … 设备参数
        #[arg(value_name = "KEY=VALUE")]
        keys: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Change keys of a device; `KEY=` removes a key 修改设备
    Change {
        ip: String,
        #[arg(value_name = "KEY=VALUE", required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Remove a device 删除设备
    Remove {
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Enable a device: open its stream 启用设备
    Enable {
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Disable a device: close its stream and keep it in the list 停用设备
    Disable {
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Test a stream: its format and the faces in it, or why it cannot be opened, within ten seconds 测试视频流
    Probe(ProbeArgs),
    /// Test a device's door: switch its relay at once, whether or not Menshen is running 测试开门
    Door(DoorArgs),
    /// Reload pipelines and the devices of the configuration file; unchanged streams keep running 重新读取
    Reload {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &DevicesArgs) -> anyhow::Result<ExitCode> {
    use DevicesCommand::{
        Add, Change, Disable, Discover, Door, Enable, List, Probe, Reload, Remove, Streams,
    };
    let enabled = |on: bool| DeviceChange::Set([("enabled".to_owned(), json!(on))].into_iter().collect());
    match &arguments.command {
        List { config } => list(&config.settings()?),
        Add { ip, keys, config } => change(&config.settings()?, ip, &DeviceChange::Add(table(keys)?)),
        Change { ip, keys, config } => change(&config.settings()?, ip, &DeviceChange::Set(table(keys)?)),
        Remove { ip, config } => change(&config.settings()?, ip, &DeviceChange::Remove),
        Enable { ip, config } => change(&config.settings()?, ip, &enabled(true)),
        Disable { ip, config } => change(&config.settings()?, ip, &enabled(false)),
        Discover(arguments) => return discover(arguments),
        Streams(arguments) => return streams(arguments),
        Probe(arguments) => return probe(arguments),
        Door(arguments) => act(arguments),
        Reload { config } => reload(&config.settings()?),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// `key=value`, the value as TOML where it is TOML, else as text.
fn table(keys: &[String]) -> anyhow::Result<DeviceTable> {
    let mut table = Map::new();
    for text in keys {
        let (key, value) = text.split_once('=').with_context(|| {
            format!("`{}`: expected KEY=VALUE, as in name=\"front door\"", mask_url(text))
        })?;
        let value = match value {
            "" => Value::Null,
            value => serde_json::to_value(crate::config::source::value_of(key, value)).unwrap_or_default(),
        };
        table.insert(key.trim().to_owned(), value);
    }
    Ok(table)
}

const PATH: &str = "/menshen/api/devices";

fn list(settings: &Settings) -> anyhow::Result<()> {
    let Some(Offline { device_configs, tuner }) = offline(settings)? else {
        let answer = LocalApi::new(settings)?.get(PATH)?;
        for device in answer["devices"].as_array().into_iter().flatten() {
            let text = |key: &str| device[key].as_str().unwrap_or_default();
            let reason = device["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
            let state = format!("{}{reason}", text("state"));
            line(text("ip"), text("name"), text("type"), text("pipeline"), &state, text("url"));
        }
        return Ok(());
    };
    let (devices, problems) = device_configs.list(&tuner.changes());
    for device in &devices {
        let DeviceConfig { ip, name, pipeline, enabled, .. } = device;
        let kind = serde_json::to_value(device.kind).unwrap_or_default();
        let state = if *enabled { "not running 未运行" } else { "disabled 已停用" };
        line(ip, name, kind.as_str().unwrap_or_default(), pipeline, state, &device.masked_url());
    }
    if problems.is_empty() { Ok(()) } else { bail!(problems.join("; ")) }
}

fn line(ip: &str, name: &str, kind: &str, pipeline: &str, state: &str, url: &str) {
    print_line(&format!("{ip:<18} {name:<16} {kind:<16} {pipeline:<10} {state:<24} {url}"));
}

fn change(settings: &Settings, ip: &str, change: &DeviceChange) -> anyhow::Result<()> {
    let Some(Offline { device_configs, tuner }) = offline(settings)? else {
        let api = LocalApi::new(settings)?;
        let (method, mut body) = match change {
            DeviceChange::Add(table) => (Method::POST, table.clone()),
            DeviceChange::Set(table) => (Method::PUT, table.clone()),
            DeviceChange::Remove => (Method::DELETE, Map::new()),
        };
        body.insert("ip".to_owned(), ip.into());
        let answer = api.call(method, PATH, Some(&Value::Object(body)))?;
        print_line(&match answer["state"].as_str() {
            Some(state) => format!("{ip}: {state}"),
            None => format!("{ip}: removed 已删除"),
        });
        return Ok(());
    };
    let becomes = device_configs.changed(&tuner.changes(), ip, change)?;
    if let Some((_, device)) = &becomes {
        let opener = GstOpener::new(&settings.pipelines_dir).map_err(Problems::from_iter)?;
        let (pipeline, parameters) = (device.pipeline.clone(), device.parameters.clone());
        opener.check(&StreamSpec { device_id: device.ip.clone(), pipeline, parameters })?;
    }
    let table = becomes.map(|(table, _)| table);
    let done = tuner.change(|changes| drop(changes.devices.insert(ip.to_owned(), table)));
    write_down(settings, "devices change", ip, &done);
    done?;
    print_line(&format!("{ip}: from the next start on 下次启动生效"));
    Ok(())
}

fn reload(settings: &Settings) -> anyhow::Result<()> {
    if offline(settings)?.is_some() {
        bail!("no box is running on this data; it reads everything when it starts");
    }
    let answer = LocalApi::new(settings)?.post(&format!("{PATH}/reload"), None)?;
    let changed: Vec<&str> =
        answer["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let devices = &answer["devices"];
    print_line(&match changed.as_slice() {
        [] => format!("{devices} devices, nothing has changed 无变化"),
        changed => format!("{devices} devices, changed 已更新: {}", changed.join(", ")),
    });
    Ok(())
}
