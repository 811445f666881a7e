//! What the commands print: answers to the standard output, progress and problems to the standard error.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::language::said;
use crate::runtime::problems::Problems;

/// An answer could not be written: the command has not done what was asked.
static IS_INCOMPLETE: AtomicBool = AtomicBool::new(false);

/// A line of the answer.
pub fn print_line(line: &str) {
    print_text(&format!("{line}\n"));
}

/// Lines of the answer, each with its end. Who has read enough (`| head`) has closed the pipe: the command goes on, since it may be
/// changing something. Any other failure, such as a full disk, makes it fail in the end.
pub fn print_text(lines: &str) {
    let mut out = std::io::stdout().lock();
    let Err(error) = out.write_all(lines.as_bytes()).and_then(|()| out.flush()) else { return };
    if error.kind() != ErrorKind::BrokenPipe && !IS_INCOMPLETE.swap(true, Ordering::Relaxed) {
        print_note(&said!("error: the answer cannot be written: {error}", "错误：结果无法写出：{error}"));
    }
}

/// Something that deserves a look and keeps nobody from anything; part of the answer.
pub fn print_warning(what: &impl std::fmt::Display) {
    print_line(&said!("warning: {what}", "注意：{what}"));
}

/// A line beside the answer, which a program that reads the answer does not get. Where nobody can get it, it is lost.
pub fn print_note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What a command ends with: a failure where its answer could not be written.
pub fn end(code: ExitCode) -> ExitCode {
    if IS_INCOMPLETE.load(Ordering::Relaxed) { ExitCode::FAILURE } else { code }
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
        print_note(&said!("error: {problem}", "错误：{problem}"));
    }
    if problems.len() > 1 {
        let count = problems.len();
        print_note(&said!("{count} problems", "共 {count} 个问题"));
    }
}
