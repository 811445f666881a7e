//! `menshen audit`: who changed what, from where, and what came of it.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::config_args::ConfigArgs;
use super::language::{help, said};
use super::output::print_line;
use crate::adapters::audit::AuditFile;
use crate::ports::audit::AuditEntry;

#[derive(Args)]
pub struct AuditArgs {
    #[arg(
        long,
        default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        help = help("How many of the newest lines", "显示最新的条数")
    )]
    lines: u32,
    #[arg(long, help = help("As JSON lines", "以 JSON 行输出"))]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(arguments: &AuditArgs) -> anyhow::Result<ExitCode> {
    let settings = arguments.config.settings()?;
    for entry in AuditFile::new(&settings.data_dir).newest(arguments.lines as usize)? {
        let line = if arguments.json { serde_json::to_string(&entry)? } else { line(&entry) };
        print_line(&line);
    }
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &AuditEntry) -> String {
    let at = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_millis(entry.at_ms));
    let on = if entry.on.is_empty() { "-" } else { &entry.on };
    let more = entry.more.map_or_else(String::new, |more| {
        said!(" (and {more} more refused ones of this caller)", "（另有该调用者 {more} 次被拒绝）")
    });
    format!("{at}\t{}\t{}\t{}\t{on}\t{}{more}", entry.who, entry.from, entry.what, entry.result)
}
