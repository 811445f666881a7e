//! Whether a token that somebody typed is hard to guess.

use menshen_domain::text;
use menshen_domain::text::Text;

/// Fewest characters.
const LENGTH_MIN: usize = 16;
/// Guesses that finding it takes, as a power of ten: at a thousand a second, which the box does not answer, 30 000 years.
const GUESSES_LOG10_MIN: f64 = 15.0;
/// Words that come to mind first at such a box, beside those that come to mind everywhere.
const KNOWN: [&str; 12] = [
    "menshen",
    "sophon",
    "token",
    "secret",
    "local_api",
    "bearer",
    "admin",
    "password",
    "face",
    "se3",
    "box",
    "gate",
];

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakToken {
    Short,
    Strange,
    Guessable,
}

impl WeakToken {
    pub fn text(self) -> Text {
        match self {
            Self::Short => text!(
                "must have at least {LENGTH_MIN} characters; `menshen token new NAME` makes a good one",
                "至少 {LENGTH_MIN} 个字符；可用 menshen token new NAME 生成"
            ),
            Self::Strange => text!(
                "must be printable characters without spaces; `menshen token new NAME` makes a good one",
                "须为可见字符，不含空格；可用 menshen token new NAME 生成"
            ),
            Self::Guessable => text!(
                "is easy to guess (known words, repeats or sequences); `menshen token new NAME` makes a good one",
                "容易被猜到（常用词、重复或连续字符）；可用 menshen token new NAME 生成"
            ),
        }
    }
}

/// # Errors
/// When a stranger might find the token by trying.
pub fn check_token(token: &str) -> Result<(), WeakToken> {
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(WeakToken::Strange);
    }
    if token.len() < LENGTH_MIN {
        return Err(WeakToken::Short);
    }
    // More than this is not looked at, and need not be.
    let start = &token[..token.len().min(64)];
    if zxcvbn::zxcvbn(start, &KNOWN).guesses_log10() < GUESSES_LOG10_MIN {
        return Err(WeakToken::Guessable);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_are_easy_to_guess_are_refused() {
        for (token, expected) in [
            ("Zq8-fW2k_vN5tR7xLm3B", Ok(())),
            ("3f9a1c0be2d85746aa10ffce93b7d581", Ok(())),
            ("menshen_Vb3kQ0mZt7y1x9LrW4", Ok(())),
            ("correct-Pony-74-battery-Lake", Ok(())),
            ("short", Err(WeakToken::Short)),
            ("Zq8-fW2k_vN5tR7", Err(WeakToken::Short)),
            ("with a blank in it 1234", Err(WeakToken::Strange)),
            ("门神门神门神门神门神门神", Err(WeakToken::Strange)),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", Err(WeakToken::Guessable)),
            ("passwordpassword", Err(WeakToken::Guessable)),
            ("adminadminadmin123", Err(WeakToken::Guessable)),
            ("1234567890123456", Err(WeakToken::Guessable)),
            ("0123456789abcdef", Err(WeakToken::Guessable)),
            ("qwertyuiopasdfghjkl", Err(WeakToken::Guessable)),
            ("menshen-secret-token", Err(WeakToken::Guessable)),
            ("changemechangeme!", Err(WeakToken::Guessable)),
            ("P@ssw0rd12345678", Err(WeakToken::Guessable)),
            ("abcabcabcabcabcabc", Err(WeakToken::Guessable)),
        ] {
            assert_eq!(check_token(token), expected, "{token}");
        }
    }
}
