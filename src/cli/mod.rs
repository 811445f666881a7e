//! The command line: one file a subcommand.

pub mod audit;
mod bench;
mod certificates;
pub mod check;
mod clock;
mod config_args;
pub mod data;
pub mod devices;
pub mod events;
pub mod link;
mod local_api;
pub mod match_photos;
pub mod models;
mod note_change;
mod offline;
pub mod output;
mod remove_users;
pub mod run;
pub mod token;
pub mod users;
pub mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::adapters::process::{hide_memory, make_files_private};

pub use config_args::ConfigArgs;
use output::print_error;

/// Menshen 门神: a face-recognition edge runtime.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run Menshen 运行
    Run(ConfigArgs),
    /// Check the configuration, pipelines and models without starting 检查配置
    Check(ConfigArgs),
    /// Find, list, add, change, remove and test capture devices 采集设备管理
    Devices(devices::DevicesArgs),
    /// Import and list people 人员管理
    Users(users::UsersArgs),
    /// Make, list and revoke tokens of the local API 令牌管理
    Token(token::TokenArgs),
    /// Show who changed what on this box 审计日志
    Audit(audit::AuditArgs),
    /// List stored events and those a receiver refused 历史事件
    Events(events::EventsArgs),
    /// Show commands of the platform that could not be carried out, and run them again 平台链路
    Link(link::LinkArgs),
    /// Check the data on disk 数据检查
    Data(data::DataArgs),
    /// Show whether the clock can be right, and confirm that it is 时钟
    Clock(clock::ClockArgs),
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
    let command = Cli::parse().command;
    // Models are shared with the service, whoever fetches or optimizes them.
    if !matches!(command, Command::Models(_) | Command::Bench(_)) {
        make_files_private();
    }
    if let Err(error) = hide_memory() {
        output::print_note(&format!("warning: core dumps cannot be switched off: {error} 无法关闭核心转储"));
    }
    let done = match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Users(arguments) => users::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Link(arguments) => link::run(&arguments),
        Command::Data(arguments) => data::run(&arguments),
        Command::Clock(arguments) => clock::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Match(arguments) => match_photos::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    output::end(done.unwrap_or_else(|error| print_error(&error)))
}
