//! The command line's grammar in its language: what clap says by itself is said here in Chinese.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches};

use super::language::{help, said};
use super::output::print_note;
use menshen_domain::status::Language;
use menshen_domain::text::spoken;

/// Code of a line that cannot be understood.
const MISUSED: u8 = 2;

/// Reads the arguments.
///
/// # Errors
/// What to end with, when they are wrong or ask for help, which is printed.
pub fn parse<T: CommandFactory + FromArgMatches>(
    arguments: impl Iterator<Item = OsString>,
) -> Result<T, ExitCode> {
    let mut command = T::command();
    // Help texts of the flag and the command `help` are there from here on.
    command.build();
    let read = localized(command).try_get_matches_from(arguments);
    read.and_then(|matches| T::from_arg_matches(&matches)).map_err(|error| tell(&error))
}

/// The command with everything below it in the language of the process.
fn localized(command: Command) -> Command {
    let is_zh = spoken() == Language::Zh;
    let mut command = command.mut_args(|argument| {
        let argument = match argument.get_id().as_str() {
            "help" if is_zh => argument.help("显示帮助").long_help("显示帮助"),
            "version" => argument.help(help("Print version", "显示版本")),
            _ => argument,
        };
        if is_zh { in_chinese(argument) } else { argument }
    });
    for below in command.get_subcommands_mut() {
        *below = localized(std::mem::take(below));
    }
    if command.get_name() == "help" {
        command = command.about(help("Print the help of a command", "显示某个命令的帮助"));
    }
    if is_zh {
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage:").trim().replace("[OPTIONS]", "[选项]");
        command = command
            .override_usage(usage.replace("[COMMAND]", "[命令]").replace("<COMMAND>", "<命令>"))
            .subcommand_help_heading("命令")
            .subcommand_value_name("命令")
            .help_template("{about-with-newline}\n用法：{usage}\n\n{all-args}{after-help}");
    }
    command
}

/// An argument with what clap adds to its help in English: the default, and the words it may be.
fn in_chinese(argument: Arg) -> Arg {
    let heading = if argument.is_positional() { "参数" } else { "选项" };
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    if argument.get_action().takes_values() {
        let join = |words: Vec<String>| words.join("、");
        let defaults = argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
        let defaults = join(defaults.collect());
        let possible =
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let possible = join(possible);
        if !defaults.is_empty() {
            text = format!("{text}（默认 {defaults}）");
        }
        if !possible.is_empty() {
            text = format!("{text}（可选 {possible}）");
        }
    }
    argument.help(text).help_heading(heading).hide_default_value(true).hide_possible_values(true)
}

/// Prints what is wrong with a line, or the help that was asked for.
fn tell(error: &Error) -> ExitCode {
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_help || spoken() == Language::En {
        // Where nobody can get it, it is lost.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(MISUSED));
    }
    let why = chinese(error);
    print_note(&said!("error: {why}", "错误：{why}"));
    print_note(&said!("see -h", "用 -h 查看用法"));
    ExitCode::from(MISUSED)
}

fn chinese(error: &Error) -> String {
    let part = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join("、"),
        Some(ContextValue::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let (argument, value) = (part(ContextKind::InvalidArg), part(ContextKind::InvalidValue));
    let better = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let better = better.into_iter().map(part).find(|text| !text.is_empty());
    let better = better.map(|better| format!("；是否为 {better}？")).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => format!("没有选项或参数 {argument}{better}"),
        ErrorKind::InvalidSubcommand => {
            format!("没有命令 {}{better}", part(ContextKind::InvalidSubcommand))
        }
        ErrorKind::MissingSubcommand => format!("缺少命令；可用 {}", part(ContextKind::ValidSubcommand)),
        ErrorKind::MissingRequiredArgument => format!("缺少 {argument}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} 缺少值"),
        ErrorKind::InvalidValue => {
            format!("{argument} 不能是 {value}；可选 {}{better}", part(ContextKind::ValidValue))
        }
        ErrorKind::ValueValidation => format!("{argument} 不能是 {value}"),
        ErrorKind::ArgumentConflict => format!("{argument} 不能与 {} 同时使用", part(ContextKind::PriorArg)),
        ErrorKind::TooManyValues => format!("{argument} 的值过多：{value}"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues | ErrorKind::NoEquals => {
            format!("{argument} 的值的个数不对")
        }
        ErrorKind::InvalidUtf8 => "参数不是 UTF-8".to_owned(),
        _ => format!("无法理解这条命令 {argument}"),
    }
}
