//! What a place takes, what is there, and what is wrong with that.

use std::fmt;

use serde::de::{Expected, Unexpected};
use serde_json::Value;

use crate::status::Language;
use crate::text::spoken;
use crate::tr;

/// Longest text that is repeated in an error, in characters.
const SHOWN_CHARS: usize = 40;

/// What the reader of URLs says.
const URL_ERRORS: [url::ParseError; 10] = [
    url::ParseError::EmptyHost,
    url::ParseError::IdnaError,
    url::ParseError::InvalidPort,
    url::ParseError::InvalidIpv4Address,
    url::ParseError::InvalidIpv6Address,
    url::ParseError::InvalidDomainCharacter,
    url::ParseError::RelativeUrlWithoutBase,
    url::ParseError::RelativeUrlWithCannotBeABaseBase,
    url::ParseError::SetHostOnCannotBeABaseUrl,
    url::ParseError::Overflow,
];

/// What a place takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `true` or `false`.
    Switch,
    /// A whole number between two bounds.
    Whole(i64, u64),
    /// Any number.
    Number,
    /// A text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of any length.
    List,
    /// A list of so many values.
    ListOf(usize),
    /// Keys with values.
    Table,
}

impl Wanted {
    /// In words.
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Switch => tr!(language, "true or false, without quotes", "true 或 false（不加引号）"),
            Self::Whole(min, u64::MAX) => {
                tr!(language, "a whole number from {min} on", "不小于 {min} 的整数")
            }
            Self::Whole(i64::MIN, _) => tr!(language, "a whole number", "整数"),
            Self::Whole(min, max) => {
                tr!(language, "a whole number from {min} to {max}", "{min} 到 {max} 之间的整数")
            }
            Self::Number => tr!(language, "a number, without quotes", "数字（不加引号）"),
            Self::Text => tr!(language, "a text in quotes", "带引号的文字"),
            Self::OneOf(words) => {
                let words = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
                tr!(language, "one of {words}", "以下之一：{words}")
            }
            Self::List => tr!(language, "a list in square brackets", "方括号中的列表"),
            Self::ListOf(count) => {
                tr!(language, "a list of {count} values in square brackets", "方括号中 {count} 个值的列表")
            }
            Self::Table => tr!(language, "keys with values", "由键和值组成的表"),
        }
    }

    /// A value that would do.
    pub fn example(&self) -> String {
        match self {
            Self::Switch => "true".to_owned(),
            Self::Whole(min, _) => (*min).max(5).to_string(),
            Self::Number => "0.5".to_owned(),
            Self::Text => "\"text\"".to_owned(),
            Self::OneOf(words) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
            Self::List => "[\"a\", \"b\"]".to_owned(),
            Self::ListOf(count) => format!("[{}]", vec!["1"; *count].join(", ")),
            Self::Table => "{ key = \"value\" }".to_owned(),
        }
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Something else is there.
    Type {
        /// What is there.
        found: Found,
        /// What is wanted.
        wanted: Wanted,
    },
    /// A key that must be there is not.
    Missing(&'static str),
    /// A key that does not belong there.
    UnknownKey {
        /// The key.
        key: String,
        /// Those that do.
        known: &'static [&'static str],
    },
    /// The text is no URL.
    Url,
    /// In words of its own.
    Other(String),
}

/// A value as an error shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A text, its beginning.
    Text(String),
    /// A number.
    Number(String),
    /// `true` or `false`.
    Switch(bool),
    /// A list with so many entries.
    List(usize),
    /// Keys with values.
    Table,
    /// A date or a time.
    Date,
    /// Nothing at all.
    Nothing,
}

impl Found {
    /// Of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Bool(on) => Self::Switch(*on),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::String(text) if text.chars().count() > SHOWN_CHARS => {
                Self::Text(text.chars().take(SHOWN_CHARS).chain(['…']).collect())
            }
            Value::String(text) => Self::Text(text.clone()),
            Value::Array(list) => Self::List(list.len()),
            Value::Object(table) if table.keys().any(|key| key.starts_with("$__toml")) => Self::Date,
            Value::Object(_) => Self::Table,
        }
    }

    /// In words; `is_secret`: the value is not repeated.
    pub fn text(&self, language: Language, is_secret: bool) -> String {
        match self {
            Self::Text(_) if is_secret => tr!(language, "a text", "文字"),
            Self::Number(_) if is_secret => tr!(language, "a number", "数字"),
            Self::Text(text) => tr!(language, "the text \"{text}\"", "文字 \"{text}\""),
            Self::Number(number) => tr!(language, "the number {number}", "数字 {number}"),
            Self::Switch(on) => on.to_string(),
            Self::List(0) => tr!(language, "an empty list", "空列表"),
            Self::List(count) => tr!(language, "a list of {count}", "{count} 项的列表"),
            Self::Table => tr!(language, "a table of keys", "由键和值组成的表"),
            Self::Date => tr!(language, "a date", "日期"),
            // A number that is none (nan, inf) comes here as well: JSON has no word for it.
            Self::Nothing => tr!(language, "nothing, nan or inf", "空值、nan 或 inf"),
        }
    }
}

