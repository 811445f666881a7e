//! Pictures as text: base64 in every way devices and platforms write it, plain when written.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

use menshen_domain::photo::PictureKind;

/// Padding and stray bits at the end say nothing: some leave them away.
const LIBERAL: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How often a text may have been percent-encoded: by the device, and by its HTTP library once more.
const PERCENT_ROUNDS: usize = 2;

/// Characters that are enough to see what kind of picture it is.
const HEAD_CHARS: usize = 64;

/// Blanks at equal distances of at least so many characters are the layout of a text, not a lost `+`.
const LAYOUT_CHARS_MIN: usize = 16;

/// Why a text is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureTextError {
    /// Nothing but white space.
    #[error("the picture is empty")]
    Empty,
    /// Position of the character.
    #[error("the picture is not base64 (wrong character near position {0})")]
    NotBase64(usize),
    /// What is wrong with it.
    #[error("the picture is not base64 ({0})")]
    Broken(&'static str),
    /// More bytes than are taken.
    #[error("the picture is {bytes} bytes, at most {max} are taken")]
    TooLarge {
        /// Bytes of the picture; an estimate where it was not decoded.
        bytes: usize,
        /// Bytes that are taken.
        max: usize,
    },
}

/// Decodes a picture field; `max_bytes` bounds what is allocated. Read are: a `data:` URL, line breaks, missing padding, the
/// alphabet of URLs, percent-encoding, a byte order mark, and blanks where a form has made them of `+`.
///
/// # Errors
///
/// When it is empty, no base64, or larger than `max_bytes`.
pub fn decode(text: &str, max_bytes: usize) -> Result<Vec<u8>, PictureTextError> {
    // Percent-encoding makes three characters of one.
    if text.len() / 4 > max_bytes.saturating_mul(3) {
        return Err(PictureTextError::TooLarge { bytes: text.len() / 4 * 3, max: max_bytes });
    }
    let text = without_percents(text);
    let body = body_of(&text);
    let estimate = body.len() / 4 * 3;
    if estimate > max_bytes + max_bytes / 8 {
        return Err(PictureTextError::TooLarge { bytes: estimate, max: max_bytes });
    }
    let compact = compact(body);
    if compact.is_empty() {
        return Err(PictureTextError::Empty);
    }
    let bytes = LIBERAL.decode(&compact).map_err(|error| match error {
        base64::DecodeError::InvalidByte(position, _) => PictureTextError::NotBase64(position),
        base64::DecodeError::InvalidLength(_) => PictureTextError::Broken("wrong length"),
        base64::DecodeError::InvalidLastSymbol { .. } => PictureTextError::Broken("wrong last symbol"),
        base64::DecodeError::InvalidPadding => PictureTextError::Broken("wrong padding"),
    })?;
    if bytes.len() > max_bytes {
        return Err(PictureTextError::TooLarge { bytes: bytes.len(), max: max_bytes });
    }
    Ok(bytes)
}

/// Whether a text begins like a picture in base64, by the first bytes of it.
pub fn begins_like_one(text: &str) -> bool {
    let head: String = text.trim_start().chars().take(4 * HEAD_CHARS).collect();
    let head = without_percents(&head);
    let head = compact(body_of(&head));
    // What cannot be cut there is no base64.
    let head = head.get(..HEAD_CHARS.min(head.len() / 4 * 4)).unwrap_or_default();
    LIBERAL.decode(head).is_ok_and(|bytes| PictureKind::of(&bytes).is_some())
}

fn without_percents(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for _ in 0..PERCENT_ROUNDS {
        // What is no UTF-8 then is no base64 either.
        match text.contains('%').then(|| percent_decode_str(&text).decode_utf8().map(Cow::into_owned)) {
            Some(Ok(decoded)) => text = Cow::Owned(decoded),
            _ => break,
        }
    }
    text
}

/// Without a byte order mark, quotation marks, and what comes before the comma of a `data:` URL.
fn body_of(text: &str) -> &str {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '"' | '\'' | '\0'));
    if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
        return text.split_once(',').map_or("", |(_, body)| body);
    }
    text
}

/// In the standard alphabet, without padding, line breaks and blanks.
fn compact(body: &str) -> String {
    let blanks_are_plus = blanks_are_plus(body);
    let mut out = String::with_capacity(body.len());
    let mut letters = body.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '-' => out.push('+'),
            '_' => out.push('/'),
            ' ' if blanks_are_plus => out.push('+'),
            // JSON that was written into JSON: `\n` and `\/`.
            '\\' if matches!(letters.peek(), Some('n' | 'r')) => drop(letters.next()),
            '\\' if letters.peek() == Some(&'/') => {}
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    let length = out.trim_end_matches('=').len();
    out.truncate(length);
    out
}

