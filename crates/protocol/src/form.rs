//! Forms (`multipart/form-data`, `application/x-www-form-urlencoded`): read in place of JSON by the calls that are published
//! so, and written to receivers that want them. Nothing is published of either's details.

use serde_json::{Map, Value};

use super::lenient::{self, FieldError};
use super::photo_post::multipart;
use menshen_domain::limits;

const URL_ENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// Why a body is no form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// No boundary, or no part behind one.
    #[error("has no fields: its boundary is not in the body")]
    NoFields,
    /// More than a call can have.
    #[error("has too many fields, at most {} are taken", limits::LOCAL_FORM_FIELDS_MAX)]
    TooMany,
    /// A part without a name.
    #[error("has a part without a name")]
    NoName,
    /// A file, or text in another encoding.
    #[error("has a field `{0}` that is no text in UTF-8")]
    NotText(String),
}

/// Whether a body of this type, without parameters, is a form.
pub fn is_form(content_type: &str) -> bool {
    [URL_ENCODED, MULTIPART].iter().any(|kind| kind.eq_ignore_ascii_case(content_type))
}

/// The fields of a form: a text each, a list of texts where a field comes repeatedly. `name[]`, as PHP and jQuery write a
/// list, is a list of `name`. `content_type` is as it was sent, with parameters.
///
/// # Errors
///
/// When it is none, or has fields that are no texts.
pub fn read(content_type: &str, body: &[u8]) -> Result<Map<String, Value>, FormError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let mut fields = Map::new();
    if kind.eq_ignore_ascii_case(URL_ENCODED) {
        for (count, (name, text)) in url::form_urlencoded::parse(body).enumerate() {
            add(&mut fields, count, &name, text.into_owned())?;
        }
        return Ok(fields);
    }
    for (count, part) in multipart::split(content_type, body).into_iter().enumerate() {
        let Some(name) = part.names.first() else { return Err(FormError::NoName) };
        let text = std::str::from_utf8(part.body).ok().filter(|_| !part.is_base64);
        let Some(text) = text else { return Err(FormError::NotText(shortened(name))) };
        add(&mut fields, count, name, text.to_owned())?;
    }
    if fields.is_empty() { Err(FormError::NoFields) } else { Ok(fields) }
}

fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}

fn add(fields: &mut Map<String, Value>, count: usize, name: &str, text: String) -> Result<(), FormError> {
    if count >= limits::LOCAL_FORM_FIELDS_MAX {
        return Err(FormError::TooMany);
    }
    let (name, is_list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    if name.is_empty() {
        return Err(FormError::NoName);
    }
    match fields.get_mut(name) {
        None if is_list => drop(fields.insert(name.to_owned(), Value::from(vec![text]))),
        None => drop(fields.insert(name.to_owned(), Value::from(text))),
        Some(Value::Array(list)) => list.push(Value::from(text)),
        Some(first) => *first = Value::from(vec![first.take(), Value::from(text)]),
    }
    Ok(())
}

/// A list of texts of JSON or of a form: a list, one text that holds JSON, or one with commas between.
///
/// # Errors
///
/// When it is, or holds, something else.
pub fn texts(value: &Value) -> Result<Vec<String>, FieldError> {
    match value {
        Value::String(text) if text.trim_start().starts_with('[') => {
            Ok(lenient::texts(serde_json::from_str::<Value>(text)?)?)
        }
        Value::String(text) => {
            Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
        }
        other => Ok(lenient::texts(other.clone())?),
    }
}

/// The content type of what [`write()`] writes.
pub fn content_type(boundary: &str) -> String {
    format!("{MULTIPART}; boundary={boundary}")
}

/// A form of these fields: a part each, texts and numbers as texts, objects and lists as JSON. What is null is left out.
/// `boundary` must not be in any of them.
pub fn write(fields: &Map<String, Value>, boundary: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let (kind, text) = match value {
            Value::Null => continue,
            Value::String(text) => ("", text.clone()),
            Value::Bool(_) | Value::Number(_) => ("", value.to_string()),
            Value::Array(_) | Value::Object(_) => ("Content-Type: application/json\r\n", value.to_string()),
        };
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n{kind}\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(text.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn both_kinds_of_forms_give_the_same_fields() {
        let expected = fields(json!({ "a": "1 2", "list": ["x", "人"], "one": ["y"], "empty": "" }));
        let encoded = "a=1+2&list=x&list=%E4%BA%BA&one%5B%5D=y&empty=";
        assert_eq!(
            read("application/x-www-form-urlencoded; charset=utf-8", encoded.as_bytes()).unwrap(),
            expected
        );
        let part = |name: &str, text: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        let parts = [("a", "1 2"), ("list", "x"), ("list", "人"), ("one[]", "y"), ("empty", "")];
        let body: String = parts.iter().map(|(name, text)| part(name, text)).collect();
        let body = body + "--b--\r\n";
        assert_eq!(read("Multipart/Form-Data; boundary=b", body.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn what_is_no_form_or_no_text_is_told() {
        let multipart = "multipart/form-data; boundary=b";
        assert_eq!(read(multipart, b"{}"), Err(FormError::NoFields));
        assert_eq!(read(multipart, b"--b\r\n\r\nx\r\n--b--"), Err(FormError::NoName));
        let picture = b"--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n\xFF\xD8\r\n--b--";
        assert_eq!(read(multipart, picture), Err(FormError::NotText("f".to_owned())));
        let many = "a=1&".repeat(limits::LOCAL_FORM_FIELDS_MAX + 1);
        assert_eq!(read(URL_ENCODED, many.as_bytes()), Err(FormError::TooMany));
        assert_eq!(read(URL_ENCODED, b"=1"), Err(FormError::NoName));
        assert!(is_form("multipart/form-data") && !is_form("application/json") && !is_form(""));
    }

    #[test]
    fn a_list_is_read_however_it_is_written() {
        for (written, expected) in [
            (json!(["a", "b"]), vec!["a", "b"]),
            (json!("a, b,"), vec!["a", "b"]),
            (json!(r#"["a,1","b"]"#), vec!["a,1", "b"]),
            (json!([]), vec![]),
            (json!(""), vec![]),
            (json!("[]"), vec![]),
            (json!(7), vec!["7"]),
        ] {
            assert_eq!(texts(&written).unwrap(), expected, "{written}");
        }
        for wrong in [json!("[a"), json!({ "a": 1 }), json!([["a"]])] {
            assert!(texts(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let written =
            fields(json!({ "id": "x\r\ny", "score": 0.5, "on": true, "gone": null, "data": { "a": [1] } }));
        let body = write(&written, "menshen-1");
        let read = read(&content_type("menshen-1"), &body).unwrap();
        assert_eq!(
            read,
            fields(json!({ "id": "x\r\ny", "score": "0.5", "on": "true", "data": "{\"a\":[1]}" }))
        );
        assert!(body.ends_with(b"--menshen-1--\r\n"));
    }
}
