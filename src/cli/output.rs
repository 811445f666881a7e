//! What the commands print: answers to the standard output, progress and problems to the standard error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::language::said;
use crate::runtime::problems::Problems;
use menshen_domain::visible::is_hidden;

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
    let Err(error) = out.write_all(visible(lines).as_bytes()).and_then(|()| out.flush()) else { return };
    if error.kind() != ErrorKind::BrokenPipe && !IS_INCOMPLETE.swap(true, Ordering::Relaxed) {
        print_note(&said!("error: the answer cannot be written: {error}", "错误：结果无法写出：{error}"));
    }
}

/// Names and addresses in an answer steer no terminal: what is hidden in a text is written out, in JSON as JSON does.
fn visible(lines: &str) -> Cow<'_, str> {
    let is_bad = |c: char| is_hidden(c) && !matches!(c, '\n' | '\t');
    if !lines.contains(is_bad) {
        return Cow::Borrowed(lines);
    }
    let is_json = lines.starts_with(['{', '[']);
    let mut out = String::with_capacity(lines.len() + 16);
    for c in lines.chars() {
        match (is_bad(c), is_json) {
            (false, _) => out.push(c),
            (true, false) => out.extend(c.escape_default()),
            (true, true) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // A text takes everything.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(out)
}

/// Something that deserves a look and keeps nobody from anything; part of the answer.
pub fn print_warning(what: &impl std::fmt::Display) {
    print_line(&said!("warning: {what}", "注意：{what}"));
}

/// A line beside the answer, which a program that reads the answer does not get. Where nobody can get it, it is lost.
pub fn print_note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible(line));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_steer_no_terminal() {
        for (line, shown) in [
            ("1001\t张三\n", "1001\t张三\n"),
            ("1001 a\u{1b}[2Jb\r\n", "1001 a\\u{1b}[2Jb\\r\n"),
            ("x\u{202e}y\u{9b}1m\n", "x\\u{202e}y\\u{9b}1m\n"),
            ("{\"a\":\"x\u{202e}y\"}\n", "{\"a\":\"x\\u202ey\"}\n"),
        ] {
            assert_eq!(visible(line), shown);
        }
    }
}