/// A form makes blanks of `+`. Blanks are layout where the text has a `+` all the same, where they stand beside a line break or at
/// equal distances, or where the length fits only without them.
fn blanks_are_plus(body: &str) -> bool {
    let trimmed = body.trim_end().trim_end_matches('=');
    let padding = body.trim_end().len() - trimmed.len();
    let is_code = |byte: &u8| !byte.is_ascii_whitespace();
    let (mut blanks, mut codes) = (0, 0);
    // Lengths of the pieces between blanks.
    let (mut piece, mut pieces) = (0, Vec::new());
    for byte in trimmed.bytes() {
        match byte {
            b'+' | b'-' => return false,
            b' ' => {
                blanks += 1;
                if pieces.len() < 8 {
                    pieces.push(piece);
                }
                piece = 0;
            }
            _ if is_code(&byte) => (codes, piece) = (codes + 1, piece + 1),
            _ => {}
        }
    }
    if blanks == 0 || body.contains(" \r") || body.contains(" \n") || body.contains("\n ") {
        return false;
    }
    let is_even = pieces.windows(2).all(|pair| pair[0] == pair[1]);
    let is_layout = pieces.len() > 1 && is_even && pieces[0] >= LAYOUT_CHARS_MIN && pieces[0] % 4 == 0;
    let fits = |length: usize| {
        if padding > 0 { (length + padding).is_multiple_of(4) } else { length % 4 != 1 }
    };
    !is_layout && (fits(codes + blanks) || !fits(codes))
}

/// Encodes a picture as the protocol writes it.
pub fn encode(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_way_of_writing_base64_is_read() {
        for text in [
            "aGVsbG8=",
            "aGVsbG8",
            "data:image/jpeg;base64,aGVsbG8=",
            "DATA:image/jpeg;base64,aGVsbG8=",
            "aGVs\r\nbG8=\n",
            "aGVs \r\nbG8=",
            "aGVs\\r\\nbG8=",
            "aGVsbG8%3D",
            "aGVsbG8%253D",
            "data%3Aimage%2Fjpeg%3Bbase64%2CaGVsbG8%3D",
            "\u{feff}aGVsbG8=",
            "\"aGVsbG8=\"",
            "aGVsbG9=",
        ] {
            assert_eq!(decode(text, 100).unwrap(), b"hello", "{text:?}");
        }
    }

    #[test]
    fn blanks_are_what_they_were_made_of() {
        let bytes: Vec<u8> = (0..=255).flat_map(|n: u8| [n, 0xfb, 0xef, n]).collect();
        let text = encode(&bytes);
        assert!(text.contains('+'));
        for given in [
            text.replace('+', " "),
            text.trim_end_matches('=').replace('+', " "),
            text.replace('+', "-").replace('/', "_"),
            text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
            text.replace('+', "%20"),
            text.replace('/', "\\/"),
            text.as_bytes()
                .chunks(76)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect::<Vec<_>>()
                .join(" "),
            text.as_bytes()
                .chunks(64)
                .map(|line| std::str::from_utf8(line).unwrap())
                .collect::<Vec<_>>()
                .join(" \n"),
        ] {
            assert_eq!(decode(&given, 10_000).as_deref(), Ok(&bytes[..]), "{given}");
        }
        // A layout of blanks in a text that happens to have no `+`.
        let zeros = encode(&[0; 240]);
        let spaced: Vec<_> =
            zeros.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        assert_eq!(decode(&spaced.join(" "), 1000).unwrap(), [0; 240]);
    }

    proptest! {
        #[test]
        fn any_picture_comes_back_out_of_any_writing(
            bytes in proptest::collection::vec(any::<u8>(), 1..300), way in 0..6, line in 1..80usize,
        ) {
            let text = encode(&bytes);
            let given = match way {
                0 => text.replace('+', " "),
                1 => text.replace('+', "-").replace('/', "_"),
                2 => text.trim_end_matches('=').to_owned(),
                3 => text.replace('+', "%2B").replace('/', "%2f"),
                4 => text.as_bytes().chunks(line).map(|l| std::str::from_utf8(l).unwrap()).collect::<Vec<_>>().join("\r\n"),
                _ => format!("data:image/png;base64,{text}"),
            };
            // A text without padding whose blanks are at its very end has lost them to whoever trims texts.
            prop_assume!(way != 0 || !given.ends_with(' '));
            prop_assume!(way != 0 || !given.starts_with(' '));
            prop_assert_eq!(decode(&given, 1000), Ok(bytes));
        }
    }

    #[test]
    fn bad_pictures_are_named() {
        assert_eq!(decode("", 10), Err(PictureTextError::Empty));
        assert_eq!(decode("data:image/png;base64", 10), Err(PictureTextError::Empty));
        assert_eq!(decode("aG!sbG8=", 10), Err(PictureTextError::NotBase64(2)));
        assert!(matches!(decode(&"A".repeat(4000), 10), Err(PictureTextError::TooLarge { .. })));
        assert!(matches!(decode(&"%41".repeat(4000), 10), Err(PictureTextError::TooLarge { .. })));
    }

    #[test]
    fn a_picture_is_known_by_its_first_bytes() {
        let jpeg = encode(&[&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 100]].concat());
        for text in [
            jpeg.clone(),
            format!("data:image/jpeg;base64,{jpeg}"),
            jpeg.replace('/', "%2F"),
            jpeg[..8].to_owned(),
        ] {
            assert!(begins_like_one(&text), "{text}");
        }
        for text in ["", "hello", "eyJhIjoxfQ==", "data:", "%", "张三张三"] {
            assert!(!begins_like_one(text), "{text}");
        }
    }
}
