//! placeholder
use clap::Args;
use std::process::ExitCode;
#[derive(Args)]
pub struct DemoArgs {}
pub fn run(_: &DemoArgs) -> Result<ExitCode, Vec<String>> {
    Ok(ExitCode::SUCCESS)
}
