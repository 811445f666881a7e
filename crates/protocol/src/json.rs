//! JSON as it comes from outside: with a byte order mark before it, and with ids as numbers of any length.

use std::borrow::Cow;

use serde_json::{Error, Value};

/// UTF-8's byte order mark, which .NET and editors put first, and which no JSON reader takes.
const BOM: &[u8] = b"\xEF\xBB\xBF";
/// Numbers longer than this are none of anybody's ids; as text they stay as they are written.
const DIGITS_MAX: usize = 64;

/// Reads JSON from outside. A whole number that a 64-bit integer or a float cannot hold becomes a text of all its
/// digits, since what is that long is an id, and one digit less is another person.
///
/// # Errors
///
/// When it is no JSON.
pub fn parse(body: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(&with_long_numbers_as_texts(without_bom(body)))
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

    proptest::proptest! {
        #[test]
        fn no_bytes_can_upset_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_json_writes_is_read_as_it_was(number: i64, text in ".{0,20}", id: u64) {
            let value = json!({ "n": [number], "t": text, "i": id, (text): null });
            proptest::prop_assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
        }
    }
}
