//! Texts from outside, as they may stand in a line of a log or on a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Characters that do not show but change what is seen around them: they begin a line, steer a terminal, turn the direction of
/// writing, or hide letters.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Left-to-right and right-to-left marks, embeddings, overrides and isolates.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Ends of lines and paragraphs.
            | '\u{2028}' | '\u{2029}'
            // Without width; those that join letters of some scripts and emoji stay.
            | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            // Tags, which carry text that nobody sees.
            | '\u{e0000}'..='\u{e007f}')
}

/// The text in one line, what is hidden in it written out: `\n`, `\u{202e}`.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            // A text takes everything.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_and_steers_nothing() {
        for (name, shown) in [
            ("张三", "张三"),
            ("O'Neil \"Bob\" Ω👩‍👧", "O'Neil \"Bob\" Ω👩‍👧"),
            ("a\nERROR forged", "a\\nERROR forged"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("\u{1b}[2J\u{1b}[31mred", "\\u{1b}[2J\\u{1b}[31mred"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("eve\u{202e}nimda", "eve\\u{202e}nimda"),
            ("a\u{2066}b\u{2069}", "a\\u{2066}b\\u{2069}"),
            ("a\u{2028}b\u{85}c", "a\\u{2028}b\\u{85}c"),
            ("\u{feff}x\u{200b}y\u{0}", "\\u{feff}x\\u{200b}y\\u{0}"),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(one_line(name), shown);
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_nothing_hidden_comes_out(text in "\\PC{0,20}[\\x00-\\x1f\\u{80}-\\u{9f}\\u{202a}-\\u{202e}]{0,4}\\PC{0,9}") {
            assert!(!one_line(&text).contains(is_hidden));
            assert_eq!(one_line(&one_line(&text)), one_line(&text));
        }
    }
}
