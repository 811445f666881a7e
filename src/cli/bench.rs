//! `menshen bench`: hands over to `menshen-bench`, which lies beside this program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use super::language::{help, said};

/// Everything after `bench` is for `menshen-bench`.
#[derive(Args)]
pub struct BenchArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, help = help("Arguments of `menshen-bench`", "menshen-bench 的参数"))]
    arguments: Vec<OsString>,
}

/// Becomes `menshen-bench`; returns only when that fails.
pub fn run(arguments: &BenchArgs) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe()
        .with_context(|| said!("cannot find this program's folder", "找不到本程序所在文件夹"))?;
    let program = own.with_file_name("menshen-bench");
    let error = std::process::Command::new(&program).args(&arguments.arguments).exec();
    let program = program.display();
    bail!(said!(
        "cannot run {program}: {error}; it measures speed and accuracy and is built with `cargo build --release -p menshen-bench`",
        "无法运行 {program}：{error}；测速程序用 cargo build --release -p menshen-bench 编译"
    ))
}
