//! `menshen bench`: hands over to `menshen-bench`, which lies beside this program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

/// Everything after `bench` is for `menshen-bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// Arguments of `menshen-bench` 测速程序参数
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Becomes `menshen-bench`; returns only when that fails.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().context("cannot find this program's folder")?;
    let program = own.with_file_name("menshen-bench");
    let error = std::process::Command::new(&program).args(&arguments.arguments).exec();
    bail!(
        "cannot run {}: {error}; it measures speed and accuracy and is built with `cargo build --release -p menshen-bench`",
        program.display()
    )
}
