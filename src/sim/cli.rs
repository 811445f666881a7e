//! `menshen sim`

use std::process::ExitCode;

use clap::Args;

#[derive(Args)]
pub struct SimArgs {}

pub fn run(_: SimArgs) -> Result<ExitCode, Vec<String>> {
    Ok(ExitCode::SUCCESS)
}
