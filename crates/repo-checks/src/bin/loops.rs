//! Prints the import loops of every crate of the workspace, or of the packages named on the command line.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use repo_checks::packages::packages;
use repo_checks::source::Crate;
use repo_checks::{CheckError, loops, repository};

fn run(names: &[String]) -> Result<(), CheckError> {
    let root = repository();
    for package in packages(&root)? {
        if !names.is_empty() && !names.contains(&package.name) {
            continue;
        }
        for target in &package.targets {
            let found = loops::loops(&Crate::read(&root, target)?);
            if !found.is_empty() {
                let sizes: Vec<String> = found.iter().map(|one| one.files.len().to_string()).collect();
                println!("== {} ({}): loops of {} files", package.name, target.display(), sizes.join(", "));
            }
            for one in found {
                println!("{one}");
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match run(&names) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
