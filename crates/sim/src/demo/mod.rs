//! The whole of Menshen's main job on real input, shown as it happens: broker, platform, cameras and a box.

mod events;
mod show;
mod stage;
mod verifier;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::Args;

use show::{Lang, Screen};
use stage::Stage;

#[derive(Args, Debug, Clone)]
pub struct DemoArgs {
    /// End after this time with a summary; without it, go on until Ctrl-C
    #[arg(long)]
    pub seconds: Option<u64>,
    /// No platform and no broker: people come from a folder of photos
    #[arg(long)]
    pub standalone: bool,
    /// zh or en; taken from LANG when not given
    #[arg(long, value_enum)]
    pub lang: Option<Lang>,
    /// Folder with the demo's pictures
    #[arg(long, default_value = ".setup/pictures")]
    pub pictures: PathBuf,
}

/// Shortest time in which everything the summary expects can happen.
const SECONDS_MIN: u64 = 45;

pub fn run(arguments: &DemoArgs) -> Result<ExitCode, Vec<String>> {
    if arguments.seconds.is_some_and(|seconds| seconds < SECONDS_MIN) {
        return Err(vec![format!("--seconds must be at least {SECONDS_MIN}: the walkers need their time")]);
    }
    let screen = Arc::new(Screen::new(arguments.lang));
    let interrupted = crate::interrupt::watch();
    let started = Instant::now();
    let mut stage = Stage::set_up(arguments, &screen).map_err(|error| vec![error])?;
    let over = || {
        interrupted.load(Ordering::Acquire)
            || arguments.seconds.is_some_and(|seconds| started.elapsed() >= Duration::from_secs(seconds))
    };
    let outcome = stage.play(&over);
    let passed = stage.finish(arguments.seconds.is_some(), outcome);
    if passed { Ok(ExitCode::SUCCESS) } else { Err(vec!["not everything expected happened".to_owned()]) }
}
