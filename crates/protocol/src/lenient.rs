//! Readers for fields that platforms in the field write in more than one way.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::json;

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

/// Whether nothing is said: null, or what PHP and Java write in place of a value that is not there. PHP cannot tell an
/// empty object from an empty list, and form libraries write an empty text for a number or a switch that was not set.
pub fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// An object as `T`; what [`is_absent`] is an empty one. Derived readers would take a list for an object, its values by
/// position: for commands that is too liberal.
///
/// # Errors
///
/// When it is no object, or one that is no `T`.
pub fn object<T: DeserializeOwned>(value: Value) -> Result<T, FieldError> {
    match value {
        Value::Object(_) => Ok(serde_json::from_value(value)?),
        absent if is_absent(&absent) => Ok(serde_json::from_value(Value::Object(Map::new()))?),
        other => Err(FieldError::NotObject(kind_of(&other))),
    }
}

/// An object that must be there, for a field.
///
/// # Errors
///
/// When it is absent, no object, or one that is no `T`.
pub fn object_field<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if is_absent(&value) {
        return Err(de::Error::custom("must be an object, and is empty"));
    }
    object(value).map_err(de::Error::custom)
}

/// An object, for a field that may be absent.
///
/// # Errors
///
/// When it is no object, or one that is no `T`.
pub fn object_opt<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if is_absent(&value) {
        return Ok(None);
    }
    object(value).map(Some).map_err(de::Error::custom)
}

/// As [`object_opt`]; what is absent has the type's default.
///
/// # Errors
///
/// As [`object_opt`].
pub fn object_or_default<'de, T: DeserializeOwned + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(object_opt(deserializer)?.unwrap_or_default())
}

/// Free keys, for a field that may be absent.
///
/// # Errors
///
/// When it is neither absent nor an object.
pub fn map_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    object_or_default(deserializer)
}

/// A string, or a number or bool in its place: platforms write ids both ways.
///
/// # Errors
///
/// When it is null, a list or an object.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text_of(Value::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// As [`text`]; what is absent is an empty text.
///
/// # Errors
///
/// When it is a list with something in it, or an object.
pub fn text_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(text_opt(deserializer)?.unwrap_or_default())
}

/// As [`text`], for a field that may be absent or null.
///
/// # Errors
///
/// When it is a list with something in it, or an object.
pub fn text_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text)),
        absent if is_absent(&absent) => Ok(None),
        value => text_of(value).map(Some).map_err(de::Error::custom),
    }
}

/// A list of strings, or of numbers; a lone value counts as a list of one. Entries that say nothing are left out.
///
/// # Errors
///
/// When it, or an entry, is a list of lists or an object.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        absent if is_absent(&absent) => Ok(Vec::new()),
        Value::Array(values) => values
            .into_iter()
            .filter(|value| !is_absent(value))
            .map(text_of)
            .collect::<Result<_, _>>()
            .map_err(de::Error::custom),
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
/// When it is there and cannot be read as an integer.
pub fn integer_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if is_absent(&value) {
        return Ok(None);
    }
    integer_of(&value)
        .map(Some)
        .ok_or_else(|| de::Error::custom(format!("expected an integer, got {}", kind_of(&value))))
}

/// A switch: true/false, 0/1, or either as a string.
///
/// # Errors
///
/// When it is there and can be read neither as true nor as false.
pub fn switch_opt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if is_absent(&value) {
        return Ok(None);
    }
    switch_of(&value)
        .map(Some)
        .ok_or_else(|| de::Error::custom(format!("expected 0, 1, true or false, got {}", kind_of(&value))))
}

/// As [`switch_opt`]; what is absent is off.
///
/// # Errors
///
/// As [`switch_opt`].
pub fn switch_or_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(switch_opt(deserializer)?.unwrap_or(false))
}

/// A switch, however it is written; `None` for anything else.
pub fn switch_of(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Some(false),
        value => match integer_of(value) {
            Some(number @ (0 | 1)) => Some(number == 1),
            _ => None,
        },
    }
}

/// An integer, however it is written; `None` for anything else.
pub fn integer_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64)),
        Value::String(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| json::whole_digits(text)?.parse().ok())
        }
        _ => None,
    }
}

/// An id, however it is written; `None` for what can be none.
pub fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(_) | Value::Number(_) => text_of(value.clone()).ok(),
        _ => None,
    }
}

pub(crate) fn text_of(value: Value) -> Result<String, FieldError> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => {
            let written = number.to_string();
            // Typed platforms write the id 1001 as 1001.0.
            Ok(if number.is_f64() { json::whole_digits(&written).unwrap_or(written) } else { written })
        }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Fields {
        #[serde(deserialize_with = "switch_opt")]
        switch: Option<bool>,
        #[serde(deserialize_with = "switch_or_off")]
        plain_switch: bool,
        #[serde(deserialize_with = "integer_opt")]
        number: Option<i64>,
        #[serde(deserialize_with = "map_opt")]
        map: Map<String, Value>,
        #[serde(deserialize_with = "object_opt")]
        object: Option<Box<Self>>,
        #[serde(deserialize_with = "texts")]
        texts: Vec<String>,
        #[serde(deserialize_with = "texts_opt")]
        texts_opt: Option<Vec<String>>,
    }

    #[test]
    fn what_says_nothing_is_absent_in_every_place() {
        for nothing in [json!(null), json!([]), json!(""), json!("  ")] {
            for key in ["switch", "plain_switch", "number", "map", "object", "texts"] {
                let read: Fields = object(json!({ key: nothing })).unwrap();
                assert_eq!(read, Fields::default(), "{key}: {nothing}");
            }
            assert_eq!(object::<Fields>(nothing).unwrap(), Fields::default());
        }
        for something in [json!([1]), json!({ "a": {} }), json!("x")] {
            for key in ["switch", "plain_switch", "number"] {
                assert!(object::<Fields>(json!({ key: something })).is_err(), "{key}: {something}");
            }
        }
        assert!(object::<Fields>(json!({ "object": [1] })).is_err(), "values by position are no object");
    }

    #[test]
    fn switches_and_numbers_are_read_however_they_are_written() {
        for (written, expected) in [
            (json!(0), false),
            (json!("0"), false),
            (json!("false"), false),
            (json!("FALSE"), false),
            (json!(0.0), false),
            (json!(1), true),
            (json!(" true "), true),
            (json!("1"), true),
        ] {
            assert_eq!(switch_of(&written), Some(expected), "{written}");
        }
        for (written, expected) in [("5", 5), (" 5 ", 5), ("5.0", 5), ("1e3", 1000), ("-7", -7)] {
            assert_eq!(integer_of(&json!(written)), Some(expected), "{written}");
        }
        for nonsense in ["5x", "5.5", ".", "e3", "1e99", "--5"] {
            assert_eq!(integer_of(&json!(nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn ids_keep_all_their_digits() {
        let read = |body: &str| id_of(&json::parse(body.as_bytes()).unwrap());
        for (body, id) in [
            ("1001", "1001"),
            ("\"007\"", "007"),
            ("9007199254740993", "9007199254740993"),
            ("12345678901234567890", "12345678901234567890"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1001.0", "1001"),
            ("1.2345678901E10", "12345678901"),
            ("9007199254740993.0", "9007199254740993"),
            ("-5", "-5"),
            ("1.5", "1.5"),
        ] {
            assert_eq!(read(body).as_deref(), Some(id), "{body}");
        }
        assert_eq!([read("null"), read("[1]"), read("true")], [None, None, None]);
    }
}
