//! Pictures inside JSON: base64, with or without a `data:` prefix when read, plain when written.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Platforms leave padding away and break lines; both are read.
const LIBERAL: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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

/// Decodes a picture field; `max_bytes` bounds what is allocated.
///
/// # Errors
///
/// When it is empty, no base64, or larger than `max_bytes`.
pub fn decode(text: &str, max_bytes: usize) -> Result<Vec<u8>, PictureTextError> {
    let body = match text.trim_start().strip_prefix("data:") {
        Some(rest) => rest.split_once(',').map_or("", |(_, body)| body),
        None => text,
    };
    let estimate = body.len() / 4 * 3;
    if estimate > max_bytes + max_bytes / 8 {
        return Err(PictureTextError::TooLarge { bytes: estimate, max: max_bytes });
    }
    let compact: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
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

/// Encodes a picture as the protocol writes it.
pub fn encode(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_writing_base64_is_read() {
        for text in ["aGVsbG8=", "aGVsbG8", "data:image/jpeg;base64,aGVsbG8=", "aGVs\r\nbG8=\n"] {
            assert_eq!(decode(text, 100).unwrap(), b"hello", "{text:?}");
        }
    }

    #[test]
    fn bad_pictures_are_named() {
        assert_eq!(decode("", 10), Err(PictureTextError::Empty));
        assert_eq!(decode("data:image/png;base64", 10), Err(PictureTextError::Empty));
        assert_eq!(decode("aG!sbG8=", 10), Err(PictureTextError::NotBase64(2)));
        assert!(matches!(decode(&"A".repeat(4000), 10), Err(PictureTextError::TooLarge { .. })));
    }
}
