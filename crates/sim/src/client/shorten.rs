//! Pictures in answers are shown by their length.

use serde_json::Value;

/// Texts of an answer longer than this are shown by their length: pictures, as a rule.
const TEXT_CHARS_MAX: usize = 256;

/// Long texts become their beginning and their length.
pub fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().count() > TEXT_CHARS_MAX => {
            let begin: String = text.chars().take(24).collect();
            *text = format!("{begin}… ({} characters)", text.chars().count());
        }
        Value::Array(list) => list.iter_mut().for_each(shorten),
        Value::Object(map) => map.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_texts_are_shown_by_their_length() {
        let mut value = json!({ "a": ["x".repeat(1000), "short"], "n": 1 });
        shorten(&mut value);
        assert_eq!(value["a"][0], format!("{}… (1000 characters)", "x".repeat(24)));
        assert_eq!((&value["a"][1], &value["n"]), (&json!("short"), &json!(1)));
    }
}
