//! `menshen link`: what the platform's commands left behind, beside a running box.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};

use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::output::print_line;
use crate::adapters::dead_letters::{DeadLetterFile, LetterState};
use crate::runtime::storage::Storage;

#[derive(Args)]
pub struct LinkArgs {
    #[command(subcommand)]
    command: LinkCommand,
}

#[derive(Subcommand)]
enum LinkCommand {
    #[command(about = help("List commands that could not be carried out, newest first", "列出未能执行的命令，新的在前"))]
    DeadLetters(DeadLettersArgs),
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
struct DeadLettersArgs {
    #[command(subcommand)]
    command: Option<DeadLettersCommand>,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), help = help("Page, from 1", "页码，从 1 开始"))]
    page: u32,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000), help = help("Letters on a page", "每页条数"))]
    page_size: u32,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Subcommand)]
enum DeadLettersCommand {
    #[command(about = help("Print the body of one as it was received; it may contain photos", "显示收到的原文；可能含照片"))]
    Show {
        #[arg(help = help("Id of the command, as listed", "命令编号，见列表"))]
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    #[command(about = help("Run one again, now or at the next start of Menshen", "重新执行一条，立即或在下次启动时"))]
    Replay {
        #[arg(help = help("Id of the command, as listed", "命令编号，见列表"))]
        id: String,
        #[arg(long, default_value_t = 15, help = help("Seconds to wait for the outcome", "等待结果的秒数"))]
        wait_s: u64,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &LinkArgs) -> anyhow::Result<ExitCode> {
    let LinkCommand::DeadLetters(arguments) = &arguments.command;
    match &arguments.command {
        None => list(arguments),
        Some(DeadLettersCommand::Show { id, config }) => show(id, config),
        Some(DeadLettersCommand::Replay { id, wait_s, config }) => replay(id, *wait_s, config),
    }
}

fn open(config: &ConfigArgs) -> anyhow::Result<DeadLetterFile> {
    Ok(Storage::open(&config.settings()?)?.dead_letters())
}

fn unknown(id: &str) -> anyhow::Error {
    anyhow!(said!(
        "there is no dead letter {id}; `menshen link dead-letters` lists them",
        "没有死信 {id}；menshen link dead-letters 可列出全部"
    ))
}

fn list(arguments: &DeadLettersArgs) -> anyhow::Result<ExitCode> {
    let letters = open(&arguments.config)?.list()?;
    let (size, page) = (arguments.page_size as usize, arguments.page as usize);
    let pages = letters.len().div_ceil(size).max(1);
    for state in letters.iter().rev().skip((page - 1) * size).take(size) {
        print_line(&line(state));
    }
    let count = letters.len();
    print_line(&said!(
        "{count} dead letters, page {page} of {pages}",
        "共 {count} 条死信，第 {page} / {pages} 页"
    ));
    Ok(ExitCode::SUCCESS)
}

fn line(state: &LetterState) -> String {
    let letter = &state.letter;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(letter.at_ms);
    let done = match (state.replayed, state.waits) {
        (_, true) => said!("replay waits", "等待重新执行"),
        (Some(code), _) => said!("replayed, code {code}", "已重新执行，代码 {code}"),
        (None, _) => "-".to_owned(),
    };
    format!(
        "{}\t{}\t{}\t{} bytes\t{done}\t{}",
        letter.id,
        httpdate::fmt_http_date(at),
        letter.code,
        letter.bytes,
        letter.reason
    )
}

fn show(id: &str, config: &ConfigArgs) -> anyhow::Result<ExitCode> {
    use std::io::Write as _;
    let letter = open(config)?.find(id)?.ok_or_else(|| unknown(id))?;
    let mut out = std::io::stdout();
    out.write_all(&letter.body()).and_then(|()| out.write_all(b"\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn replay(id: &str, wait_s: u64, config: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let file = open(config)?;
    let letter = file.find(id)?.ok_or_else(|| unknown(id))?;
    if !letter.is_whole() {
        let bytes = letter.bytes;
        bail!(said!(
            "{id} had {bytes} bytes, too many to be kept whole; it cannot be replayed: let the platform send it again",
            "{id} 有 {bytes} 字节，过大而未完整保存，无法重新执行：请由平台重新下发"
        ));
    }
    file.ask_replay(&letter)?;
    let until = Instant::now() + Duration::from_secs(wait_s);
    loop {
        let letters = file.list()?;
        let state = letters.iter().find(|state| state.letter.id == id).ok_or_else(|| unknown(id))?;
        match state.replayed {
            Some(code) if !state.waits => {
                print_line(&said!("{id} was carried out again: code {code}", "{id} 已重新执行：代码 {code}"));
                return Ok(if code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            _ if Instant::now() >= until => break,
            _ => std::thread::sleep(Duration::from_millis(300)),
        }
    }
    print_line(&said!(
        "{id} waits for the box: it is carried out as soon as the link is up",
        "{id} 等待链路恢复后执行"
    ));
    Ok(ExitCode::SUCCESS)
}
