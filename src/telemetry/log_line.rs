//! The last look at a line before it is written: it stays one line, steers no terminal, and holds no licence code.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{OnceLock, PoisonError, RwLock};

use tracing_subscriber::fmt::MakeWriter;

use menshen_domain::visible::is_hidden;

/// What is put in the place of a secret.
const MASK: &str = "***";
/// Shorter ones are words that stand in a log for other reasons.
const SECRET_LENGTH_MIN: usize = 6;
/// What stands there where no licence code was issued.
const NO_SECRET: &str = "STANDALONE";

/// The licence code; it logs the box in, and is a part of names that libraries and the platform put into their texts.
static LICENCE_CODE: RwLock<String> = RwLock::new(String::new());

/// Has the licence code left out of every line from now on.
pub fn hide_licence_code(code: &str) {
    let is_secret = code.len() >= SECRET_LENGTH_MIN && code != NO_SECRET;
    let mut known = LICENCE_CODE.write().unwrap_or_else(PoisonError::into_inner);
    *known = if is_secret { code.to_owned() } else { String::new() };
}

/// How lines are written, which decides how a character is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineForm {
    Text,
    /// For a terminal: with the colours of the log's own.
    Coloured,
    Json,
}

/// Gives writers that clean each line on its way to those of `inner`.
pub struct CleanLines<M> {
    inner: M,
    form: LineForm,
}

impl<M> CleanLines<M> {
    pub fn new(inner: M, form: LineForm) -> Self {
        Self { inner, form }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for CleanLines<M> {
    type Writer = CleanLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        CleanLine { inner: self.inner.make_writer(), form: self.form }
    }
}

/// Takes a whole line at a time, as the log writes them.
pub struct CleanLine<W> {
    inner: W,
    form: LineForm,
}

impl<W: Write> Write for CleanLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.inner.write_all(clean(&String::from_utf8_lossy(line), self.form).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn clean(line: &str, form: LineForm) -> String {
    let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
    let text = without_licence_code(text, &LICENCE_CODE.read().unwrap_or_else(PoisonError::into_inner));
    let mut clean = String::with_capacity(text.len() + 1);
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        // Those of values were written out before: the log's own are all that is left.
        if let (LineForm::Coloured, Some(length)) = (form, colour(rest)) {
            clean.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match (is_hidden(c), form) {
            (false, _) => clean.push(c),
            (true, LineForm::Json) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // A text takes everything.
                    let _ = write!(clean, "\\u{unit:04x}");
                }
            }
            (true, _) => clean.extend(c.escape_default()),
        }
    }
    clean + end
}

/// Length of the colour that a text begins with: `ESC [ 2 m`.
fn colour(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("\u{1b}[")?;
    let end = inside.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    inside[end..].starts_with('m').then_some(end + 3)
}

/// Names of devices lose it, so that they are those of the configuration; elsewhere a mask shows that something was there.
fn without_licence_code(text: &str, code: &str) -> String {
    if code.is_empty() || !text.contains(code) {
        return text.to_owned();
    }
    text.replace(&format!("{code}__"), "").replace(code, MASK)
}

/// What people are called in the log; see [`log_name`].
type Name = Box<dyn Fn(&str) -> String + Send + Sync>;

static NAMES: OnceLock<Name> = OnceLock::new();

/// Sets what people are called in the log; once in a process.
pub fn name_people_by(name: impl Fn(&str) -> String + Send + Sync + 'static) {
    // A second box in one process, in a test, keeps the first one's names.
    let _ = NAMES.set(Box::new(name));
}

/// What a person is called in the log: the same at all times, and nobody finds the id by it without the box's key.
pub fn log_name(id: &str) -> String {
    NAMES.get().map_or_else(|| MASK.to_owned(), |name| name(id))
}

/// A text about a person, such as why a photo was refused, without the id.
pub fn about(id: &str, text: &str) -> String {
    if id.is_empty() { text.to_owned() } else { text.replace(id, &log_name(id)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        for (line, form, shown) in [
            ("plain 张三\n", LineForm::Text, "plain 张三\n"),
            ("a\n2026 ERROR forged\r\n", LineForm::Text, "a\\n2026 ERROR forged\\r\n"),
            ("\u{1b}[31mred\n", LineForm::Text, "\\u{1b}[31mred\n"),
            (
                "\u{1b}[31mred\u{1b}[0m \u{1b}[2J\u{1b}]0;t\n",
                LineForm::Coloured,
                "\u{1b}[31mred\u{1b}[0m \\u{1b}[2J\\u{1b}]0;t\n",
            ),
            ("x\u{202e}y\u{e0041}\n", LineForm::Text, "x\\u{202e}y\\u{e0041}\n"),
            (
                "{\"a\":\"x\u{202e}y\u{7f}\u{e0041}\"}\n",
                LineForm::Json,
                "{\"a\":\"x\\u202ey\\u007f\\udb40\\udc41\"}\n",
            ),
            ("no end", LineForm::Json, "no end"),
        ] {
            assert_eq!(clean(line, form), shown, "{line:?}");
        }
        let json = clean("{\"a\":\"x\u{202e}y\"}", LineForm::Json);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["a"], "x\u{202e}y");
    }

    #[test]
    fn the_licence_code_is_left_out() {
        let code = "UMOTRU000120190909103019";
        for (text, shown) in [
            ("device=UMOTRU000120190909103019__10.0.0.5 went", "device=10.0.0.5 went"),
            ("GET http://h/login?devSno=UMOTRU000120190909103019", "GET http://h/login?devSno=***"),
            ("queue UMOTRU000120190909103019DownQueue", "queue ***DownQueue"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_licence_code(text, code), shown);
        }
        assert_eq!(without_licence_code("as it is", ""), "as it is");
    }

    #[test]
    fn what_is_written_is_cleaned() {
        let mut out = Vec::new();
        CleanLine { inner: &mut out, form: LineForm::Text }.write_all(b"a\tb\n").unwrap();
        assert_eq!(out, b"a\\tb\n");
    }
}
