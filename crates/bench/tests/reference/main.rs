//! The generated pages of `docs/reference/`, compared with what they are made of.
//!
//! This crate holds the test because it sees all three programs: `menshen`, `menshen-sim` and its own.

#![allow(clippy::unwrap_used)]

mod command_line;
mod configuration;
mod markdown;
mod metrics;

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What regenerates the pages.
const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p menshen-bench --test reference";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Compares a page with what it should say, or writes it when `UPDATE_DOCS` is set.
fn hold(page: &str, title: &str, sources: &str, body: &str) {
    let path = repository().join("docs/reference").join(page);
    let text = format!(
        "# {title}\n\n<!-- Generated from {sources}. Do not edit; run: {UPDATE} -->\n\n{}\n",
        body.trim()
    );
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let lines = found.lines().zip(text.lines()).position(|(found, expected)| found != expected);
    let line = lines.map_or(found.lines().count().min(text.lines().count()), |line| line) + 1;
    assert!(found == text, "docs/reference/{page}:{line}: not what {sources} says; run: {UPDATE}");
}

#[test]
fn the_command_line_page_is_up_to_date() {
    hold(
        "command-line.md",
        "Command line 命令行",
        "the command-line definitions of the three programs",
        &command_line::page(),
    );
}

#[test]
fn the_configuration_page_is_up_to_date() {
    hold(
        "configuration.md",
        "Configuration 配置",
        "config/menshen.toml and pipelines/*.toml",
        &configuration::page(&repository()),
    );
}

#[test]
fn the_metrics_page_is_up_to_date() {
    hold("metrics.md", "Metrics 指标", "src/telemetry/table.rs", &metrics::page());
}
