//! `menshen run`

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use tracing::{Level, Metadata};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::config_args::ConfigArgs;
use super::language::{said, speaking_english};
use crate::config::Settings;
use crate::config::settings::LogFormat;
use crate::runtime::Ended;
use crate::telemetry;
use crate::telemetry::log_fields::QuotedFields;
use crate::telemetry::log_line::{CleanLines, LineForm, hide_licence_code};

/// What lapin says of a channel the box says itself: a queue that is looked for and not there is no error.
const LIBRARIES: &str = "ort=error,lapin=warn,lapin::channel=off,actix_server=warn,actix_web=warn,hyper=warn,reqwest=warn,h2=warn,mio=warn";

pub fn run(arguments: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let settings = arguments.settings()?;
    // Before the log starts: a process that replaces itself takes along neither threads nor lines that wait.
    let unlimited = share_memory_pools();
    let log = start_log(&settings);
    if let Err(error) = unlimited {
        tracing::warn!(%error, "memory pools could not be limited; the box will use more memory");
    }
    for renamed in &settings.renamed_keys {
        tracing::warn!(
            place = renamed.place,
            old = renamed.old,
            new = renamed.new,
            "configuration uses an old spelling"
        );
    }
    for open in &settings.open_files {
        tracing::warn!(
            path = open.path,
            "a file with secrets may be read by others on this machine; run chmod o-rwx on it"
        );
    }
    let arguments = arguments.clone();
    let reread = Arc::new(move || arguments.settings());
    // The log is English; what keeps the box from starting is said in the language of whoever started it.
    let ended = speaking_english(|| actix::System::new().block_on(crate::runtime::run(settings, reread)));
    match ended? {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::Restart => {
            drop(log);
            Err(restart_in_place())
        }
    }
}

/// glibc gives threads memory pools of their own, eight a core. Each stream that is opened has half a dozen new threads,
/// whose pictures leave pieces in ever more of the pools: six cameras that were opened and closed took half as much memory
/// again within a quarter of an hour. The number of pools is fixed when the process starts, so it starts itself once more
/// with two of them.
///
/// # Errors
/// When the process cannot replace itself.
fn share_memory_pools() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    const POOLS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");
    if std::env::var_os(POOLS.0).is_some() {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let own = std::env::current_exe()?;
    Err(std::process::Command::new(own).arg0(name).args(arguments).env(POOLS.0, POOLS.1).exec())
}

/// Becomes a new process with the same id, so that nothing of the old state is left and the service manager
/// notices nothing. Returns only when that fails.
fn restart_in_place() -> anyhow::Error {
    use std::os::unix::process::CommandExt as _;
    let error = std::process::Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).exec();
    anyhow::anyhow!(said!(
        "cannot restart in place: {error}; start menshen again",
        "无法原地重启：{error}；请重新启动门神"
    ))
}

/// Whatever a stranger sends that is no HTTP, the web server's library says so at the highest level, each time and without the
/// address. The box counts it and tells of it by itself (`web::listener`).
fn is_told_by_the_box(line: &Metadata<'_>) -> bool {
    line.target().starts_with("actix_http") && *line.level() == Level::ERROR
}

/// Lines that wait for whoever reads the log; some 200 bytes each. More are dropped and counted.
const LOG_LINES_MAX: usize = 8192;

/// Logs to the standard error, as a service manager expects, from a thread of its own: a log that is full, closed or not read costs
/// lines of the log and nothing else. What is returned writes the last lines when it is dropped.
pub fn start_log(settings: &Settings) -> WorkerGuard {
    // Libraries log at levels of their own; directives of the configuration come later and win.
    let directives = format!("{LIBRARIES},{}", settings.log_level);
    // The configuration refuses what is no list of levels.
    let filter = directives.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES_MAX)
        .thread_name("log")
        .finish(std::io::stderr());
    let dropped = writer.error_counter();
    telemetry::ask_for(telemetry::LOG_LINES_DROPPED.metric(), move || dropped.dropped_lines() as u64);
    let is_coloured = std::io::stderr().is_terminal() && settings.log_format == LogFormat::Text;
    let form = match settings.log_format {
        LogFormat::Json => LineForm::Json,
        LogFormat::Text if is_coloured => LineForm::Coloured,
        LogFormat::Text => LineForm::Text,
    };
    hide_licence_code(&settings.dev_sno);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(is_coloured)
        // Its own errors it would print, which ends the process where the standard error is closed.
        .log_internal_errors(false)
        .with_writer(CleanLines::new(writer, form));
    let layer = match settings.log_format {
        LogFormat::Text => layer.fmt_fields(QuotedFields).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let is_own = filter_fn(|line| !is_told_by_the_box(line)).with_max_level_hint(LevelFilter::TRACE);
    tracing_subscriber::registry().with(layer.with_filter(filter.and(is_own))).init();
    guard
}
