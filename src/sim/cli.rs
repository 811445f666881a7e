//! `menshen sim`

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{camera, demo, faults, outage, photos, platform, storm};

#[derive(Args)]
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
    Storm(storm::StormArgs),
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

/// The product's part of campaigns that begin with a full store.
pub struct Fills {
    pub events: outage::Fill,
    pub people: photos::terminals::FillPeople,
}

pub fn run(arguments: SimArgs, fill: &Fills) -> Result<ExitCode, Vec<String>> {
    match arguments.command {
        SimCommand::Camera(arguments) => camera::run(&arguments),
        SimCommand::Platform(arguments) => platform::run(&arguments),
        SimCommand::Demo(arguments) => demo::run(&arguments),
        SimCommand::Storm(arguments) => storm::run(&arguments),
        SimCommand::Snapshots(arguments) => photos::snapshots::run(&arguments),
        SimCommand::Terminals(arguments) => photos::terminals::run(&arguments, fill.people),
        SimCommand::Outage(arguments) => outage::run(&arguments, fill.events),
        SimCommand::Faults(arguments) => faults::run(&arguments),
        SimCommand::Kills(arguments) => faults::kills::run(&arguments),
        SimCommand::Swap(arguments) => faults::swap::run(&arguments),
    }
}
