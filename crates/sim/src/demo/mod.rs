//! The whole of Menshen's main job on real input, shown as it happens: broker, platform, cameras and a box.

mod args;
mod events;
mod show;
mod testbed;
mod verifier;

pub use args::DemoArgs;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use show::Screen;
use testbed::TestBed;

/// Shortest time in which everything the summary expects can happen.
const SECONDS_MIN: u64 = 45;

/// Runs the demo; an error when something expected did not happen.
pub fn run(arguments: &DemoArgs) -> Result<ExitCode> {
    if arguments.seconds.is_some_and(|seconds| seconds < SECONDS_MIN) {
        bail!("--seconds must be at least {SECONDS_MIN}: the walkers need their time");
    }
    let screen = Arc::new(Screen::new(arguments.lang));
    let interrupted = crate::interrupt::watch();
    let started = Instant::now();
    let mut bed = TestBed::set_up(arguments, &screen)?;
    let over = || {
        interrupted.load(Ordering::Acquire)
            || arguments.seconds.is_some_and(|seconds| started.elapsed() >= Duration::from_secs(seconds))
    };
    let outcome = bed.play(&over);
    let passed = bed.finish(arguments.seconds.is_some(), outcome);
    if passed { Ok(ExitCode::SUCCESS) } else { bail!("not everything expected happened") }
}
