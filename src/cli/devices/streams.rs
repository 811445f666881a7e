//! `menshen devices streams`: a camera's RTSP addresses, from the camera itself, or exactly why there are none.

use std::net::Ipv6Addr;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::{Value, json};
use url::Url;

use super::password::read_password;
use super::streams_fault::{kind, text};
use super::streams_suggest::Suggested;
use crate::adapters::onvif::Login;
use crate::adapters::onvif::lookup::{Found, FoundStream, streams as ask};
use crate::cli::config_args::ConfigArgs;
use crate::cli::language::{help, said};
use crate::cli::output::{print_line, print_note};
use menshen_domain::address::Address;
use menshen_domain::limits;
use menshen_domain::status::Language;
use menshen_domain::text::spoken;

#[derive(Args)]
pub struct StreamsArgs {
    #[arg(help = help("HOST, HOST:PORT or http://…/onvif/device_service", "摄像机地址：主机、主机:端口 或 http://…/onvif/device_service"))]
    target: String,
    #[arg(long, help = help("A user of the camera; with some makers ONVIF users are not those of the web page", "摄像机用户名；部分厂商的 ONVIF 用户与网页用户不同"))]
    user: Option<String>,
    #[arg(long, requires = "user", conflicts_with = "password_stdin", help = help("Password; other users of this machine can see it, so prefer --password-stdin", "密码；本机其他用户可见，建议用 --password-stdin"))]
    password: Option<String>,
    #[arg(long, requires = "user", help = help("Read the password from standard input: type it unseen, or pipe it in", "从标准输入读取密码（不回显）"))]
    password_stdin: bool,
    #[arg(long, help = help("Print JSON", "输出 JSON"))]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

const SERVICE: &str = "/onvif/device_service";

pub fn streams(arguments: &StreamsArgs) -> anyhow::Result<ExitCode> {
    arguments.config.settings()?;
    let language = spoken();
    let (device, login) = arguments.asked()?;
    let host = device.host_str().unwrap_or_default().to_owned();
    if !arguments.json {
        let port = device.port_or_known_default().unwrap_or_default();
        print_note(&if language == Language::Zh {
            format!("正在查询 {host}:{port} …")
        } else {
            format!("asking {host}:{port} …")
        });
    }
    let user = login.as_ref().map(|login| login.user.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(ask(&device, login));
    // A name server that does not answer would hold it for half a minute.
    runtime.shutdown_background();
    match found {
        Ok(found) => {
            let suggested = Suggested::of(&found.streams, &host, user.as_deref());
            if arguments.json {
                print_line(&as_json(&found, &suggested, language).to_string());
            } else {
                print_found(&found, &suggested, &host, language);
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if arguments.json => {
            let message = text(&error, language);
            print_line(&json!({ "ok": false, "fault": kind(&error), "message": message }).to_string());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => bail!(text(&error, language)),
    }
}

impl StreamsArgs {
    /// The device service, without a login in it, and the login.
    fn asked(&self) -> anyhow::Result<(Url, Option<Login>)> {
        let mut url = device_service(&self.target)?;
        let of_url = (!url.username().is_empty())
            .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
        // Cannot fail: the address has a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let Some(user) = self.user.clone() else {
            return Ok((url, of_url.map(|(user, password)| Login { user, password })));
        };
        let password = match &self.password {
            Some(password) => password.clone(),
            None if self.password_stdin => read_password(&said!("{user} password: ", "{user} 密码："))?,
            None => bail!(said!(
                "--user wants --password-stdin, or --password",
                "--user 需要 --password-stdin 或 --password"
            )),
        };
        Ok((url, Some(Login { user, password })))
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The address of the device service that a target means.
fn device_service(target: &str) -> anyhow::Result<Url> {
    let target = target.trim();
    let wrong = || {
        let target = menshen_domain::secrets::mask_url(target);
        anyhow!(said!(
            "`{target}` is no address of an ONVIF service; give HOST, HOST:PORT or http://HOST{SERVICE}",
            "`{target}` 不是 ONVIF 服务地址；请填写 主机、主机:端口 或 http://主机{SERVICE}"
        ))
    };
    let text = match target.split_once("://") {
        Some(("http" | "https", _)) => target.to_owned(),
        Some(_) => return Err(wrong()),
        None if target.parse::<Ipv6Addr>().is_ok() => format!("http://[{target}]"),
        None => format!("http://{target}"),
    };
    let text = Address::read(&text).map_or(text, |address| address.canonical());
    let mut url = Url::parse(&text).map_err(|_| wrong())?;
    if url.path() == "/" {
        url.set_path(SERVICE);
    }
    Ok(url)
}

fn as_json(found: &Found, suggested: &Suggested, language: Language) -> Value {
    let stream = |FoundStream { profile, address }: &FoundStream| {
        let (width, height) = profile.size.unzip();
        let error = address.as_ref().err();
        json!({
            "name": profile.name, "token": profile.token, "source": profile.source, "codec": profile.codec,
            "width": width, "height": height, "frames_per_s": profile.frames_per_s,
            "url": address.as_ref().ok().map(menshen_protocol::onvif::media::StreamAddress::shown),
            "fault": error.map(kind), "message": error.map(|error| text(error, language)),
        })
    };
    json!({
        "ok": true, "media": found.version.number(), "clock_ahead_ms": found.clock_ahead_ms,
        "replaced_hosts": found.moved, "streams": found.streams.iter().map(stream).collect::<Vec<_>>(),
        "suggested": suggested.whole, "suggested_lighter": suggested.lighter,
    })
}

/// A clock that is further off deserves a word: recordings and events of the camera carry it.
const CLOCK_OFF_MS: u64 = 10_000;

fn print_found(found: &Found, suggested: &Suggested, host: &str, language: Language) {
    let zh = language == Language::Zh;
    for FoundStream { profile, address } in &found.streams {
        let name = if profile.name.is_empty() { &profile.token } else { &profile.name };
        let name = menshen_protocol::onvif::soap::tidy(name, limits::ONVIF_TEXT_CHARS_MAX);
        let codec = profile.codec.as_deref().unwrap_or("?");
        let size = profile.size.map_or_else(|| "?".to_owned(), |(width, height)| format!("{width}x{height}"));
        let rate = profile.frames_per_s.map_or_else(|| "?".to_owned(), |rate| format!("{rate}/s"));
        let address = match address {
            Ok(address) => address.shown(),
            Err(error) => text(error, language),
        };
        print_line(&format!("{name:<28} {codec:<6} {size:<10} {rate:<6} {address}"));
    }
    if !found.moved.is_empty() {
        let hosts = found.moved.join(", ");
        print_note(&if zh {
            format!("摄像机给出的主机 {hosts} 已换成 {host}（端口未变）：摄像机在路由器之后，或有多个地址")
        } else {
            format!(
                "the camera named {hosts}, replaced by {host} with its RTSP port kept: it is behind a router, or has several \
                 addresses"
            )
        });
    }
    if let Some(ahead_ms) = found.clock_ahead_ms.filter(|ms| ms.unsigned_abs() > CLOCK_OFF_MS) {
        let seconds = ahead_ms.unsigned_abs() / 1_000;
        print_note(&match (ahead_ms > 0, zh) {
            (true, true) => format!("摄像机时钟快 {seconds} 秒：请设置其时间"),
            (false, true) => format!("摄像机时钟慢 {seconds} 秒：请设置其时间"),
            (true, false) => format!("the camera's clock is {seconds} s ahead: set it"),
            (false, false) => format!("the camera's clock is {seconds} s behind: set it"),
        });
    }
    print_note(match (zh, suggested.has_password()) {
        (true, true) => "添加为设备（PASSWORD 处填密码，@ 写作 %40，/ 写作 %2F）：",
        (false, true) => "to add it (put the password for PASSWORD, with %40 for @ and %2F for /):",
        (true, false) => "添加为设备：",
        (false, false) => "to add it:",
    });
    suggested.whole.iter().for_each(|line| print_line(line));
    if !suggested.lighter.is_empty() {
        print_note(if zh {
            "或者，摄像机较多且人脸离得近时，在子码流中识别、图片取自主码流，更省算力（先用 devices probe 看子码流中人脸是否够大）："
        } else {
            "or, with many cameras and faces that come near: recognised in the sub-stream, pictures of the main one, at less work \
             (devices probe shows whether faces are large enough there):"
        });
        suggested.lighter.iter().for_each(|line| print_line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_in_all_forms_lead_to_the_device_service() {
        for (target, expected) in [
            ("192.168.1.64", "http://192.168.1.64/onvif/device_service"),
            ("192.168.1.64:8000", "http://192.168.1.64:8000/onvif/device_service"),
            ("cam.local", "http://cam.local/onvif/device_service"),
            ("fd00::5", "http://[fd00::5]/onvif/device_service"),
            ("http://10.0.0.9:8899/onvif/devices", "http://10.0.0.9:8899/onvif/devices"),
            ("https://10.0.0.9", "https://10.0.0.9/onvif/device_service"),
            ("admin:p@ss#1@10.0.0.9", "http://admin:p%40ss%231@10.0.0.9/onvif/device_service"),
        ] {
            assert_eq!(device_service(target).unwrap().as_str(), expected, "{target}");
        }
        for target in ["", "rtsp://u:s3cret@10.0.0.9/x", "rtsp://u:p@ s3cret@h", "http://", "a b"] {
            let error = device_service(target).unwrap_err().to_string();
            assert!(error.contains("HOST:PORT") && !error.contains("s3cret"), "{error}");
        }
    }
}
