//! Reading values that people write (configuration, model descriptions, pipelines, changes): what is wrong is told as the key, what is
//! there and what is wanted, and never in the words of a library.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde_json::{Map, Number, Value};

use super::status::Language;
use super::text::spoken;
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
            Self::Nothing => tr!(language, "nothing", "空值"),
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

    fn inside(mut self, key: impl Into<String>) -> Self {
        self.path.insert(0, key.into());
        self
    }

    fn of(wrong: Wrong) -> Self {
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
            Unexpected::Map => Found::Table,
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

/// Reads a value.
///
/// # Errors
/// The first thing that is wrong.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, TypeFault> {
    T::deserialize(Node(value))
}

#[derive(Clone, Copy)]
struct Node<'a>(&'a Value);

impl<'a> Node<'a> {
    fn wrong<T>(self, wanted: Wanted) -> Result<T, TypeFault> {
        Err(TypeFault::of(Wrong::Type { found: Found::of(self.0), wanted }))
    }

    fn list(self, wanted: Wanted) -> Result<&'a Vec<Value>, TypeFault> {
        self.0.as_array().map_or_else(|| self.wrong(wanted), Ok)
    }

    fn table(self) -> Result<&'a Map<String, Value>, TypeFault> {
        self.0.as_object().map_or_else(|| self.wrong(Wanted::Table), Ok)
    }
}

macro_rules! whole {
    ($($method:ident $type:ty, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
            // A number like 5.0 is whole.
            let whole = self.0.as_number().and_then(|number| whole_of(number)).and_then(|n| <$type>::try_from(n).ok());
            match whole {
                Some(number) => visitor.$visit(number),
                #[allow(clippy::cast_lossless, clippy::cast_possible_wrap, reason = "bounds of every whole type fit")]
                None => self.wrong(Wanted::Whole(<$type>::MIN as i64, <$type>::MAX as u64)),
            }
        }
    )*};
}

