//! What the commands print: answers to the standard output, progress and problems to the standard error.

use std::process::ExitCode;

use crate::runtime::problems::Problems;

/// A line of the answer.
#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
pub fn print_line(line: &str) {
    println!("{line}");
}

/// Lines of the answer, each with its end.
#[allow(clippy::print_stdout, reason = "the answer is for the terminal")]
pub fn print_text(lines: &str) {
    print!("{lines}");
}

/// A line beside the answer, which a program that reads the answer does not get.
#[allow(clippy::print_stderr, reason = "progress is for the terminal")]
pub fn print_note(line: &str) {
    eprintln!("{line}");
}

/// Prints what a command failed with: one line a problem, and how many there are if there are several.
pub fn print_error(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Problems>() {
        Some(problems) => report(&problems.texts().collect::<Vec<_>>()),
        None => report(&[format!("{error:#}")]),
    }
    ExitCode::FAILURE
}

/// Prints problems with their number.
fn report(problems: &[String]) {
    for problem in problems {
        print_note(&format!("error: {problem}"));
    }
    if problems.len() > 1 {
        print_note(&format!("{} problems 共 {} 个问题", problems.len(), problems.len()));
    }
}
