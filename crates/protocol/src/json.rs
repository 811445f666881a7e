//! JSON as it comes from outside: with a byte order mark before it or a NUL behind it, in GBK, and with ids as numbers of any
//! length.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{Encoding, GB18030};
use serde_json::error::Category;
use serde_json::{Error, Value};

/// UTF-8's byte order mark, which .NET and editors put first, and which no JSON reader takes.
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// U+00A0 in UTF-8.
const NO_BREAK_SPACE: &[u8] = b"\xC2\xA0";
/// Numbers longer than this are none of anybody's ids; as text they stay as they are written.
const DIGITS_MAX: usize = 64;

/// Why a body is no JSON, in words for people who do not know the reader behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotJson {
    /// Line of the fault, from 1.
    pub line: usize,
    /// Byte in the line, from 1.
    pub column: usize,
    why: Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Empty,
    BreaksOff,
    TrailingComma,
    MoreBehind,
    TooDeep,
    Syntax,
}

impl std::error::Error for NotJson {}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, why } = self;
        match why {
            Fault::Empty => return f.write_str("it is empty"),
            Fault::BreaksOff => f.write_str("it breaks off")?,
            Fault::TrailingComma => f.write_str("there is a comma too many")?,
            Fault::MoreBehind => f.write_str("there is something behind its end")?,
            Fault::TooDeep => f.write_str("it is nested too deeply")?,
            Fault::Syntax => f.write_str("a character that JSON does not have there")?,
        }
        write!(f, " (line {line} column {column})")
    }
}

impl NotJson {
    fn of(body: &[u8], error: &Error) -> Self {
        // The reader tells these kinds apart by its text only; a change there gives the general word.
        let words = error.to_string();
        let why = match error.classify() {
            _ if body.trim_ascii().is_empty() => Fault::Empty,
            Category::Eof => Fault::BreaksOff,
            _ if words.starts_with("trailing comma") => Fault::TrailingComma,
            _ if words.starts_with("trailing characters") => Fault::MoreBehind,
            _ if words.starts_with("recursion limit") => Fault::TooDeep,
            Category::Io | Category::Syntax | Category::Data => Fault::Syntax,
        };
        Self { line: error.line(), column: error.column(), why }
    }
}

/// Reads JSON from outside. A whole number that a 64-bit integer or a float cannot hold becomes a text of all its
/// digits, since what is that long is an id, and one digit less is another person. NUL bytes behind it are skipped, as
/// senders written in C add them.
///
/// # Errors
///
/// When it is no JSON.
pub fn parse(body: &[u8]) -> Result<Value, NotJson> {
    let utf8 = as_utf8(body);
    let text = without_padding(without_bom(&utf8));
    serde_json::from_slice(&with_long_numbers_as_texts(text)).map_err(|error| NotJson::of(text, &error))
}

fn without_padding(body: &[u8]) -> &[u8] {
    let end = body
        .iter()
        .rposition(|byte| !matches!(byte, 0 | b' ' | b'\r' | b'\n' | b'\t'))
        .map_or(0, |last| last + 1);
    &body[..end]
}

/// UTF-8, whatever it was. JSON is UTF-8 (RFC 8259, 8.1); what is not, and has no byte order mark of UTF-16, comes from a
/// platform whose texts are in GBK, of which GB18030 is the superset. Its label is not asked: frameworks call everything UTF-8.
/// What is neither stays as it is, for the reader to say so.
fn as_utf8(body: &[u8]) -> Cow<'_, [u8]> {
    let encoding = match Encoding::for_bom(body) {
        Some((encoding, _)) if encoding != encoding_rs::UTF_8 => encoding,
        _ if std::str::from_utf8(body).is_ok() => return Cow::Borrowed(body),
        _ => GB18030,
    };
    match encoding.decode_with_bom_removal(body) {
        (_, true) => Cow::Borrowed(body),
        (text, false) => Cow::Owned(text.into_owned().into_bytes()),
    }
}

