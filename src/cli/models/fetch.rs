//! `menshen models fetch`: a described model's file, from the package its description names, or from a folder.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;

use crate::cli::language::said;
use crate::config::Settings;

/// The program that set-up runs too: one way of fetching, one way of checking what came.
const FETCH: &str = include_str!("../../../scripts/fetch");
/// What it imports.
const MINIFAS: &str = include_str!("../../../scripts/minifas.py");

pub fn fetch(settings: &Settings, name: &str, from: Option<&Path>) -> anyhow::Result<ExitCode> {
    // A folder of its own, since Python looks for imports there; no other user may write into it.
    let folder = std::env::temp_dir().join(format!("menshen-fetch-{}", uuid::Uuid::now_v7()));
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .and_then(|()| std::fs::write(folder.join("fetch.py"), FETCH))
        .and_then(|()| std::fs::write(folder.join("minifas.py"), MINIFAS))
        .with_context(|| said!("cannot write the fetching program", "无法写入下载程序"))?;
    let mut command = Command::new("python3");
    command.arg(folder.join("fetch.py")).args(["--only", name]).arg("--models").arg(&settings.models_dir);
    if let Some(from) = from {
        command.arg("--from").arg(from);
    }
    let status = command.status();
    // A temporary folder that cannot be removed does no harm.
    let _ = std::fs::remove_dir_all(&folder);
    let status = status.with_context(|| {
        said!("cannot run python3, which fetches models", "无法运行 python3（用于下载模型）")
    })?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
