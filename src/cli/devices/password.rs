//! A password from standard input: piped in, or typed without being seen.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Stdin, stdin};

use crate::cli::language::said;
use anyhow::{Context as _, anyhow, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A password is not longer; more is another file.
const BYTES_MAX: u64 = 1024;

/// One line. `prompt` is shown on a terminal.
pub fn read_password(prompt: &str) -> anyhow::Result<String> {
    let terminal = stdin();
    let unseen = if terminal.is_terminal() {
        ask(prompt);
        Some(Unseen::new(&terminal)?)
    } else {
        None
    };
    let mut bytes = Vec::new();
    let read = terminal.lock().take(BYTES_MAX + 1).read_until(b'\n', &mut bytes);
    if unseen.is_some() {
        // The line's end was not seen either.
        ask("\n");
    }
    drop(unseen);
    read.with_context(|| said!("the password cannot be read", "无法读取密码"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| anyhow!(said!("the password is no UTF-8", "密码不是 UTF-8")))?;
    let password = text.trim_end_matches(['\r', '\n']);
    match password.len() as u64 {
        0 => bail!(said!(
            "--password-stdin: there is no password on standard input",
            "--password-stdin：标准输入中没有密码"
        )),
        1..=BYTES_MAX => Ok(password.to_owned()),
        _ => bail!(said!(
            "--password-stdin: longer than {BYTES_MAX} bytes; is it the password?",
            "--password-stdin：超过 {BYTES_MAX} 字节；这是密码吗？"
        )),
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unseen<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn new(terminal: &'a Stdin) -> anyhow::Result<Self> {
        let would_show = || said!("the terminal would show the password", "终端会显示密码");
        let before = tcgetattr(terminal).with_context(would_show)?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &modes).with_context(would_show)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // A terminal that has gone needs it no more.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[allow(clippy::print_stderr, reason = "the prompt is for the terminal")]
fn ask(text: &str) {
    eprint!("{text}");
}
