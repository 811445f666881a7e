//! Readers for fields that platforms in the field write in more than one way.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

/// Why a field cannot be read. Never holds its value, which may be a picture.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// Something inside has another type.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// No object, but [`kind_of`] it.
    #[error("must be an object, got {0}")]
    NotObject(&'static str),
    /// Nothing that can be read as a string, but [`kind_of`] it.
    #[error("expected a string, got {0}")]
    NotText(&'static str),
}

/// An object as `T`. Derived readers would take a list for an object, its values by position: for commands that
/// is too liberal.
///
/// # Errors
///
/// When it is no object, or one that is no `T`.
pub fn object<T: DeserializeOwned>(value: Value) -> Result<T, FieldError> {
    if value.is_object() {
        Ok(serde_json::from_value(value)?)
    } else {
        Err(FieldError::NotObject(kind_of(&value)))
    }
}

/// Free keys, for a field that may be null.
///
/// # Errors
///
/// When it is neither null nor an object.
pub fn map_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::<Map<String, Value>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A string, or a number or bool in its place: platforms write ids both ways.
///
/// # Errors
///
/// When it is null, a list or an object.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_of(Value::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// As [`text`], for a field that may be absent or null.
///
/// # Errors
///
/// When it is a list or an object.
pub fn text_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => text_of(value).map(Some).map_err(de::Error::custom),
    }
}

/// A list of strings, or of numbers; a lone value counts as a list of one.
///
/// # Errors
///
/// When it, or an entry, is a list of lists or an object.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::Array(values) => {
            values.into_iter().map(text_of).collect::<Result<_, _>>().map_err(de::Error::custom)
        }
        value => text_of(value).map(|one| vec![one]).map_err(de::Error::custom),
    }
}

/// As [`texts`], for a field that may be absent or null.
///
/// # Errors
///
/// As [`texts`].
pub fn texts_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => None,
        Some(value) => Some(texts(value).map_err(de::Error::custom)?),
    })
}

/// An integer, also when written as a string or as a float without a fraction.
///
/// # Errors
///
/// When it cannot be read as an integer.
pub fn integer_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(value) => integer_of(&value)
            .map(Some)
            .ok_or_else(|| de::Error::custom(format!("expected an integer, got {}", kind_of(&value)))),
    }
}

/// A switch: true/false, 0/1, or either as a string.
///
/// # Errors
///
/// When it can be read neither as true nor as false.
pub fn switch_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(on)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(value) => match integer_of(&value) {
            Some(number @ (0 | 1)) => Ok(Some(number == 1)),
            _ => Err(de::Error::custom(format!("expected 0, 1, true or false, got {}", kind_of(&value)))),
        },
    }
}

fn integer_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn text_of(value: Value) -> Result<String, FieldError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(on) => Ok(on.to_string()),
        other => Err(FieldError::NotText(kind_of(&other))),
    }
}

/// The JSON type of a value, for error texts; never the value itself, which may be a picture.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
