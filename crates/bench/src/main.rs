//! The `menshen-bench` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    menshen_bench::main()
}
