//! A text that is no TOML: where and why, without quoting the line, in which a password may be.

use std::fmt;

use super::status::Language;
use super::text::{Text, spoken};
use crate::{text, tr};

/// Where and why a text is no TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotToml {
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// The key of the line, where it has one.
    key: Option<String>,
    why: Text,
}

impl NotToml {
    /// `at`: the byte where reading ended; `words`: the reader's own.
    pub fn new(text: &str, at: usize, words: &str) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count();
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let key = text.lines().nth(line).and_then(|line| line.split_once('=')).map(|(key, _)| key.trim());
        let is_key = |key: &&str| key.chars().all(|c| c.is_ascii_alphanumeric() || "._- ".contains(c));
        Self { line: line + 1, column, key: key.filter(is_key).map(str::to_owned), why: why(words) }
    }

    /// In words.
    pub fn text(&self, language: Language) -> String {
        let Self { line, column, key, why } = self;
        let key = key.as_ref().map(|key| format!(" (`{key}`)")).unwrap_or_default();
        let why = why.of(language);
        tr!(
            language,
            "is not TOML: line {line}{key}, column {column}: {why}",
            "不是 TOML：第 {line} 行{key}，第 {column} 列：{why}"
        )
    }
}

impl From<NotToml> for Text {
    fn from(error: NotToml) -> Self {
        Self::new(|language| error.text(language))
    }
}

impl fmt::Display for NotToml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(spoken()))
    }
}

impl std::error::Error for NotToml {}

/// The words of the TOML reader, in ours.
fn why(words: &str) -> Text {
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if has(&["duplicate"]) {
        text!("this key or section is there twice; keep one", "该键或段出现两次；请保留一个")
    } else if has(&["unquoted", "must be quoted", "string values"]) {
        text!(
            "a text stands in quotes, as in name = \"front door\"",
            "文字应加引号，如 name = \"front door\""
        )
    } else if has(&["string", "escape", "quote"]) {
        text!(
            "a text does not end, or holds a quote or a backslash; put it between single quotes, as in 'p\"w'",
            "文字没有结束，或含有引号、反斜杠；请用单引号，如 'p\"w'"
        )
    } else if has(&["]", "}", "array", "inline table", "unclosed"]) {
        text!("a bracket is missing, or a comma between two values", "缺少括号，或两个值之间缺少逗号")
    } else if has(&["number", "float", "integer", "digit", "leading zero"]) {
        text!("this is no number; a text stands in quotes", "不是数字；文字应加引号")
    } else {
        text!(
            "this is no line `key = value` and no [section]; a text stands in quotes, a remark begins with #",
            "不是 键 = 值，也不是 [段]；文字应加引号，注释以 # 开头"
        )
    }
}
