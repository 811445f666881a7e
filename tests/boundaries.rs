//! Who may know whom. Fails on an import or a path that breaks the direction in ARCHITECTURE.md.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// A module, the modules it may name, and crates or std modules it must not touch.
struct Rule {
    module: &'static str,
    may_see: &'static [&'static str],
    must_not_touch: &'static [&'static str],
}

/// What reaches the outside or the clock; pure modules do neither.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "tokio",
    "actix",
    "actix_rt",
    "actix_web",
    "lapin",
    "reqwest",
    "redb",
    "gstreamer",
    "gstreamer_app",
    "gstreamer_video",
    "ort",
    "sysinfo",
    "metrics",
    "tracing",
];
/// What only an adapter may touch.
const DRIVERS: &[&str] =
    &["lapin", "reqwest", "redb", "gstreamer", "gstreamer_app", "gstreamer_video", "ort", "sysinfo"];

const RULES: &[Rule] = &[
    Rule { module: "core", may_see: &["core"], must_not_touch: OUTSIDE },
    Rule { module: "wire", may_see: &["wire", "core"], must_not_touch: OUTSIDE },
    Rule { module: "ports", may_see: &["ports", "core", "wire"], must_not_touch: DRIVERS },
    Rule { module: "vision", may_see: &["vision", "core", "ports"], must_not_touch: DRIVERS },
    Rule { module: "config", may_see: &["config", "core"], must_not_touch: DRIVERS },
    Rule {
        module: "adapters",
        may_see: &["adapters", "core", "wire", "ports"],
        must_not_touch: &["actix", "actix_web"],
    },
    Rule {
        module: "actors",
        may_see: &["actors", "core", "wire", "vision", "ports"],
        must_not_touch: DRIVERS,
    },
    // Handlers of the local API are clients of the actors, like the MQ link, and speak the wire's bodies.
    Rule { module: "web", may_see: &["web", "core", "wire", "actors"], must_not_touch: DRIVERS },
    Rule {
        module: "runtime",
        may_see: &["runtime", "core", "wire", "vision", "ports", "config", "adapters", "actors", "web"],
        must_not_touch: DRIVERS,
    },
    // Test equipment shares the words of the wire with the product, and none of its logic.
    Rule { module: "sim", may_see: &["sim", "wire"], must_not_touch: &["redb", "ort"] },
];

const LINES_MAX: usize = 500;

/// Whether `name` stands in `code` as a path of its own, not as the tail of another word.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let is_path = name.contains("::") || code[at + name.len()..].starts_with("::");
        !joins(before) && before != Some(':') && !joins(after) && is_path
    })
}

/// What a line of code of `rule.module` does that it must not.
fn broken(rule: &Rule, line: &str) -> Option<String> {
    let code = line.split("//").next().unwrap_or_default();
    if code.contains("crate::{") || code.contains("super::super::") {
        return Some("hides what it imports: name the module after `crate::`".to_owned());
    }
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let seen = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let is_macro_local = code[..at].ends_with('$');
        if !rule.may_see.contains(&seen) && !is_macro_local {
            return Some(format!("must not see `{seen}`"));
        }
    }
    rule.must_not_touch.iter().find(|name| names(code, name)).map(|name| format!("must not touch `{name}`"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn nobody_knows_more_than_they_should() {
    let mut found = Vec::new();
    for rule in RULES {
        let files = rust_files(&Path::new("src").join(rule.module));
        assert!(!files.is_empty(), "there is no src/{}", rule.module);
        for file in files {
            for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
                if let Some(what) = broken(rule, line) {
                    found.push(format!("{}:{}: {} {what}", file.display(), number + 1, rule.module));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_module_has_a_rule() {
    // `cli` and `main` stand on top and may see everything.
    for entry in fs::read_dir("src").unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().into_string().unwrap();
        assert!(name == "cli" || RULES.iter().any(|rule| rule.module == name), "src/{name} has no rule here");
    }
}

#[test]
fn files_stay_short() {
    for folder in ["src", "tests", "benches"] {
        for file in rust_files(Path::new(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(
                lines <= LINES_MAX,
                "{} has {lines} lines, more than {LINES_MAX}: split it",
                file.display()
            );
        }
    }
}

#[test]
fn the_rules_find_what_they_forbid() {
    let core = &RULES[0];
    for line in [
        "use menshen_protocol::command::Command;",
        "    let x = crate::adapters::amqp::connect();",
        "use crate::{wire, ports};",
        "use super::super::wire::login;",
        "use std::fs;",
        "let now = std::time::Instant::now();",
        "use std::thread::spawn;",
        "use tokio::time::sleep;",
        "tracing::info!(\"x\")",
    ] {
        assert!(broken(core, line).is_some(), "not found: {line}");
    }
    for line in [
        "use super::frame::Frame;",
        "use menshen_domain::face::Face;",
        "let my_tokio = 1; // tokio::x",
        "sort(x)",
    ] {
        assert_eq!(broken(core, line), None, "{line}");
    }
}
