//! The command line: one file a subcommand.

mod bench;
pub mod check;
mod config_args;
pub mod data;
pub mod devices;
pub mod events;
mod language;
pub mod link;
mod local_api;
pub mod match_photos;
pub mod models;
mod offline;
pub mod output;
pub mod run;
pub mod settings;
pub mod users;
pub mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use config_args::ConfigArgs;
use language::help;
use output::print_error;

/// Menshen 门神: a face-recognition edge runtime.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    #[arg(long, global = true, value_name = "zh|en", value_parser = ["zh", "en"], help = help(
        "Language of help and messages; default: that of LC_ALL or LANG",
        "帮助和消息的语言；默认按 LC_ALL 或 LANG"
    ))]
    lang: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run Menshen 运行
    Run(ConfigArgs),
    #[command(about = help(
        "Check everything that `run` would meet, without starting; `--online` also tries the connections",
        "检查运行所需的一切而不启动；--online 同时测试各项连接"
    ))]
    Check(check::CheckArgs),
    /// Find, list, add, change, remove and test capture devices 采集设备管理
    Devices(devices::DevicesArgs),
    #[command(about = help(
        "List what was changed while the box ran, and go back to the configuration file's values",
        "列出运行中修改过的配置，并可恢复为配置文件的值"
    ))]
    Settings(settings::SettingsArgs),
    /// Import and list people 人员管理
    Users(users::UsersArgs),
    /// List stored events and those a receiver refused 历史事件
    Events(events::EventsArgs),
    /// Show commands of the platform that could not be carried out, and run them again 平台链路
    Link(link::LinkArgs),
    /// Check the data on disk 数据检查
    Data(data::DataArgs),
    /// Explain how an event was decided, while Menshen is not running 事件解释
    Why(why::WhyArgs),
    /// Compare two photos: do they show the same person? 两张照片是否同一人
    Match(match_photos::MatchArgs),
    /// List, optimize, check, fetch and switch models 模型管理
    Models(models::ModelsArgs),
    /// Measure speed and accuracy on this machine, as JSON lines 测速与准确率
    #[command(disable_help_flag = true)]
    Bench(bench::BenchArgs),
}

/// Runs the command of the command line.
pub fn main() -> ExitCode {
    // One TLS provider for HTTP and AMQP; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    language::begin(std::env::args_os().skip(1), |name| std::env::var(name).ok());
    let done = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Settings(arguments) => settings::run(&arguments),
        Command::Users(arguments) => users::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Link(arguments) => link::run(&arguments),
        Command::Data(arguments) => data::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Match(arguments) => match_photos::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    output::end(done.unwrap_or_else(|error| print_error(&error)))
}
