//! The command line of `menshen-sim`.

use std::process::ExitCode;

use anyhow::{Error, Result};
use clap::{Parser, Subcommand};
use menshen_testbed::camera::{self, CameraArgs};

use super::{client, demo, faults, load, outage, platform};

/// A simulated management platform, cameras and fault campaigns for Menshen 模拟平台、摄像机与故障测试
#[derive(Parser)]
#[command(name = "menshen-sim", version, about)]
pub struct SimArgs {
    #[command(subcommand)]
    command: SimCommand,
}

#[derive(Subcommand)]
enum SimCommand {
    /// A network camera that shows faces walking by, over RTSP 模拟网络摄像机
    Camera(CameraArgs),
    /// A management platform: login, commands, photos, reports, and a ledger of all it got 模拟管理平台
    Platform(platform::PlatformArgs),
    /// An integrator's side of the local API: each published call, and the registration flow 本地接口客户端
    Client(client::ClientArgs),
    /// Everything together: broker, platform, cameras and a box 完整演示
    Demo(demo::DemoArgs),
    /// Thousands of people in one message, two cameras and photo checks: how fast, and what waits 大批量下发测试
    Load(load::LoadArgs),
    /// A box that drains the events of a three-day outage while people keep walking by 长时间断网后的补传测试
    Outage(outage::OutageArgs),
    /// Random faults from a seed against a whole box, and a comparison of the ledgers at both ends 随机故障测试
    Faults(faults::FaultsArgs),
    /// kill -9 of the box at random moments during a stream of commands 随机杀进程测试
    Kills(faults::KillsArgs),
    /// The embedder is swapped under load, killed in the middle, swapped to the end, and back 更换识别模型测试
    Swap(faults::SwapArgs),
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    // One TLS provider for HTTP and AMQP; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    run(SimArgs::parse()).unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::FAILURE
    })
}

/// The error and its causes, on one line.
#[allow(clippy::print_stderr, reason = "the terminal is where the operator looks")]
fn print_error(error: &Error) {
    eprintln!("error: {error:#}");
}

fn run(arguments: SimArgs) -> Result<ExitCode> {
    match arguments.command {
        SimCommand::Camera(arguments) => camera::run(&arguments).map(|()| ExitCode::SUCCESS),
        SimCommand::Platform(arguments) => platform::run(&arguments).map(|()| ExitCode::SUCCESS),
        SimCommand::Client(arguments) => client::run(&arguments),
        SimCommand::Demo(arguments) => demo::run(&arguments),
        SimCommand::Load(arguments) => load::run(&arguments),
        SimCommand::Outage(arguments) => outage::run(&arguments),
        SimCommand::Faults(arguments) => faults::run(&arguments),
        SimCommand::Kills(arguments) => faults::kills::run(&arguments),
        SimCommand::Swap(arguments) => faults::swap::run(&arguments),
    }
}