fn whole_of(number: &Number) -> Option<i128> {
    let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    whole.or_else(|| number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 1e15).map(|n| n as i128))
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = TypeFault;

    whole! {
        deserialize_i8 i8, visit_i8;
        deserialize_i16 i16, visit_i16;
        deserialize_i32 i32, visit_i32;
        deserialize_i64 i64, visit_i64;
        deserialize_u8 u8, visit_u8;
        deserialize_u16 u16, visit_u16;
        deserialize_u32 u32, visit_u32;
        deserialize_u64 u64, visit_u64;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(on) => visitor.visit_bool(*on),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Array(list) => visitor.visit_seq(Entries { list: list.iter().enumerate() }),
            Value::Object(table) => visitor.visit_map(Keys { table: table.iter(), value: None }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.0.as_bool().map_or_else(|| self.wrong(Wanted::Switch), |on| visitor.visit_bool(on))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.0.as_f64().map_or_else(|| self.wrong(Wanted::Number), |number| visitor.visit_f64(number))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            _ => self.wrong(Wanted::Text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        visitor.visit_seq(Entries { list: self.list(Wanted::List)?.iter().enumerate() })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, TypeFault> {
        let list = self.list(Wanted::ListOf(count))?;
        if list.len() == count {
            visitor.visit_seq(Entries { list: list.iter().enumerate() })
        } else {
            self.wrong(Wanted::ListOf(count))
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        self.deserialize_tuple(count, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeFault> {
        visitor.visit_map(Keys { table: self.table()?.iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeFault> {
        match self.0 {
            Value::String(word) => visitor.visit_enum(Word(word)),
            _ => self.wrong(Wanted::OneOf(words)),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct identifier ignored_any
    }
}

struct Entries<'a> {
    list: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> SeqAccess<'de> for Entries<'de> {
    type Error = TypeFault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, TypeFault> {
        let Some((place, value)) = self.list.next() else { return Ok(None) };
        seed.deserialize(Node(value)).map(Some).map_err(|fault| fault.inside(place.to_string()))
    }
}

struct Keys<'a> {
    table: serde_json::map::Iter<'a>,
    value: Option<(&'a String, &'a Value)>,
}

impl<'de> MapAccess<'de> for Keys<'de> {
    type Error = TypeFault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypeFault> {
        self.value = self.table.next();
        let Some((key, _)) = self.value else { return Ok(None) };
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, TypeFault> {
        let Some((key, value)) = self.value else { return Err(TypeFault::of(Wrong::Other(String::new()))) };
        seed.deserialize(Node(value)).map_err(|fault| fault.inside(key))
    }
}

/// A word of an enumeration; none has values inside.
struct Word<'a>(&'a str);

impl<'de> EnumAccess<'de> for Word<'de> {
    type Error = TypeFault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), TypeFault> {
        Ok((seed.deserialize(StrDeserializer::new(self.0))?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'de> {
    type Error = TypeFault;

    fn unit_variant(self) -> Result<(), TypeFault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, TypeFault> {
        Node(&Value::Null).wrong(Wanted::Table)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, TypeFault> {
        Node(&Value::Null).wrong(Wanted::Table)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, TypeFault> {
        Node(&Value::Null).wrong(Wanted::Table)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Blue,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Thing {
        size: u16,
        #[serde(default)]
        colours: Vec<Colour>,
        corner: Option<[f32; 2]>,
    }

    fn told<T: DeserializeOwned + fmt::Debug>(value: &Value) -> String {
        read::<T>(value).unwrap_err().to_string()
    }

    #[test]
    fn what_is_there_and_what_is_wanted_is_told() {
        assert_eq!(
            told::<bool>(&json!("yes")),
            "is the text \"yes\"; wanted is true or false, without quotes, as in true"
        );
        assert_eq!(
            told::<u16>(&json!(-1)),
            "is the number -1; wanted is a whole number from 0 to 65535, as in 5"
        );
        assert_eq!(
            told::<u64>(&json!(1.5)),
            "is the number 1.5; wanted is a whole number from 0 on, as in 5"
        );
        assert_eq!(told::<f32>(&json!([1])), "is a list of 1; wanted is a number, without quotes, as in 0.5");
        assert_eq!(told::<PathBuf>(&json!(5)), "is the number 5; wanted is a text in quotes, as in \"text\"");
        assert_eq!(
            told::<Colour>(&json!("green")),
            "is the text \"green\"; wanted is one of \"red\", \"blue\", as in \"red\""
        );
        assert_eq!(
            told::<Colour>(&json!(true)),
            "is true; wanted is one of \"red\", \"blue\", as in \"red\""
        );
        assert_eq!(
            told::<Vec<String>>(&json!({ "a": 1 })),
            "is a table of keys; wanted is a list in square brackets, as in [\"a\", \"b\"]"
        );
        let thing = |value: Value| told::<Thing>(&value);
        assert_eq!(
            thing(json!({ "size": 1, "colours": ["red", 7] })),
            "`colours.1`: is the number 7; wanted is one of \"red\", \"blue\", as in \"red\""
        );
        assert_eq!(
            thing(json!({ "size": 1, "corner": [1] })),
            "`corner`: is a list of 1; wanted is a list of 2 values in square brackets, as in [1, 1]"
        );
        assert_eq!(thing(json!({})), "`size` is missing");
        assert_eq!(
            thing(json!({ "size": 1, "sise": 2 })),
            "unknown key `sise`; there is size, colours, corner"
        );
        assert!(read::<Thing>(&json!({ "size": 5.0, "colours": ["blue"], "corner": null })).is_ok());
    }

    #[test]
    fn no_secret_is_repeated_and_long_texts_are_cut() {
        let fault = read::<bool>(&json!("hunter2")).unwrap_err();
        assert!(!fault.text(Language::En, None, true).contains("hunter2"));
        assert!(told::<bool>(&json!("x".repeat(500))).len() < 150);
        assert_eq!(Found::of(&json!({ "$__toml_private_datetime": "x" })), Found::Date);
    }
}
