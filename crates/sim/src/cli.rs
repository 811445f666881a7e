//! The command line of `menshen-sim`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use menshen_testbed::{camera, platform};

use super::{demo, faults, load, outage, photos};

/// A simulated management platform, cameras and fault campaigns for Menshen.
#[derive(Parser)]
#[command(name = "menshen-sim", version, about)]
pub struct SimArgs {
    #[command(subcommand)]
    command: SimCommand,
}

#[derive(Subcommand)]
enum SimCommand {
    /// A network camera that shows faces walking by, over RTSP
    Camera(camera::CameraArgs),
    /// A management platform: login, commands, photos, reports, and a ledger of all it got
    Platform(platform::PlatformArgs),
    /// Everything together: broker, platform, cameras and a box
    Demo(demo::DemoArgs),
    /// Thousands of people in one message, two cameras and photo checks: how fast, and what waits
    Load(load::LoadArgs),
    /// Snapshot cameras that upload by FTP: every photo accounted for, and how long it took
    Snapshots(photos::snapshots::SnapshotsArgs),
    /// Photo terminals that post all at once, with many people enrolled
    Terminals(photos::terminals::TerminalsArgs),
    /// A box that drains the events of a three-day outage while people go on walking by
    Outage(outage::OutageArgs),
    /// Random faults from a seed against a whole box, and a comparison of the ledgers at both ends
    Faults(faults::FaultsArgs),
    /// kill -9 of the box at random moments during a stream of commands
    Kills(faults::kills::KillsArgs),
    /// The embedder is swapped under load, killed in the middle, swapped to the end, and back
    Swap(faults::swap::SwapArgs),
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    // One TLS provider for HTTP and AMQP; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(SimArgs::parse()) {
        Ok(code) => code,
        Err(problems) => {
            report(&problems);
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr, reason = "the terminal is where the operator looks")]
fn report(problems: &[String]) {
    for problem in problems {
        eprintln!("error: {problem}");
    }
}

fn run(arguments: SimArgs) -> Result<ExitCode, Vec<String>> {
    match arguments.command {
        SimCommand::Camera(arguments) => camera::run(&arguments),
        SimCommand::Platform(arguments) => platform::run(&arguments),
        SimCommand::Demo(arguments) => demo::run(&arguments),
        SimCommand::Load(arguments) => load::run(&arguments),
        SimCommand::Snapshots(arguments) => photos::snapshots::run(&arguments),
        SimCommand::Terminals(arguments) => photos::terminals::run(&arguments),
        SimCommand::Outage(arguments) => outage::run(&arguments),
        SimCommand::Faults(arguments) => faults::run(&arguments),
        SimCommand::Kills(arguments) => faults::kills::run(&arguments),
        SimCommand::Swap(arguments) => faults::swap::run(&arguments),
    }
}
