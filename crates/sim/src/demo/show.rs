//! What the demo prints, in two languages, in colour on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

use clap::ValueEnum;
use unicode_width::UnicodeWidthStr as _;

/// Width of the summary's first column; the longest text in it has 48 columns.
const ROW_COLUMNS: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    Zh,
    En,
}

pub struct Screen {
    lang: Lang,
    colour: bool,
    started: Instant,
}

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Step,
    Good,
    Bad,
    Person,
    Quiet,
}

impl Tone {
    fn ansi(self) -> &'static str {
        match self {
            Self::Step => "\x1b[36m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
            Self::Person => "\x1b[1;33m",
            Self::Quiet => "\x1b[2m",
        }
    }
}

impl Screen {
    pub fn new(lang: Option<Lang>) -> Self {
        let from_environment = || {
            let lang = std::env::var("LC_ALL").or_else(|_| std::env::var("LANG")).unwrap_or_default();
            if lang.starts_with("zh") { Lang::Zh } else { Lang::En }
        };
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { lang: lang.unwrap_or_else(from_environment), colour, started: Instant::now() }
    }

    /// The text in the chosen language.
    pub fn pick<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    /// One line with the time since the start.
    pub fn print_line(&self, tone: Tone, text: &str) {
        let seconds = self.started.elapsed().as_secs_f32();
        let mut out = std::io::stdout().lock();
        // A closed terminal is no reason to stop.
        let _ = if self.colour {
            writeln!(out, "\x1b[2m{seconds:6.1}s\x1b[0m  {}{text}\x1b[0m", tone.ansi())
        } else {
            writeln!(out, "{seconds:6.1}s  {text}")
        };
    }

    /// One row of the summary.
    pub fn row(&self, passed: bool, what: &str, found: &str) {
        let (mark, tone) = if passed { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        let mut out = std::io::stdout().lock();
        let gap = " ".repeat(ROW_COLUMNS.saturating_sub(what.width()));
        let _ = if self.colour {
            writeln!(out, "  {}{mark}\x1b[0m {what}{gap} {found}", tone.ansi())
        } else {
            writeln!(out, "  {mark} {what}{gap} {found}")
        };
    }
}

/// A plain line.
pub fn plain(text: &str) {
    // A closed terminal is no reason to stop.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
