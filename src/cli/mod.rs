//! The command line: one file a subcommand.

mod bench;
pub mod check;
pub mod data;
pub mod devices;
pub mod events;
pub mod link;
mod local_api;
pub mod match_photos;
pub mod models;
pub mod run;
pub mod users;
pub mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{ConfigError, Overrides, Settings, inspect, load};

/// Menshen 门神: a face-recognition edge runtime.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the box 运行
    Run(ConfigArgs),
    /// Check configuration, pipelines and models without starting 检查配置
    Check(ConfigArgs),
    /// Capture devices: find, list, add, change, remove, try out 采集设备管理
    Devices(devices::DevicesArgs),
    /// People of the registry 人员管理
    Users(users::UsersArgs),
    /// Events of history 历史事件
    Events(events::EventsArgs),
    /// The link to the platform: commands that could not be carried out 平台链路
    Link(link::LinkArgs),
    /// What is on the disk 数据检查
    Data(data::DataArgs),
    /// Why an event says what it says, while the box is not running 事件解释
    Why(why::WhyArgs),
    /// Do two photos show one person? 两张照片是否同一人
    Match(match_photos::MatchArgs),
    /// What models there are; make them fast, check them 模型管理
    Models(models::ModelsArgs),
    /// How fast and how right this machine is, as JSON lines 测速与准确率
    #[command(disable_help_flag = true)]
    Bench(bench::BenchArgs),
}

/// Where settings come from.
#[derive(Args, Clone)]
pub struct ConfigArgs {
    /// Configuration file 配置文件
    #[arg(long, default_value = "config/menshen.toml")]
    pub config: PathBuf,
    /// Override one key, as in `--set web.listen=127.0.0.1:9000`; may be repeated 覆盖配置项
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ConfigArgs {
    /// Loads the settings or tells every mistake.
    pub fn settings(&self) -> Result<Settings, Vec<String>> {
        let overrides =
            Overrides::new(std::env::vars(), &self.set).map_err(|mistake| vec![mistake.to_string()])?;
        load(&self.config, &overrides).map_err(|mistakes| texts(&mistakes))
    }

    /// The settings as far as they can be read, with every mistake in them.
    fn inspect(&self) -> Result<(Settings, Vec<String>), Vec<String>> {
        let overrides =
            Overrides::new(std::env::vars(), &self.set).map_err(|mistake| vec![mistake.to_string()])?;
        match inspect(&self.config, &overrides) {
            Ok((settings, mistakes)) => Ok((settings, texts(&mistakes))),
            Err(mistakes) => Err(texts(&mistakes)),
        }
    }
}

fn texts(mistakes: &[ConfigError]) -> Vec<String> {
    mistakes.iter().map(ToString::to_string).collect()
}

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    // One TLS provider for HTTP and AMQP; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Users(arguments) => users::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Link(arguments) => link::run(&arguments),
        Command::Data(arguments) => data::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Match(arguments) => match_photos::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(problems) => {
            report(&problems);
            ExitCode::FAILURE
        }
    }
}

/// Prints problems to the standard error, with their number.
#[allow(clippy::print_stderr, reason = "the terminal is where the operator looks")]
pub fn report(problems: &[String]) {
    for problem in problems {
        eprintln!("error: {problem}");
    }
    if problems.len() > 1 {
        eprintln!("{} problems 共 {} 个问题", problems.len(), problems.len());
    }
}
