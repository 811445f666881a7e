//! `menshen token`: who may call the local API. Works while the box runs, which takes notice at once.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::note_change::{now_ms, write_down};
use super::output::{print_line, print_note, print_warning};
use crate::adapters::tokens::TokenFile;
use crate::config::Settings;
use crate::runtime::storage::create_data_dir;
use menshen_domain::access::Role;

#[derive(Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    #[command(about = help("Make a token and print it, this once", "新建令牌并显示（仅此一次）"))]
    New {
        #[arg(help = help("Its name, as lists and the audit log show it", "名称，用于令牌列表和审计日志"))]
        name: String,
        #[arg(long, value_name = "IP", help = help(
            "For this device only, by its `ip`: it may post its photos and act on its door",
            "仅限该设备（按 ip）使用：可上传其照片、操作其门"
        ))]
        device: Option<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("List tokens", "令牌列表"))]
    List {
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Make a token worthless, at once", "吊销令牌，立即生效"))]
    Revoke {
        #[arg(help = help("Its name", "名称"))]
        name: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &TokenArgs) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        TokenCommand::New { name, device, config } => new(name, device.as_deref(), &settings(config)?),
        TokenCommand::List { config } => list(&settings(config)?),
        TokenCommand::Revoke { name, config } => revoke(name, &settings(config)?),
    }
}

/// A first token may be what the configuration lacks, so its mistakes are no reason to make none.
fn settings(config: &ConfigArgs) -> anyhow::Result<Settings> {
    Ok(config.inspect()?.0)
}

fn new(name: &str, device: Option<&str>, settings: &Settings) -> anyhow::Result<ExitCode> {
    let role = device.map_or(Role::Admin, |device| Role::Device { device: device.to_owned() });
    create_data_dir(&settings.data_dir)?;
    let done = TokenFile::new(&settings.data_dir).add(name, role.clone(), now_ms());
    write_down(settings, "token new", &format!("{name} ({})", role.name()), &done);
    print_line(&done?);
    if let Some(device) = device.filter(|device| settings.device_tables.get(device).is_none()) {
        print_note(&said!(
            "note: the configuration file has no device `{device}`; the token works once there is one",
            "提示：配置文件中没有设备 `{device}`，添加后令牌才可用"
        ));
    }
    print_note(&said!(
        "note: it is shown this once; only its hash is kept",
        "提示：令牌仅显示一次，本机只保存其哈希"
    ));
    Ok(ExitCode::SUCCESS)
}

fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    let tokens = TokenFile::new(&settings.data_dir).list()?;
    for token in &tokens {
        let at = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(token.created_ms);
        let (role, device) = (token.role.name(), token.role.only_device().unwrap_or("-"));
        print_line(&format!("{}\t{role}\t{device}\t{}", token.name, httpdate::fmt_http_date(at)));
    }
    if !settings.local_api.token.is_empty() {
        print_line(&said!(
            "local_api.token\tadmin\t-\tin the configuration",
            "local_api.token\tadmin\t-\t在配置文件中"
        ));
    }
    let count = tokens.len();
    print_line(&said!("{count} tokens", "共 {count} 个令牌"));
    if tokens.is_empty() && settings.local_api.token.is_empty() {
        print_warning(&without_tokens(settings));
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(name: &str, settings: &Settings) -> anyhow::Result<ExitCode> {
    let done = TokenFile::new(&settings.data_dir).revoke(name);
    write_down(settings, "token revoke", name, &done);
    done?;
    print_line(&said!("revoked {name}", "已吊销 {name}"));
    if settings.local_api.token.is_empty() && TokenFile::new(&settings.data_dir).list()?.is_empty() {
        let none = without_tokens(settings);
        print_warning(&said!("that was the last token; {none}", "这是最后一个令牌；{none}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What it means that there is no token.
fn without_tokens(settings: &Settings) -> String {
    let is_reachable = settings.local_api.listen.is_some_and(|address| !address.ip().is_loopback());
    let others = if is_reachable {
        said!(
            "other machines are refused although local_api.listen is open to them",
            "local_api.listen 虽对其他机器开放，其他机器一律被拒绝"
        )
    } else {
        said!("other machines are refused", "其他机器一律被拒绝")
    };
    said!(
        "the local API asks for no token: every program on this machine may change people, devices and doors, {others}; \
         make one with `menshen token new NAME`",
        "本地接口不需要令牌：本机任何程序都可以修改人员、设备和门，{others}；请用 menshen token new NAME 新建令牌"
    )
}
