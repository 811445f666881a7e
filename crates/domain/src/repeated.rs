//! Whether a reason is the one before: libraries count their elements, connections and bytes, and put the numbers into their texts.

/// A text without the numbers that change from one try to the next. Three digits on their own stay: 404 is no 500.
fn uncounted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let is_of_name = out.ends_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '-'));
        if digits == 3 && !is_of_name {
            out.push_str(&rest[..digits]);
        }
        rest = &rest[digits..];
    }
    out
}

/// Whether two reasons say the same.
pub fn says_the_same(one: &str, other: &str) -> bool {
    one == other || uncounted(one) == uncounted(other)
}

/// The name of a pipeline's element without the number that GStreamer gives it: `decodebin502`, `avdec_h264-0`.
pub fn element_kind(name: &str) -> &str {
    let kind = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if kind.len() == name.len() { name } else { kind.strip_suffix('-').unwrap_or(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_only_count_are_no_news() {
        for (one, other, same) in [
            ("decodebin502: cannot decode", "decodebin7: cannot decode", true),
            ("avdec_h264-0: x", "avdec_h264-12: x", true),
            ("the picture ends after 48123 bytes", "the picture ends after 9 bytes", true),
            ("127.0.0.1:40123 closed", "127.0.0.1:40999 closed", true),
            ("it answered 404", "it answered 500", false),
            ("decodebin1: cannot decode", "rtspsrc1: cannot decode", false),
            ("第 12 次", "第 1234 次", true),
            ("x", "x", true),
            ("", "1", true),
        ] {
            assert_eq!(says_the_same(one, other), same, "{one} / {other}");
        }
    }

    #[test]
    fn an_element_is_called_by_its_kind() {
        for (name, kind) in [
            ("decodebin502", "decodebin"),
            ("avdec_h264-0", "avdec_h264"),
            ("frames", "frames"),
            ("rtph264depay3", "rtph264depay"),
            ("", ""),
        ] {
            assert_eq!(element_kind(name), kind);
        }
    }
}
