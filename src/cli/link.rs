//! `menshen link`: what the platform's commands left behind, beside a running box.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::{Args, Subcommand};

use super::ConfigArgs;
use crate::adapters::dead_letters::{DeadLetterFile, LetterState};
use crate::adapters::vault::Vault;
use crate::runtime::open::key_places;

#[derive(Args)]
pub struct LinkArgs {
    #[command(subcommand)]
    command: LinkCommand,
}

#[derive(Subcommand)]
enum LinkCommand {
    /// Commands that could not be carried out, newest first 死信
    DeadLetters(DeadLettersArgs),
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
struct DeadLettersArgs {
    #[command(subcommand)]
    command: Option<DeadLettersCommand>,
    /// Page, from 1 页码
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    page: u32,
    /// Letters on a page 每页条数
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    page_size: u32,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Subcommand)]
enum DeadLettersCommand {
    /// Write the body of one to the terminal, as it came; it may hold photos 显示原文
    Show {
        id: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Have the box carry one out again, running or at its next start 重新执行
    Replay {
        id: String,
        /// Seconds to wait for the outcome 等待秒数
        #[arg(long, default_value_t = 15)]
        wait_s: u64,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

pub fn run(arguments: &LinkArgs) -> Result<ExitCode, Vec<String>> {
    let LinkCommand::DeadLetters(arguments) = &arguments.command;
    match &arguments.command {
        None => list(arguments),
        Some(DeadLettersCommand::Show { id, config }) => show(id, config),
        Some(DeadLettersCommand::Replay { id, wait_s, config }) => replay(id, *wait_s, config),
    }
}

fn open(config: &ConfigArgs) -> Result<DeadLetterFile, Vec<String>> {
    let settings = config.settings()?;
    let vault = Vault::open(key_places(&settings)).map_err(|error| told(&error))?;
    Ok(DeadLetterFile::new(&settings.data_dir, Arc::new(vault)))
}

fn told(error: &dyn std::fmt::Display) -> Vec<String> {
    vec![error.to_string()]
}

fn unknown(id: &str) -> Vec<String> {
    vec![format!("there is no dead letter {id}; `menshen link dead-letters` lists them 没有这条死信")]
}

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
fn list(arguments: &DeadLettersArgs) -> Result<ExitCode, Vec<String>> {
    let letters = open(&arguments.config)?.list().map_err(|error| told(&error))?;
    let (size, page) = (arguments.page_size as usize, arguments.page as usize);
    let pages = letters.len().div_ceil(size).max(1);
    for state in letters.iter().rev().skip((page - 1) * size).take(size) {
        println!("{}", line(state));
    }
    println!("{} dead letters, page {page} of {pages} 共 {} 条", letters.len(), letters.len());
    Ok(ExitCode::SUCCESS)
}

fn line(state: &LetterState) -> String {
    let letter = &state.letter;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(letter.at_ms);
    let done = match (state.replayed, state.waits) {
        (_, true) => "replay waits 等待重新执行".to_owned(),
        (Some(code), _) => format!("replayed, code {code} 已重新执行"),
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

fn show(id: &str, config: &ConfigArgs) -> Result<ExitCode, Vec<String>> {
    use std::io::Write as _;
    let letter = open(config)?.find(id).map_err(|error| told(&error))?.ok_or_else(|| unknown(id))?;
    let mut out = std::io::stdout();
    out.write_all(&letter.body()).and_then(|()| out.write_all(b"\n")).map_err(|error| told(&error))?;
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
fn replay(id: &str, wait_s: u64, config: &ConfigArgs) -> Result<ExitCode, Vec<String>> {
    let file = open(config)?;
    let letter = file.find(id).map_err(|error| told(&error))?.ok_or_else(|| unknown(id))?;
    if !letter.is_whole() {
        return Err(vec![format!(
            "{id} had {} bytes, too many to be kept whole; it cannot be replayed: let the platform send it again \
             报文过大，未完整保存",
            letter.bytes
        )]);
    }
    file.ask_replay(&letter).map_err(|error| told(&error))?;
    let until = Instant::now() + Duration::from_secs(wait_s);
    loop {
        let letters = file.list().map_err(|error| told(&error))?;
        let state = letters.iter().find(|state| state.letter.id == id).ok_or_else(|| unknown(id))?;
        match state.replayed {
            Some(code) if !state.waits => {
                println!("{id} was carried out again: code {code} 已重新执行");
                return Ok(if code == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            _ if Instant::now() >= until => break,
            _ => std::thread::sleep(Duration::from_millis(300)),
        }
    }
    println!("{id} waits for the box: it is carried out as soon as the link is up 等待链路恢复后执行");
    Ok(ExitCode::SUCCESS)
}
