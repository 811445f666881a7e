//! `menshen devices discover`: the cameras on the network that speak ONVIF.

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use url::Url;

use super::{Known, known_devices};
use crate::adapters::onvif::discovery::{Found, interfaces, search};
use crate::cli::config_args::ConfigArgs;
use crate::cli::language::help;
use crate::cli::output::{print_line, print_note};
use crate::runtime::problems::Problems;
use menshen_domain::device::DeviceConfig;
use menshen_domain::limits;
use menshen_domain::secrets::mask_credentials;
use menshen_domain::status::Language;
use menshen_domain::text::spoken;
use menshen_protocol::onvif::discovery::FoundCamera;

#[derive(Args)]
pub struct DiscoverArgs {
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=limits::ONVIF_SEARCH_S_MAX), help = help("Seconds to wait for answers", "等待应答的秒数"))]
    seconds: u64,
    #[arg(long = "interface", value_name = "IP", help = help("Search only from this address of this machine; may be repeated. Default: all but the loopback", "只从本机的此地址搜索；可重复。缺省：除回环外的全部地址"))]
    interfaces: Vec<Ipv4Addr>,
    #[arg(long, help = help("Print JSON", "输出 JSON"))]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn discover(arguments: &DiscoverArgs) -> anyhow::Result<ExitCode> {
    let settings = arguments.config.settings()?;
    let Known { devices: known, problems, .. } = known_devices(&settings)?;
    for problem in &problems {
        print_note(problem);
    }
    let from = interfaces(&arguments.interfaces)?;
    let zh = spoken() == Language::Zh;
    if !arguments.json {
        let (seconds, from) = (arguments.seconds, from.iter().map(ToString::to_string).collect::<Vec<_>>());
        let from = from.join(", ");
        print_note(&if zh {
            format!("正在搜索 {seconds} 秒，从 {from} …")
        } else {
            format!("searching for {seconds} s from {from} …")
        });
    }
    let found = search(&from, Duration::from_secs(arguments.seconds), |camera| {
        if !arguments.json {
            print_note(&format!("  + {} {}", camera.ip, camera.name.as_deref().unwrap_or_default()));
        }
    });
    let failed = found.failed.iter().map(|(interface, why)| format!("{interface}: {why}"));
    if found.failed.len() == from.len() && found.cameras.is_empty() {
        return Err(failed.collect::<Problems>().into());
    }
    if arguments.json {
        print_line(&as_json(&found, &known).to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if !found.cameras.is_empty() {
        let (have, none) = if zh { ("已添加为", "–") } else { ("device", "–") };
        let (name, hardware) = if zh { ("名称", "型号") } else { ("name", "hardware") };
        line("ip", name, hardware, have, "XAddrs");
        for camera in &found.cameras {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let device = device_of(camera, &known).map_or(none, |device| device.ip.as_str());
            let addresses: Vec<String> = shown_addresses(camera).collect();
            let ip = camera.ip.to_string();
            line(&ip, &text(&camera.name), &text(&camera.hardware), device, &addresses.join(" "));
        }
    }
    failed.for_each(|text| print_note(&text));
    for text in summary(&found, zh) {
        print_note(&text);
    }
    Ok(ExitCode::SUCCESS)
}

/// The device that is this camera: by its `ip`, or by the host of its address.
fn device_of<'a>(camera: &FoundCamera, known: &'a [DeviceConfig]) -> Option<&'a DeviceConfig> {
    let hosts: Vec<String> = camera.hosts().collect();
    let is_at = |device: &DeviceConfig| {
        let url = device.parameters.get("url").and_then(|url| Url::parse(url).ok());
        let host = url.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']));
        hosts.contains(&device.ip) || host.is_some_and(|host| hosts.iter().any(|known| known == host))
    };
    known.iter().find(|device| is_at(device))
}

fn shown_addresses(camera: &FoundCamera) -> impl Iterator<Item = String> {
    camera.addresses.iter().map(|url| mask_credentials(url.as_str()))
}

fn as_json(found: &Found, known: &[DeviceConfig]) -> Value {
    let camera = |camera: &FoundCamera| {
        json!({
            "ip": camera.ip, "endpoint": camera.endpoint, "name": camera.name, "hardware": camera.hardware,
            "location": camera.location, "xaddrs": shown_addresses(camera).collect::<Vec<_>>(),
            "device": device_of(camera, known).map(|device| &device.ip),
        })
    };
    let failed: Vec<Value> = found
        .failed
        .iter()
        .map(|(interface, why)| json!({ "interface": interface.ip, "message": why }))
        .collect();
    json!({
        "cameras": found.cameras.iter().map(camera).collect::<Vec<_>>(), "others": found.others,
        "unreadable": found.unreadable, "left_out": found.too_many, "cut_short": found.is_cut_short, "failed": failed,
    })
}

/// Lines beside the table.
fn summary(found: &Found, zh: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let count = found.cameras.len();
    lines.push(match (count, zh) {
        (0, true) => "没有摄像机应答：请确认摄像机与本机在同一网段、已启用 ONVIF（海康：网络 → 高级 → 集成协议），\
                      且防火墙放行 UDP 3702"
            .to_owned(),
        (0, false) => {
            "no camera answered: are they on the same network as this machine, is ONVIF switched on in them (Hikvision: \
             Network, Advanced, Integration Protocol), and does a firewall keep answers from UDP port 3702?"
                .to_owned()
        }
        (_, true) => format!("{count} 台摄像机；查询视频流地址：menshen devices streams IP --user admin --password-stdin"),
        (_, false) => {
            format!("{count} found; their streams: menshen devices streams IP --user admin --password-stdin")
        }
    });
    let more = [
        (
            found.others,
            "台其他设备应答（打印机、电脑等）",
            "others answered that are no cameras (printers, computers)",
        ),
        (found.unreadable, "个应答无法读取", "answers could not be read"),
        (found.too_many, "台摄像机超出上限，未列出", "answers of more cameras than are listed"),
    ];
    for (count, chinese, english) in more.into_iter().filter(|(count, ..)| *count > 0) {
        lines.push(if zh { format!("{count} {chinese}") } else { format!("{count} {english}") });
    }
    if found.is_cut_short {
        let max = limits::ONVIF_ANSWERS_MAX;
        lines.push(if zh {
            format!("应答超过 {max} 个，提前结束：有设备在泛洪")
        } else {
            format!("ended early after {max} answers: something floods this network")
        });
    }
    lines
}

fn line(ip: &str, name: &str, hardware: &str, device: &str, addresses: &str) {
    print_line(&format!("{ip:<16} {name:<28} {hardware:<20} {device:<16} {addresses}"));
}