/// As [`parse`], with U+00A0 and byte order marks outside texts read as white space: examples copied from the published
/// pages are indented with them.
///
/// # Errors
///
/// When it is no JSON.
pub fn parse_copied(body: &[u8]) -> Result<Value, NotJson> {
    // In other encodings these bytes are half of other characters.
    let utf8 = as_utf8(body);
    parse(&with_plain_spaces(&utf8))
}

/// Copies only where there is something to change.
fn with_plain_spaces(body: &[u8]) -> Cow<'_, [u8]> {
    let mut changed: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(byte) = body.get(at) {
        let space = match byte {
            b'"' => {
                at = end_of_text(body, at);
                continue;
            }
            0xC2 | 0xEF => [NO_BREAK_SPACE, BOM].into_iter().find(|space| body[at..].starts_with(space)),
            _ => None,
        };
        if let Some(space) = space {
            changed.get_or_insert_with(|| body.to_vec())[at..at + space.len()].fill(b' ');
        }
        at += space.map_or(1, <[u8]>::len);
    }
    changed.map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The text without a byte order mark.
pub fn without_bom(body: &[u8]) -> &[u8] {
    body.strip_prefix(BOM).unwrap_or(body)
}

/// The digits of a number that is whole: `1.0` and `1e0` are the id `1`, as a typed platform wrote it.
pub(crate) fn whole_digits(literal: &str) -> Option<String> {
    let (sign, unsigned) = literal.strip_prefix('-').map_or(("", literal), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent: usize = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || fraction.len() > exponent || whole.len() + exponent > DIGITS_MAX {
        return None;
    }
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{whole}{fraction}{}", "0".repeat(exponent - fraction.len()));
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") })
}

/// Whether reading it as a number would lose digits of an id.
fn loses_digits(literal: &str) -> Option<String> {
    if literal.parse::<i64>().is_ok() || literal.parse::<u64>().is_ok() {
        return None;
    }
    let digits = whole_digits(literal)?;
    let exact = digits.parse::<i64>().is_ok_and(|number| number.unsigned_abs() <= EXACT_IN_FLOAT);
    (!exact).then_some(digits)
}

/// Up to here a float holds every integer.
pub(crate) const EXACT_IN_FLOAT: u64 = 1 << 53;

/// Copies only where there is something to change, which is hardly ever.
fn with_long_numbers_as_texts(body: &[u8]) -> Cow<'_, [u8]> {
    let mut changed: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => at = end_of_text(body, at),
            b'-' | b'0'..=b'9' => {
                let rest = &body[at..];
                let length = rest.iter().position(|byte| !is_of_number(*byte)).unwrap_or(rest.len());
                let literal = std::str::from_utf8(&rest[..length]).unwrap_or_default();
                // Short ones always fit.
                if length > 15
                    && let Some(digits) = loses_digits(literal)
                {
                    let copy = changed.get_or_insert_with(|| Vec::with_capacity(body.len() + 64));
                    copy.extend_from_slice(&body[copied..at]);
                    copy.push(b'"');
                    copy.extend_from_slice(digits.as_bytes());
                    copy.push(b'"');
                    copied = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    match changed {
        None => Cow::Borrowed(body),
        Some(mut copy) => {
            copy.extend_from_slice(&body[copied..]);
            Cow::Owned(copy)
        }
    }
}

fn is_of_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E')
}

/// The place behind the text that begins at `start`; the end of the body where it is not closed.
fn end_of_text(body: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = body.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped_once() {
        assert_eq!(parse(b"\xEF\xBB\xBF{\"a\":1}").unwrap(), json!({ "a": 1 }));
        assert!(parse(b"\xEF\xBB\xBF\xEF\xBB\xBF{}").is_err());
        assert!(parse(b"\xEF\xBB\xBF").is_err());
    }

    #[test]
    fn other_encodings_are_read() {
        let text = r#"{"message":"登录成功","name":"王\u4f1f","pic":"a\\b"}"#;
        let expected = json!({ "message": "登录成功", "name": "王伟", "pic": "a\\b" });
        let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
        };
        for body in [
            encoding_rs::GBK.encode(text).0.into_owned(),
            GB18030.encode(text).0.into_owned(),
            utf_16(u16::to_le_bytes),
            utf_16(u16::to_be_bytes),
            format!("\u{feff}\r\n{text}\r\n\0").into_bytes(),
            format!("{text}\0\0\0").into_bytes(),
        ] {
            assert_eq!(parse(&body).unwrap(), expected, "{}", body.escape_ascii());
        }
        // No encoding of anything.
        assert!(parse(b"{\"a\":\"\xFF\xFF\"}").is_err());
    }

    #[test]
    fn what_is_no_json_is_told_in_plain_words() {
        for (body, words) in [
            ("", "it is empty"),
            (" \r\n\0", "it is empty"),
            ("{\"a\":1,}", "there is a comma too many (line 1 column 8)"),
            ("[1,]", "there is a comma too many (line 1 column 4)"),
            ("{\"a\":\n\"b", "it breaks off (line 2 column 2)"),
            ("{}{}", "there is something behind its end (line 1 column 3)"),
            ("ok", "a character that JSON does not have there (line 1 column 1)"),
            ("{'a':1}", "a character that JSON does not have there (line 1 column 2)"),
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().to_string(), words, "{body}");
        }
        let deep = "[".repeat(300);
        assert!(parse(deep.as_bytes()).unwrap_err().to_string().starts_with("it is nested too deeply"));
    }

    #[test]
    fn long_numbers_keep_their_digits_and_others_stay_numbers() {
        for (text, expected) in [
            ("12345678901234567890", json!(12_345_678_901_234_567_890_u64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("123456789012345678901234567890", json!("123456789012345678901234567890")),
            ("-123456789012345678901", json!("-123456789012345678901")),
            ("12345678901234567890.0", json!("12345678901234567890")),
            ("1.2345678901234567891E19", json!("12345678901234567891")),
            ("1.0", json!(1.0)),
            // No id, and as near as any reader of floats gets.
            ("31.230416000000001", serde_json::from_str("31.230416000000001").unwrap()),
            ("0.00000000000015e3", json!(1.5e-10)),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), expected, "{text}");
            let within = format!(r#"{{"a":[{text}, "\"{text}"],"b":{text}}}"#);
            let expected = json!({ "a": [expected, format!("\"{text}")], "b": expected });
            assert_eq!(parse(within.as_bytes()).unwrap(), expected, "{within}");
        }
        for broken in
            ["1234567890123456789012-3", "01234567890123456789012", "1234567890123456789012.", "\"1"]
        {
            // What is no number does not become one.
            let read = parse(broken.as_bytes());
            assert!(
                read.as_ref().is_err() || read.as_ref().is_ok_and(Value::is_string),
                "{broken}: {read:?}"
            );
        }
    }

    #[test]
    fn spaces_of_web_pages_are_white_space_outside_texts_only() {
        let copied = "\u{feff}{\u{a0}\u{a0}\"a\u{a0}\u{feff}\":\u{feff}1,\u{a0}\"b\": \"\\\"\u{a0}\" }";
        assert_eq!(
            parse_copied(copied.as_bytes()).unwrap(),
            json!({ "a\u{a0}\u{feff}": 1, "b": "\"\u{a0}" })
        );
        assert!(parse(copied.as_bytes()).is_err(), "not everywhere");
        // Half of such a character, and other spaces, are none.
        for broken in [&b"\xC2{}"[..], b"{}\xEF\xBB", "\u{2003}{}".as_bytes(), b"{\xC2\xA1}"] {
            assert!(parse_copied(broken).is_err(), "{broken:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_can_upset_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = parse(&bytes);
            let _ = parse_copied(&bytes);
        }

        #[test]
        fn what_json_writes_is_read_as_it_was(number: i64, text in ".{0,20}", id: u64) {
            let value = json!({ "n": [number], "t": text, "i": id, (text): null });
            proptest::prop_assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
        }
    }
}
