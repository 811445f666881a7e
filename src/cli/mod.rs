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
pub mod grammar;
pub mod language;
pub mod link;
mod local_api;
mod match_online;
pub mod match_photos;
pub mod models;
mod note_change;
mod offline;
pub mod output;
mod photo_figures;
mod remove_users;
pub mod run;
pub mod settings;
pub mod token;
pub mod users;
pub mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::adapters::process::{hide_memory, make_files_private};

pub use config_args::ConfigArgs;
use language::{help, said};
use output::print_error;

/// Menshen, a face-recognition edge runtime.
#[derive(Parser)]
#[command(name = "menshen", version, about = help(
    "Menshen (门神): a face-recognition edge runtime",
    "门神（Menshen）：人脸识别边缘运行时"
))]
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
    #[command(about = help("Run Menshen", "运行门神"))]
    Run(ConfigArgs),
    #[command(about = help(
        "Check everything that `run` would meet, without starting; `--online` also tries the connections",
        "检查运行所需的一切而不启动；--online 同时测试各项连接"
    ))]
    Check(check::CheckArgs),
    #[command(about = help("Find, list, add, change, remove and test capture devices", "采集设备：搜索、列出、添加、修改、删除和测试"))]
    Devices(devices::DevicesArgs),
    #[command(about = help(
        "List what was changed while the box ran, and go back to the configuration file's values",
        "列出运行中修改过的配置，并可恢复为配置文件的值"
    ))]
    Settings(settings::SettingsArgs),
    #[command(about = help("Import and list people", "人员：导入和列出"))]
    Users(users::UsersArgs),
    #[command(about = help("Make, list and revoke tokens of the local API", "本地接口的令牌管理"))]
    Token(token::TokenArgs),
    #[command(about = help("Show who changed what on this box", "查看本机的变更审计"))]
    Audit(audit::AuditArgs),
    #[command(about = help("List stored events and those a receiver refused", "列出已保存的事件和被接收方拒收的事件"))]
    Events(events::EventsArgs),
    #[command(about = help("Show commands of the platform that could not be carried out, and run them again", "查看未能执行的平台命令，并可重新执行"))]
    Link(link::LinkArgs),
    #[command(about = help("Check the data on disk", "检查磁盘上的数据"))]
    Data(data::DataArgs),
    #[command(about = help("Show whether the clock can be right, and confirm that it is", "检查并确认时钟"))]
    Clock(clock::ClockArgs),
    #[command(about = help("Explain how an event was decided, while Menshen is not running", "解释事件的判定过程（门神未运行时）"))]
    Why(why::WhyArgs),
    #[command(about = help("Compare two photos: do they show the same person?", "比对两张照片是否为同一人"))]
    Match(match_photos::MatchArgs),
    #[command(about = help("List, optimize, check, fetch and switch models", "模型：列出、优化、检查、下载和切换"))]
    Models(models::ModelsArgs),
    #[command(disable_help_flag = true, about = help("Measure speed and accuracy on this machine, as JSON lines", "在本机测量速度与准确率，输出 JSON 行"))]
    Bench(bench::BenchArgs),
}

/// Runs the command of the command line.
pub fn main() -> ExitCode {
    // One TLS provider for HTTP and AMQP; an error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    language::begin(std::env::args_os().skip(1), |name| std::env::var(name).ok());
    let line = match grammar::parse::<Cli>(std::env::args_os()) {
        Ok(line) => line,
        Err(code) => return code,
    };
    // Models are shared with the service, whoever fetches or optimizes them.
    if !matches!(line.command, Command::Models(_) | Command::Bench(_)) {
        make_files_private();
    }
    if let Err(error) = hide_memory() {
        output::print_note(&said!(
            "warning: core dumps cannot be switched off: {error}",
            "注意：无法关闭核心转储：{error}"
        ));
    }
    let done = match line.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Settings(arguments) => settings::run(&arguments),
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
