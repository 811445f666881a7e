//! Texts with pictures in them: JSON, XML, fields of a web form, or base64 by itself.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030};
use percent_encoding::percent_decode_str;
use quick_xml::Reader as XmlReader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

use super::multipart::parameter;
use super::reader::{PostError, Reader};
use super::role::{NamedRole, role_of, role_of_type};
use crate::json;
use crate::picture;
use menshen_domain::limits;

/// Keys whose value says what the object beside it is.
const TYPE_KEYS: [&str; 9] =
    ["type", "imagetype", "pictype", "picturetype", "name", "filename", "picname", "key", "kind"];

/// A body as text, by its byte order mark, else as UTF-8, else by the label, else in the encoding of China's devices.
pub(super) fn text_of<'a>(content_type: &str, bytes: &'a [u8]) -> Cow<'a, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0;
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let label = parameter(content_type, "charset");
    let said = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    let encoding = said.filter(|encoding| *encoding != encoding_rs::UTF_8).unwrap_or(GB18030);
    encoding.decode_without_bom_handling(bytes).0
}

impl Reader {
    /// A whole body; whether it was a text of a kind that holds pictures.
    pub(super) fn text_body(&mut self, content_type: &str, bytes: &[u8]) -> bool {
        let text = text_of(content_type, bytes);
        let begin = text.trim_start();
        let is_page = begin.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("<html"))
            || begin.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("<!doctype"));
        if is_page {
            return false;
        }
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_fields = kind == "application/x-www-form-urlencoded";
        if begin.starts_with(['{', '[', '"', '<']) || picture::begins_like_one(&text) {
            self.text(&text, &[], "", 0);
            true
        } else if is_fields || is_like_fields(begin) {
            self.fields(begin, 0);
            true
        } else {
            if kind.contains("json") {
                self.trouble = Some(PostError::NotJson(1, 1));
            }
            kind.contains("json") || kind.contains("xml")
        }
    }

    /// A text of any of these kinds. `path`: what the names around it say; `key`: the innermost of these names.
    pub(super) fn text(&mut self, text: &str, path: &[Option<NamedRole>], key: &str, depth: usize) {
        let inner = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
        if depth > limits::PHOTO_FORM_DEPTH_MAX {
            return;
        }
        if inner.starts_with(['{', '[']) || (depth == 0 && inner.starts_with('"')) {
            // A text inside a text may just begin like JSON.
            match json::parse(inner.trim_end_matches(['\0', ' ', '\r', '\n', '\t']).as_bytes()) {
                Ok(value) => self.value(&value, &mut path.to_vec(), key, depth),
                Err(error) if depth <= 1 => {
                    let trouble = PostError::NotJson(error.line, error.column);
                    self.trouble = self.trouble.take().or(Some(trouble));
                }
                Err(_) => {}
            }
        } else if inner.starts_with('<') {
            self.xml(inner, path, depth);
        } else {
            self.leaf(text, path, key);
        }
    }

    fn value(&mut self, value: &Value, path: &mut Vec<Option<NamedRole>>, key: &str, depth: usize) {
        if path.len() > limits::PHOTO_TEXT_DEPTH_MAX {
            return;
        }
        match value {
            Value::String(text) => self.text(text, path, key, depth + 1),
            Value::Array(values) => {
                for value in values {
                    self.value(value, path, key, depth);
                }
            }
            Value::Object(map) => {
                let typed = type_of(map);
                for (key, value) in map {
                    path.push(role_of(key).or(typed));
                    self.value(value, path, key, depth);
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Text of an XML document, by its elements. What is broken in it ends it.
    fn xml(&mut self, text: &str, path: &[Option<NamedRole>], depth: usize) {
        let mut reader = XmlReader::from_str(text);
        let mut path = path.to_vec();
        let base = path.len();
        let mut names: Vec<String> = Vec::new();
        let mut content = String::new();
        loop {
            match reader.read_event() {
                Ok(Event::Start(start)) => {
                    if names.len() == limits::PHOTO_TEXT_DEPTH_MAX {
                        return;
                    }
                    let name = start.local_name().into_inner();
                    path.push(role_of(name));
                    names.push(name.to_owned());
                    content.clear();
                }
                Ok(Event::Text(more)) => content.push_str(more.as_ref()),
                Ok(Event::CData(more)) => content.push_str(more.as_ref()),
                Ok(Event::End(_)) => {
                    let name = names.pop().unwrap_or_default();
                    if !content.trim().is_empty() {
                        self.text(&content, &path, &name, depth + 1);
                    }
                    content.clear();
                    path.truncate(base.max(path.len().saturating_sub(1)));
                }
                Ok(Event::Eof) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    /// `name=value&name=value`. A `+` is left as it is: in base64 it is one.
    fn fields(&mut self, text: &str, depth: usize) {
        for pair in text.split('&').take(limits::PHOTO_FORM_PARTS_MAX) {
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            let name = percent_decode_str(name).decode_utf8_lossy();
            let decoded = percent_decode_str(value.trim()).decode_utf8_lossy();
            // In JSON and XML a `+` was a blank; where base64 in them has lost its own, the blanks are read as such.
            let is_markup = decoded.trim_start_matches('+').starts_with(['{', '[', '<']);
            let decoded = if is_markup && !value.contains(['{', '<']) {
                let spaced = value.replace('+', " ");
                Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
            } else {
                decoded
            };
            self.text(&decoded, &[role_of(&name)], &name, depth + 1);
        }
    }
}

/// Whether a text begins like the fields of a web form: a word, and `=`.
fn is_like_fields(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']' | '%');
    text.len() > name.len() && (1..=64).contains(&name.len()) && name.chars().all(is_word)
}

/// What an object says of the picture in it. A person's name is no word of a registration.
fn type_of(map: &Map<String, Value>) -> Option<NamedRole> {
    let said = map.iter().filter(|(key, _)| TYPE_KEYS.contains(&key.to_lowercase().as_str()));
    let mut roles = said.filter_map(|(_, value)| match value {
        Value::String(text) if text.len() <= limits::PHOTO_PART_NAME_CHARS_MAX => role_of_type(text),
        Value::Number(number) => role_of_type(&format!("{number:0>2}")),
        _ => None,
    });
    roles.rfind(|role| *role != NamedRole::Registered)
}
