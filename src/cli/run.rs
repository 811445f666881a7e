//! `menshen run`

use std::io::IsTerminal as _;
use std::process::ExitCode;

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::config_args::ConfigArgs;
use crate::config::Settings;
use crate::config::settings::LogFormat;
use crate::runtime::Ended;

const LIBRARIES: &str =
    "ort=error,lapin=warn,actix_server=warn,actix_web=warn,hyper=warn,reqwest=warn,h2=warn,mio=warn";

pub fn run(arguments: &ConfigArgs) -> anyhow::Result<ExitCode> {
    let settings = arguments.settings()?;
    start_log(&settings);
    for renamed in &settings.renamed_keys {
        tracing::warn!(
            place = renamed.place,
            old = renamed.old,
            new = renamed.new,
            "configuration uses an old spelling"
        );
    }
    share_memory_pools();
    let arguments = arguments.clone();
    let reread = Box::new(move || arguments.settings());
    match actix::System::new().block_on(crate::runtime::run(settings, reread))? {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::Restart => Err(restart_in_place()),
    }
}

/// glibc gives threads memory pools of their own, eight a core. Each stream that is opened has half a dozen new threads,
/// whose pictures leave pieces in ever more of the pools: six cameras that were opened and closed took half as much memory
/// again within a quarter of an hour. The number of pools is fixed when the process starts, so it starts itself once more
/// with two of them.
fn share_memory_pools() {
    use std::os::unix::process::CommandExt as _;
    const POOLS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");
    if std::env::var_os(POOLS.0).is_some() {
        return;
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let failed = match std::env::current_exe() {
        Ok(own) => std::process::Command::new(own).arg0(name).args(arguments).env(POOLS.0, POOLS.1).exec(),
        Err(error) => error,
    };
    tracing::warn!(error = %failed, "memory pools could not be limited; the box will use more memory");
}

/// Becomes a new process with the same id, so that nothing of the old state is left and the service manager
/// notices nothing. Returns only when that fails.
fn restart_in_place() -> anyhow::Error {
    use std::os::unix::process::CommandExt as _;
    let error = std::process::Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).exec();
    anyhow::anyhow!("cannot restart in place: {error}; start menshen again")
}

/// Logs to the standard error, as a service manager expects.
pub fn start_log(settings: &Settings) {
    // Libraries log at levels of their own; directives of the configuration come later and win.
    let directives = format!("{LIBRARIES},{}", settings.log_level);
    // The configuration refuses what is no list of levels.
    let filter = directives.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let layer = match settings.log_format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}
