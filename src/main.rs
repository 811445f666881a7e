//! The `menshen` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    menshen::cli::main()
}
