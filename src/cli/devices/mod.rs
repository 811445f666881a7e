//! `menshen devices`: of a running box over its local API, else on its data for the next start.

mod discover;
mod door;
mod password;
mod probe;
mod streams;
mod streams_fault;
mod streams_suggest;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use self::discover::{DiscoverArgs, discover};
use self::door::{DoorArgs, fire};
use self::probe::{ProbeArgs, probe};
use self::streams::{StreamsArgs, streams};
use super::ConfigArgs;
use super::local_api::LocalApi;
use crate::actors::tuning::Tuner;
use crate::adapters::camera::GstOpener;
use crate::adapters::changes_file::ChangesFile;
use crate::config::Settings;
use crate::ports::camera::{StreamOpener as _, StreamSpec};
use crate::ports::device_config_store::DeviceConfigStore as _;
use crate::ports::store::StoreError;
use crate::runtime::app::{base_tuning, create_data_dir};
use crate::runtime::devices::SettingsConfigStore;
use crate::runtime::open::open_registry_and_pictures;
use menshen_domain::device::DeviceConfig;
use menshen_domain::secrets::mask_credentials;
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
    /// All devices and how they stand 列出设备
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Add a device, as in `menshen devices add 192.168.1.25 type=network-camera url=rtsp://…` 添加设备
    Add {
        /// Its address, or another name unique on this box 设备地址
        ip: String,
        /// Keys of a [[devices]] block: name, type, pipeline, url, direction, permission_groups, … 设备参数
        #[arg(value_name = "KEY=VALUE")]
        keys: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Change keys of a device; `KEY=` takes a key away 修改设备
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
    /// Open a device's stream again from now on 启用设备
    Enable {
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Close a device's stream and keep it listed 停用设备
    Disable {
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Try a stream out: what it is and what is seen in it, or exactly why there is none, within ten seconds 测试视频流
    Probe(ProbeArgs),
    /// Try a device's door out: its relay is told at once, whether or not the box runs 测试开门
    Door(DoorArgs),
    /// Read pipelines and the configuration file's devices again; streams that have not changed go on 重新读取
    Reload {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &DevicesArgs) -> Result<ExitCode, Vec<String>> {
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
        Door(arguments) => fire(arguments),
        Reload { config } => reload(&config.settings()?),
    }
    .map_err(|error| vec![error])?;
    Ok(ExitCode::SUCCESS)
}

/// `key=value`, the value as TOML where it is TOML, else as text.
fn table(keys: &[String]) -> Result<DeviceTable, Vec<String>> {
    let mut table = Map::new();
    for text in keys {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            vec![format!("`{}`: expected KEY=VALUE, as in name=\"front door\"", mask_credentials(text))]
        })?;
        let value = match value {
            "" => Value::Null,
            value => serde_json::to_value(crate::config::source::parse_value(value)).unwrap_or_default(),
        };
        table.insert(key.trim().to_owned(), value);
    }
    Ok(table)
}

/// The devices of a box that is not running.
pub(super) struct Offline {
    pub book: SettingsConfigStore,
    pub tuner: Tuner,
}

/// `None` when a box runs on this data.
pub(super) fn offline(settings: &Settings) -> Result<Option<Offline>, String> {
    create_data_dir(&settings.data_dir).map_err(|errors| errors.join("; "))?;
    match open_registry_and_pictures(settings) {
        Ok(stores) => drop(stores),
        Err(StoreError::Locked { .. }) => return Ok(None),
        Err(other) => return Err(other.to_string()),
    }
    let tuner = Tuner::new(Arc::new(ChangesFile::new(&settings.data_dir)), base_tuning(settings))
        .map_err(|error| error.to_string())?;
    let mut settings = settings.clone();
    settings.change_identity(&tuner.changes());
    let again = settings.clone();
    Ok(Some(Offline {
        book: SettingsConfigStore::new(&settings, Box::new(move || Ok(again.clone()))),
        tuner,
    }))
}

const PATH: &str = "/menshen/api/devices";

fn list(settings: &Settings) -> Result<(), String> {
    let Some(Offline { book, tuner }) = offline(settings)? else {
        let answer = LocalApi::new(settings)?.get(PATH)?;
        for device in answer["devices"].as_array().into_iter().flatten() {
            let text = |key: &str| device[key].as_str().unwrap_or_default();
            let reason = device["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
            let state = format!("{}{reason}", text("state"));
            line(text("ip"), text("name"), text("type"), text("pipeline"), &state, text("url"));
        }
        return Ok(());
    };
    let (devices, problems) = book.list(&tuner.changes());
    for device in &devices {
        let DeviceConfig { ip, name, pipeline, enabled, .. } = device;
        let kind = serde_json::to_value(device.kind).unwrap_or_default();
        let state = if *enabled { "not running 未运行" } else { "disabled 已停用" };
        line(ip, name, kind.as_str().unwrap_or_default(), pipeline, state, &device.masked_url());
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn line(ip: &str, name: &str, kind: &str, pipeline: &str, state: &str, url: &str) {
    say(&format!("{ip:<18} {name:<16} {kind:<16} {pipeline:<10} {state:<24} {url}"));
}

fn change(settings: &Settings, ip: &str, change: &DeviceChange) -> Result<(), String> {
    let Some(Offline { book, tuner }) = offline(settings)? else {
        let api = LocalApi::new(settings)?;
        let (method, mut body) = match change {
            DeviceChange::Add(table) => (Method::POST, table.clone()),
            DeviceChange::Set(table) => (Method::PUT, table.clone()),
            DeviceChange::Remove => (Method::DELETE, Map::new()),
        };
        body.insert("ip".to_owned(), ip.into());
        let answer = api.call(method, PATH, Some(&Value::Object(body)))?;
        say(&match answer["state"].as_str() {
            Some(state) => format!("{ip}: {state}"),
            None => format!("{ip}: removed 已删除"),
        });
        return Ok(());
    };
    let becomes = book.changed(&tuner.changes(), ip, change).map_err(|refusal| refusal.to_string())?;
    if let Some((_, device)) = &becomes {
        let opener = GstOpener::new(&settings.pipelines_dir)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let (pipeline, parameters) = (device.pipeline.clone(), device.parameters.clone());
        opener
            .check(&StreamSpec { device_id: device.ep_id.clone(), pipeline, parameters })
            .map_err(|error| error.to_string())?;
    }
    let table = becomes.map(|(table, _)| table);
    tuner
        .change(|changes| drop(changes.devices.insert(ip.to_owned(), table)))
        .map_err(|error| error.to_string())?;
    say(&format!("{ip}: from the next start on 下次启动生效"));
    Ok(())
}

fn reload(settings: &Settings) -> Result<(), String> {
    if offline(settings)?.is_some() {
        return Err("no box is running on this data; it reads everything when it starts".to_owned());
    }
    let answer = LocalApi::new(settings)?.post(&format!("{PATH}/reload"), None)?;
    let changed: Vec<&str> =
        answer["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let devices = &answer["devices"];
    say(&match changed.as_slice() {
        [] => format!("{devices} devices, nothing has changed 无变化"),
        changed => format!("{devices} devices, changed 已更新: {}", changed.join(", ")),
    });
    Ok(())
}

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
pub(super) fn say(line: &str) {
    println!("{line}");
}
