//! One language for all of the command line.

use clap::CommandFactory as _;
use menshen::cli::Cli;

use crate::testbed::menshen;

fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

fn said(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = menshen(arguments);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Every command with those below it.
fn paths(command: &clap::Command, before: &[String], found: &mut Vec<Vec<String>>) {
    found.push(before.to_vec());
    for below in command.get_subcommands().filter(|below| !["help", "bench"].contains(&below.get_name())) {
        let path = [before, &[below.get_name().to_owned()]].concat();
        paths(below, &path, found);
    }
}

#[test]
fn every_help_is_in_one_language() {
    let mut all = Vec::new();
    paths(&Cli::command(), &[], &mut all);
    assert!(all.len() > 30, "{all:?}");
    for path in all {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let english = said(&[&path[..], &["--help"]].concat(), &[]);
        let words = english.replace("门神", "");
        assert!(!words.contains(is_han) && english.contains("Usage:"), "{path:?}: {english}");
        let chinese = said(&[&path[..], &["--help", "--lang", "zh"]].concat(), &[]);
        assert!(chinese.contains("用法："), "{path:?}: {chinese}");
        for foreign in ["Usage", "Options", "Arguments", "Commands", "[default", "[possible", "Print "] {
            assert!(!chinese.contains(foreign), "{path:?}: {foreign} in {chinese}");
        }
        // Each line that is no list of options says something in Chinese.
        for line in chinese.lines().filter(|line| line.starts_with("  ") && line.trim().contains("  ")) {
            assert!(line.contains(is_han), "{path:?}: {line}");
        }
    }
}

#[test]
fn the_environment_and_the_option_say_which() {
    for (variables, is_chinese) in [
        (&[("LC_ALL", "zh_CN.UTF-8")][..], true),
        (&[("LC_ALL", ""), ("LC_MESSAGES", ""), ("LANG", "zh_CN.UTF-8")], true),
        (&[("LC_ALL", "en_US.UTF-8"), ("LANG", "zh_CN.UTF-8")], false),
        (&[("LC_ALL", "C")], false),
    ] {
        let told = said(&["check", "--config", "/nowhere.toml"], variables);
        assert_eq!(told.contains("文件不存在"), is_chinese, "{variables:?}: {told}");
        assert_eq!(told.contains("the file is not there"), !is_chinese, "{variables:?}: {told}");
    }
    let told = said(&["check", "--config", "/nowhere.toml", "--lang=zh"], &[("LC_ALL", "C")]);
    assert!(told.contains("错误：/nowhere.toml"), "{told}");
}

#[test]
fn a_line_that_cannot_be_understood_is_told_in_chinese() {
    for (line, expected) in [
        (&["devcies"][..], "没有命令 devcies；是否为 devices"),
        (&["devices"], "用法："),
        (&["devices", "add"], "缺少 <IP>"),
        (&["check", "--onlin"], "没有选项或参数 --onlin；是否为 --online"),
        (&["link", "dead-letters", "--page", "0"], "--page <PAGE> 不能是 0"),
        (&["link", "dead-letters", "--page"], "缺少值"),
        (&["check", "--lang", "fr"], "--lang <zh|en> 不能是 fr；可选 zh、en"),
        (&["models", "use", "--back", "--cancel"], "不能与"),
    ] {
        let told = said(line, &[("LC_ALL", "zh_CN.UTF-8")]);
        let told = if line.contains(&"fr") {
            said(&["--lang", "zh", "check", "--lang", "fr"], &[("LC_ALL", "zh_CN")]) + &told
        } else {
            told
        };
        assert!(told.contains(expected), "{line:?}: {told}");
        assert!(!told.contains("error:") || line.contains(&"fr"), "{line:?}: {told}");
    }
}
