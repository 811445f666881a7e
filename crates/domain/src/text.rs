//! Texts for people, in both languages side by side: neither can be forgotten, and both are compiled.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::status::Language;

/// Whether this process speaks Chinese.
static SPEAKS_CHINESE: AtomicBool = AtomicBool::new(false);

/// From here on this process shows its texts in `language`; before that, in English.
pub fn speak(language: Language) {
    SPEAKS_CHINESE.store(language == Language::Zh, Ordering::Relaxed);
}

/// The language of this process.
pub fn spoken() -> Language {
    if SPEAKS_CHINESE.load(Ordering::Relaxed) { Language::Zh } else { Language::En }
}

/// The language a POSIX locale stands for, as in `zh_CN.UTF-8`; every other than Chinese is English.
pub fn language_of_locale(locale: &str) -> Language {
    let language = locale.split(['_', '-', '.', '@']).next().unwrap_or_default();
    if language.eq_ignore_ascii_case("zh") || language.eq_ignore_ascii_case("chinese") {
        Language::Zh
    } else {
        Language::En
    }
}

/// A text that is kept until it is known who reads it. Displayed in the language of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    en: String,
    zh: String,
}

impl Text {
    /// What `write` makes of each language.
    pub fn new(write: impl Fn(Language) -> String) -> Self {
        Self { en: write(Language::En), zh: write(Language::Zh) }
    }

    /// What is the same in both languages: a name, a number, the words of a library.
    pub fn same(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { zh: text.clone(), en: text }
    }

    /// In one language.
    pub fn of(&self, language: Language) -> &str {
        match language {
            Language::Zh => &self.zh,
            Language::En => &self.en,
        }
    }

    /// Changes both, as by a mask.
    #[must_use]
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self { en: change(&self.en), zh: change(&self.zh) }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of(spoken()))
    }
}

/// `tr!(language, "{count} devices", "{count} 台设备")`: the English or the Chinese text. Arguments as those of `format!`; a named
/// one that only one of the texts uses does not compile.
#[macro_export]
macro_rules! tr {
    ($language:expr, $en:literal, $zh:literal $(, $($arguments:tt)*)?) => {
        match $language {
            $crate::status::Language::En => ::std::fmt::format(::std::format_args!($en $(, $($arguments)*)?)),
            $crate::status::Language::Zh => ::std::fmt::format(::std::format_args!($zh $(, $($arguments)*)?)),
        }
    };
}

/// `text!("{count} devices", "{count} 台设备")`: a [`Text`](crate::text::Text) of both.
#[macro_export]
macro_rules! text {
    ($($texts:tt)+) => { $crate::text::Text::new(|language| $crate::tr!(language, $($texts)+)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_thing() {
        let count = 3;
        let text = text!("{count} devices at {place}", "{place} 有 {count} 台设备", place = "the gate");
        assert_eq!(text.of(Language::En), "3 devices at the gate");
        assert_eq!(text.of(Language::Zh), "the gate 有 3 台设备");
        assert_eq!(Text::same("x").of(Language::Zh), "x");
        assert_eq!(text.map(str::to_uppercase).of(Language::En), "3 DEVICES AT THE GATE");
    }

    #[test]
    fn a_locale_stands_for_a_language() {
        for (locale, language) in [
            ("zh_CN.UTF-8", Language::Zh),
            ("zh", Language::Zh),
            ("zh-Hans", Language::Zh),
            ("ZH_TW", Language::Zh),
            ("en_US.UTF-8", Language::En),
            ("C.UTF-8", Language::En),
            ("de_DE@euro", Language::En),
            ("", Language::En),
        ] {
            assert_eq!(language_of_locale(locale), language, "{locale}");
        }
    }
}