/// What is wrong, and where inside the value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeFault {
    /// Keys and places of lists from the outside in.
    pub path: Vec<String>,
    /// What is wrong.
    pub wrong: Wrong,
}

impl TypeFault {
    /// As `a.b.1`.
    pub fn key(&self) -> String {
        self.path.join(".")
    }

    /// What is wrong and what is wanted; `example` is a value that would do, in place of a general one.
    pub fn text(&self, language: Language, example: Option<&str>, is_secret: bool) -> String {
        match &self.wrong {
            Wrong::Type { found, wanted } => {
                let (found, shown) = (found.text(language, is_secret), wanted.text(language));
                let example = example.map_or_else(|| wanted.example(), str::to_owned);
                tr!(
                    language,
                    "is {found}; wanted is {shown}, as in {example}",
                    "当前是{found}；应为{shown}，如 {example}"
                )
            }
            Wrong::Missing(key) => tr!(language, "`{key}` is missing", "缺少 `{key}`"),
            Wrong::UnknownKey { key, known } => {
                let known = known.join(", ");
                tr!(language, "unknown key `{key}`; there is {known}", "未知的键 `{key}`；可用的有 {known}")
            }
            Wrong::Url => tr!(
                language,
                "is no URL, as in http://192.168.1.10:9061/path",
                "不是 URL，示例 http://192.168.1.10:9061/path"
            ),
            Wrong::Other(text) => text.clone(),
        }
    }

    pub(super) fn inside(mut self, key: impl Into<String>) -> Self {
        self.path.insert(0, key.into());
        self
    }

    pub(super) fn of(wrong: Wrong) -> Self {
        Self { path: Vec::new(), wrong }
    }
}

impl fmt::Display for TypeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text(spoken(), None, false);
        if self.path.is_empty() { f.write_str(&text) } else { write!(f, "`{}`: {text}", self.key()) }
    }
}

impl std::error::Error for TypeFault {}

impl serde::de::Error for TypeFault {
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        let is_of_url = URL_ERRORS.iter().any(|error| text.starts_with(&error.to_string()));
        Self::of(if is_of_url { Wrong::Url } else { Wrong::Other(text) })
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = wanted_of(&wanted.to_string());
        let found = match found {
            Unexpected::Str(text) => Found::of(&Value::from(text)),
            Unexpected::Bool(on) => Found::Switch(on),
            Unexpected::Seq => Found::List(0),
            Unexpected::Unit | Unexpected::Option => Found::Nothing,
            Unexpected::Unsigned(number) => Found::Number(number.to_string()),
            Unexpected::Signed(number) => Found::Number(number.to_string()),
            Unexpected::Float(number) => Found::Number(number.to_string()),
            _ => Found::Table,
        };
        Self::of(Wrong::Type { found, wanted })
    }

    fn invalid_length(count: usize, _: &dyn Expected) -> Self {
        Self::of(Wrong::Type { found: Found::List(count), wanted: Wanted::List })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::of(Wrong::Type { found: Found::of(&Value::from(variant)), wanted: Wanted::OneOf(known) })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::of(Wrong::UnknownKey { key: key.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::of(Wrong::Missing(key))
    }
}

/// What serde's word for a type stands for. As a rule a place says what it takes before it is read; only values that are kept
/// and looked at twice come here.
fn wanted_of(word: &str) -> Wanted {
    match word {
        "a boolean" => Wanted::Switch,
        "f32" | "f64" => Wanted::Number,
        "u8" | "u16" | "u32" | "u64" | "usize" => Wanted::Whole(0, u64::MAX),
        "i8" | "i16" | "i32" | "i64" | "isize" => Wanted::Whole(i64::MIN, u64::MAX),
        "a sequence" => Wanted::List,
        word if word.contains("string") => Wanted::Text,
        _ => Wanted::Table,
    }
}
