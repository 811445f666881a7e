//! `docs/reference/command-line.md`, from the clap definitions.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::markdown::{cell, code, plain};
use menshen_domain::status::Language;
use menshen_domain::text::speak;

pub fn page() -> String {
    let mut page = String::from(
        "The box is `menshen`; `menshen-sim` holds the simulated platform, cameras and campaigns; `menshen-bench` (also \
         `menshen bench`) measures. Every command takes `--help`.\n\n\
         本机程序为 `menshen`；`menshen-sim` 提供模拟平台、摄像机和测试活动；`menshen-bench`（即 `menshen bench`）用于测量。\
         各命令均可使用 `--help`。\n\n",
    );
    // Help texts are made in the language of the process.
    let chinese = programs(Language::Zh);
    let english = programs(Language::En);
    for (program, zh) in english.iter().zip(&chinese) {
        let _ = writeln!(page, "* [`{0}`](#{0})", program.get_name());
        for command in shown(program) {
            let name = format!("{} {}", program.get_name(), command.get_name());
            let about = both(about(command), zh.find_subcommand(command.get_name()).map(about));
            let _ = writeln!(page, "  * [`{name}`](#{}): {about}", name.replace(' ', "-"));
        }
    }
    for (program, zh) in english.iter().zip(&chinese) {
        write_command(&mut page, program.get_name(), program, Some(zh), 2);
    }
    page
}

fn programs(language: Language) -> [Command; 3] {
    speak(language);
    let mut programs = [
        menshen::cli::Cli::command(),
        menshen_sim::cli::SimArgs::command(),
        menshen_bench::BenchArgs::command(),
    ];
    programs.iter_mut().for_each(Command::build);
    programs
}

/// The English and the Chinese text.
fn both(en: String, zh: Option<String>) -> String {
    match zh {
        Some(zh) if zh != en => format!("{en} {zh}"),
        _ => en,
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn about(command: &Command) -> String {
    command.get_about().map(|about| plain(&about.to_string())).unwrap_or_default()
}

fn write_command(page: &mut String, name: &str, command: &Command, zh: Option<&Command>, level: usize) {
    // That is `menshen-bench`, which has its part of the page.
    if name == "menshen bench" {
        return;
    }
    let long = |command: &Command| {
        let about = command.get_long_about().or(command.get_about());
        about.map(|about| plain(&about.to_string())).unwrap_or_default()
    };
    let about = match zh.map(long) {
        // Paragraphs of each language stay together.
        Some(zh) if zh.contains("\n\n") => format!("{}\n\n{zh}", long(command)),
        zh => both(long(command), zh),
    };
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim().strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    let heading = "#".repeat(level);
    let _ = writeln!(page, "\n{heading} {name}\n\n{about}\n\n```\n{usage}\n```");
    let aliases: Vec<String> = command.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
    if !aliases.is_empty() {
        let _ = writeln!(page, "\nAlso: {}", aliases.join(", "));
    }
    let arguments: Vec<&Arg> = command.get_arguments().filter(|argument| is_shown(argument)).collect();
    if !arguments.is_empty() {
        page.push_str("\n| argument | default | meaning |\n|---|---|---|\n");
    }
    for argument in arguments {
        // A flag's default is that it is not there.
        let defaults: Vec<String> = argument
            .get_default_values()
            .iter()
            .filter(|_| argument.get_action().takes_values())
            .map(|value| code(&value.to_string_lossy()))
            .collect();
        let text = |argument: &Arg| {
            argument
                .get_long_help()
                .or(argument.get_help())
                .map(|help| cell(&help.to_string()))
                .unwrap_or_default()
        };
        let twin = zh.and_then(|zh| zh.get_arguments().find(|other| other.get_id() == argument.get_id()));
        let help = both(text(argument), twin.map(text));
        let values: Vec<String> = argument
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set() && argument.get_action().takes_values())
            .map(|value| match value.get_help() {
                Some(help) => format!("{}: {}", code(value.get_name()), cell(&help.to_string())),
                None => code(value.get_name()),
            })
            .collect();
        let values = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
        let _ = writeln!(page, "| {} | {} | {}{values} |", spelling(argument), defaults.join(" "), help);
    }
    for inner in shown(command) {
        let zh = zh.and_then(|zh| zh.find_subcommand(inner.get_name()));
        write_command(page, &format!("{name} {}", inner.get_name()), inner, zh, (level + 1).min(4));
    }
}

fn is_shown(argument: &Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

/// How an argument is written: `IP`, `--config CONFIG`, `-v, --verbose`; required options are marked.
fn spelling(argument: &Arg) -> String {
    let mut names: Vec<String> = argument.get_short().map(|short| format!("-{short}")).into_iter().collect();
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<&str> = values.iter().map(clap::builder::Str::as_str).collect();
    let takes_values = argument.get_action().takes_values();
    let value = if takes_values { values.join(" ") } else { String::new() };
    let text =
        [names.join(", "), value].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let required = if argument.is_required_set() { " (required 必填)" } else { "" };
    format!("{}{required}", code(&text))
}
