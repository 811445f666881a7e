//! `menshen devices`: over the local API of the running box, else on its data for the next start.

mod change;
mod discover;
mod door;
mod known;
mod list;
mod password;
mod probe;
mod streams;
mod streams_fault;
mod streams_suggest;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use self::change::{change, reload};
use self::discover::{DiscoverArgs, discover};
use self::door::{DoorArgs, act};
use self::list::list;
use self::probe::{ProbeArgs, probe};
use self::streams::{StreamsArgs, streams};
use super::config_args::ConfigArgs;
use super::language::{help, said};
use menshen_domain::secrets::mask_url;
use menshen_domain::tuning::{DeviceChange, DeviceTable};

pub use self::known::{Known, known_devices};

#[derive(Args)]
pub struct DevicesArgs {
    #[command(subcommand)]
    command: DevicesCommand,
}

#[derive(Subcommand)]
enum DevicesCommand {
    #[command(about = help(
        "Find the cameras on this network that speak ONVIF",
        "搜索网络中的摄像机（ONVIF）"
    ))]
    Discover(DiscoverArgs),
    #[command(about = help(
        "Ask a camera for its RTSP addresses, over ONVIF, within ten seconds",
        "查询摄像机的 RTSP 地址（ONVIF），十秒内完成"
    ))]
    Streams(StreamsArgs),
    #[command(about = help(
        "List devices and their state, with the reason and the mend where one is not up",
        "列出设备及状态；未在线的给出原因和处理办法"
    ))]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Add a device, as in `menshen devices add 192.168.1.25 type=network-camera url=rtsp://…`",
        "添加设备，如 menshen devices add 192.168.1.25 type=network-camera url=rtsp://…"
    ))]
    Add {
        #[arg(help = help("Its address, or another unique name", "设备地址，或其他唯一的名称"))]
        ip: String,
        #[arg(value_name = "KEY=VALUE", help = help(
            "Keys of a [[devices]] block: name, type, pipeline, url, direction, permission_groups, …",
            "[[devices]] 的参数：name、type、pipeline、url、direction、permission_groups 等"
        ))]
        keys: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Change keys of a device; `KEY=` removes a key, `ip=NEW` moves it to another address with all it has",
        "修改设备；KEY= 删除该参数，ip=新地址 把设备连同其全部设置移到新地址"
    ))]
    Change {
        #[arg(help = help("The device's `ip`", "设备的 ip"))]
        ip: String,
        #[arg(value_name = "KEY=VALUE", required = true, help = help("Keys and their new values", "参数及新值"))]
        keys: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Forget what was changed of a device: it is as the configuration file says again",
        "撤销对设备的修改，恢复为配置文件的内容"
    ))]
    Reset {
        #[arg(help = help("The device's `ip`", "设备的 ip"))]
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Remove a device", "删除设备"))]
    Remove {
        #[arg(help = help("The device's `ip`", "设备的 ip"))]
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Enable a device: open its stream", "启用设备：打开其码流"))]
    Enable {
        #[arg(help = help("The device's `ip`", "设备的 ip"))]
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Disable a device: close its stream and keep it in the list",
        "停用设备：关闭其码流，保留在列表中"
    ))]
    Disable {
        #[arg(help = help("The device's `ip`", "设备的 ip"))]
        ip: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help(
        "Test a stream: its format and the faces in it, or why it cannot be opened, within ten seconds",
        "测试视频流：格式与人脸，或无法打开的原因，十秒内完成"
    ))]
    Probe(ProbeArgs),
    #[command(about = help(
        "Test a device's door: switch its relay at once, whether or not Menshen is running",
        "测试开门：立即动作继电器，无论门神是否在运行"
    ))]
    Door(DoorArgs),
    #[command(about = help(
        "Reload pipelines and the devices of the configuration file; unchanged streams keep running",
        "重新读取采集管道和配置文件中的设备；未变的码流不中断"
    ))]
    Reload {
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &DevicesArgs) -> anyhow::Result<ExitCode> {
    use DevicesCommand::{
        Add, Change, Disable, Discover, Door, Enable, List, Probe, Reload, Remove, Reset, Streams,
    };
    let enabled = |on: bool| DeviceChange::Set([("enabled".to_owned(), json!(on))].into_iter().collect());
    match &arguments.command {
        List { config } => list(&config.settings()?),
        Add { ip, keys, config } => change(&config.settings()?, ip, &DeviceChange::Add(table(keys)?)),
        Change { ip, keys, config } => change(&config.settings()?, ip, &DeviceChange::Set(table(keys)?)),
        Reset { ip, config } => change(&config.settings()?, ip, &DeviceChange::Reset),
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
        let (key, value) = text.split_once('=').ok_or_else(|| {
            let text = mask_url(text);
            anyhow!(said!(
                "`{text}`: expected KEY=VALUE, as in name=\"front door\"",
                "`{text}`：应为 参数=值，如 name=\"前门\""
            ))
        })?;
        let value = match value {
            "" => Value::Null,
            value => serde_json::to_value(crate::config::source::value_of(key, value)).unwrap_or_default(),
        };
        table.insert(key.trim().to_owned(), value);
    }
    Ok(table)
}
