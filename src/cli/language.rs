//! The language of the command line: one for all of it.

use std::ffi::OsString;

use menshen_domain::status::Language;
use menshen_domain::text::{language_of_locale, speak, spoken};

/// `said!("{count} devices", "{count} 台设备")`: a text of the command line in its language.
macro_rules! said {
    ($($texts:tt)+) => { ::menshen_domain::tr!(::menshen_domain::text::spoken(), $($texts)+) };
}
pub(crate) use said;

/// Environment variables that say the language, the strongest first (POSIX, section 8.2).
const VARIABLES: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];

/// Takes `--lang` of the arguments, else what the environment says; help texts are needed before arguments are read.
pub fn begin(arguments: impl Iterator<Item = OsString>, variable: impl Fn(&str) -> Option<String>) {
    let of_environment = || {
        let said = VARIABLES.into_iter().filter_map(variable).find(|value| !value.is_empty());
        said.map_or(Language::En, |locale| language_of_locale(&locale))
    };
    speak(asked_for(arguments).unwrap_or_else(of_environment));
}

fn asked_for(arguments: impl Iterator<Item = OsString>) -> Option<Language> {
    let mut arguments = arguments.filter_map(|argument| argument.into_string().ok());
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--lang") {
            Some("") => arguments.next(),
            Some(value) => value.strip_prefix('=').map(str::to_owned),
            None if argument == "--" => return None,
            None => None,
        };
        if let Some(value) = value {
            return Some(language_of_locale(&value));
        }
    }
    None
}

/// Does something during which texts are for the log, which is English.
pub fn speaking_english<T>(work: impl FnOnce() -> T) -> T {
    let before = spoken();
    speak(Language::En);
    let done = work();
    speak(before);
    done
}

/// A help text of the command line in its language.
pub fn help(en: &'static str, zh: &'static str) -> &'static str {
    match spoken() {
        Language::En => en,
        Language::Zh => zh,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_found_wherever_it_stands() {
        let asked = |line: &str| asked_for(line.split(' ').map(OsString::from));
        assert_eq!(asked("menshen check --lang zh"), Some(Language::Zh));
        assert_eq!(asked("menshen --lang=en check"), Some(Language::En));
        assert_eq!(asked("menshen check --language zh"), None);
        assert_eq!(asked("menshen bench -- --lang zh"), None);
    }
}
