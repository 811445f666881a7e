//! The `menshen-sim` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    menshen_sim::cli::main()
}
