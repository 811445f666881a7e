//! `menshen devices door`: the installer's test of a relay.

use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::json;

use crate::actors::devices::door::order_of;
use crate::adapters::relay::Relays;
use crate::cli::config_args::ConfigArgs;
use crate::cli::language::{help, said};
use crate::cli::local_api::LocalApi;
use crate::cli::offline::{Offline, offline};
use crate::cli::output::print_line;
use crate::config::Settings;
use crate::ports::device_config_store::DeviceConfigStore as _;
use crate::ports::relay::DoorRelay as _;
use menshen_domain::limits;
use menshen_domain::relay::{ActionMode, DEFAULT_SECONDS, DoorCommand};
use reqwest::Method;

#[derive(Args)]
pub struct DoorArgs {
    #[arg(help = help("The device of the door", "门所属的设备"))]
    ip: String,
    #[arg(value_parser = mode, default_value = "opendoor", help = help("opendoor, closedoor or alarm", "动作：opendoor（开门）、closedoor（关门）或 alarm（报警）"))]
    mode: ActionMode,
    #[arg(long, default_value_t = DEFAULT_SECONDS, value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::DOOR_SECONDS_MAX)), help = help("Seconds that the door stays open or the alarm rings", "开门或报警持续的秒数"))]
    seconds: u32,
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=65_535), help = help("Output of the relay; 0 for all", "继电器输出；0 表示全部"))]
    port: u32,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A word that is no action of a door.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", said!("there is opendoor, closedoor, alarm", "可用 opendoor、closedoor、alarm"))]
struct UnknownMode;

fn mode(text: &str) -> Result<ActionMode, UnknownMode> {
    ActionMode::from_wire(text).ok_or(UnknownMode)
}

const PATH: &str = "/SophonFogSys/api/EventAction";

pub fn act(arguments: &DoorArgs) -> anyhow::Result<()> {
    let settings = arguments.config.settings()?;
    match offline(&settings)? {
        None => through_the_box(arguments, &settings),
        Some(files) => by_itself(arguments, &files),
    }
}

fn through_the_box(arguments: &DoorArgs, settings: &Settings) -> anyhow::Result<()> {
    let action = json!({
        "action_ip": arguments.ip, "action_mode": arguments.mode.wire(), "action_duration": arguments.seconds,
        "logic_port": arguments.port,
    });
    let answer = LocalApi::new(settings)?.call(Method::PUT, PATH, Some(&json!({ "action": [action] })))?;
    let done = &answer["action"][0];
    if done["result"].as_bool() != Some(true) {
        let none = said!("no answer", "没有应答");
        bail!("{}: {}", arguments.ip, done["message"].as_str().unwrap_or(&none));
    }
    let (ip, mode, id) = (&arguments.ip, arguments.mode.wire(), done["id"].as_str().unwrap_or_default());
    print_line(&said!("{ip}: {mode} done (id {id})", "{ip}：{mode} 已执行（id {id}）"));
    Ok(())
}

/// No box is running: this process is there for as long as the door is open.
fn by_itself(arguments: &DoorArgs, files: &Offline) -> anyhow::Result<()> {
    let DoorArgs { ip, mode, seconds, port, .. } = arguments;
    let (devices, _) = files.device_configs.list(&files.tuner.changes());
    let device = devices.iter().find(|device| device.ip == *ip);
    let command = DoorCommand { mode: *mode, seconds: *seconds, logic_port: *port, action_port: 0 };
    let order = order_of(device, ip, &command)?;
    let rests = order.steps.iter().any(|step| step.rest.is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let relays = Relays::new()?;
        let done = relays.act(order).await.map_err(|reason| anyhow!("{ip}: {reason}"));
        if done.is_ok() {
            print_line(&said!("{ip}: {mode} done", "{ip}：{mode} 已执行", mode = mode.wire()));
        }
        if rests {
            print_line(&said!(
                "{ip}: switched back in {seconds} s, or with Ctrl-C",
                "{ip}：{seconds} 秒后或按 Ctrl-C 复位"
            ));
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(u64::from(*seconds))) => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            relays.rest_all().await;
        }
        done
    })
}
