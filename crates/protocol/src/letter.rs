//! Whom a kept message names: commands that could not be carried out hold people's data too.

use serde_json::Value;

use super::{json, lenient};

/// Keys under which the protocol and its dialects put a person's id.
const ID_KEYS: [&str; 9] =
    ["identity_id", "identityid", "userid", "user_id", "userid_list", "person_id", "personid", "id", "ids"];

/// Ids at least this long mean one person wherever they stand; shorter ones may be any number.
const TELLING_CHARS: usize = 6;

/// Whether a message is about a person. An id counts under the keys of ids, a long one anywhere, the name where the message names
/// nobody by id; a message that is no JSON (or was kept in part) where the id stands by itself in it.
pub fn names(body: &[u8], id: &str, name: &str) -> bool {
    if id.is_empty() {
        return false;
    }
    let Ok(value) = json::parse(body) else {
        return stands_alone(&String::from_utf8_lossy(body), id);
    };
    let mut seen = Seen::default();
    look(&value, "", &mut |key, value| {
        let text = lenient::id_of(value).unwrap_or_default();
        if text.is_empty() {
            return;
        }
        let is_id_key = ID_KEYS.contains(&key.to_ascii_lowercase().as_str());
        seen.any_id |= is_id_key;
        let is_it = text == id || (id.len() >= TELLING_CHARS && stands_alone(&text, id));
        seen.id |= is_it && (is_id_key || id.len() >= TELLING_CHARS);
        seen.name |= !name.is_empty() && text == name;
    });
    seen.id || (seen.name && !seen.any_id)
}

#[derive(Default)]
struct Seen {
    id: bool,
    any_id: bool,
    name: bool,
}

fn look(value: &Value, key: &str, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| look(value, key, visit)),
        Value::Object(map) => map.iter().for_each(|(key, value)| look(value, key, visit)),
        other => visit(key, other),
    }
}

fn stands_alone(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(at, _)| {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let before = text[..at].chars().next_back();
        let after = text[at + id.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_whom_it_is_about() {
        for (body, is_about) in [
            (r#"{"method":"x","userid_list":["1001","7"]}"#, true),
            (r#"{"method":"x","userid_list":[7]}"#, true),
            (r#"{"method":"x","user_info_list":[{"identity_id":"7","reg_photo":5}]}"#, true),
            (r#"{"method":"x","user_info_list":[{"identity_id":7.0}]}"#, true),
            (r#"{"method":"x","data":{"deep":[{"userId":"7"}]}}"#, true),
            (r#"{"method":"x","messageId":"7","userid_list":["8"]}"#, false),
            (r#"{"method":"x","messageId":7}"#, false),
            (r#"{"method":"x","name":"Ann"}"#, true),
            (r#"{"method":"x","identity_id":"8","name":"Ann"}"#, false),
            (r#"{"method":"add_users_plus","user_info_list":[{"identity_id":"7","#, true),
            ("no JSON at all, 17 and 71 and x7", false),
            ("", false),
        ] {
            assert_eq!(names(body.as_bytes(), "7", "Ann"), is_about, "{body}");
        }
        let id = "11010119900307721X";
        assert!(names(format!(r#"{{"card":"{id}"}}"#).as_bytes(), id, ""));
        assert!(names(format!(r#"{{"text":"person {id} came"}}"#).as_bytes(), id, ""));
        assert!(!names(format!(r#"{{"card":"{id}0"}}"#).as_bytes(), id, ""));
        assert!(!names(b"{}", "", ""));
    }
}
