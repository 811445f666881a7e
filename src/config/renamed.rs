//! Keys with an old spelling, which is read for one release more.

use std::fmt;

use toml::Table;

use super::reader::Findings;
use menshen_domain::text::spoken;
use menshen_domain::{text, tr};

/// Old and new spelling, as key paths; both are keys of the same section.
const RENAMED: &[(&str, &str)] = &[
    ("recognition.lead_min", "recognition.top2_margin_min"),
    ("passages.sure_margin", "passages.high_confidence_margin"),
];

/// A key that was found under its old spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenamedKey {
    /// As in [`ConfigError::place`](super::ConfigError::place).
    pub place: String,
    pub old: &'static str,
    pub new: &'static str,
}

impl fmt::Display for RenamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, old, new } = self;
        f.write_str(&tr!(
            spoken(),
            "{place}: `{old}` is now `{new}`; the old spelling is read until the next release",
            "{place}: `{old}` 已改为 `{new}`；旧写法在下一版本前仍可读取"
        ))
    }
}

/// Moves values of old spellings to the new ones. A key that is given in both spellings is an error.
pub fn rename(table: &mut Table, findings: &mut Findings) -> Vec<RenamedKey> {
    let mut renamed = Vec::new();
    for (old, new) in RENAMED {
        let (Some((section, old_key)), Some((_, new_key))) = (old.split_once('.'), new.split_once('.'))
        else {
            continue;
        };
        let Some(section) = table.get_mut(section).and_then(toml::Value::as_table_mut) else { continue };
        let Some(value) = section.remove(old_key) else { continue };
        if section.contains_key(new_key) {
            findings.add(
                old,
                text!(
                    "is the old spelling of `{new}`, which is given as well; remove this one",
                    "是 `{new}` 的旧写法，而新写法也已填写；请删除此项"
                ),
            );
            continue;
        }
        section.insert(new_key.to_owned(), value);
        findings.alias(old, new);
        renamed.push(RenamedKey { place: findings.place(old), old, new });
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::super::source::{Overrides, load_text};

    const BASE: &str = "mode = \"standalone\"\n[recognition]\n";

    #[test]
    fn old_spellings_are_read_and_named_with_their_place() {
        let text = format!("{BASE}lead_min = 0.125\n[passages]\nsure_margin = 0.25\n");
        let settings = load_text("m.toml", &text, &Overrides::default()).unwrap();
        assert!((settings.recognition.top2_margin_min - 0.125).abs() < f32::EPSILON);
        assert!((settings.passages.high_confidence_margin - 0.25).abs() < f32::EPSILON);
        let warnings: Vec<String> = settings.renamed_keys.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 2);
        assert!(
            warnings[0].starts_with("m.toml:3: `recognition.lead_min` is now `recognition.top2_margin_min`"),
            "{warnings:?}"
        );
    }

    #[test]
    fn an_override_may_use_the_old_spelling() {
        let env = [("MENSHEN_RECOGNITION__LEAD_MIN".to_owned(), "0.5".to_owned())];
        let overrides = Overrides::new(env.into_iter(), &[]).unwrap();
        let settings = load_text("m.toml", BASE, &overrides).unwrap();
        assert!((settings.recognition.top2_margin_min - 0.5).abs() < f32::EPSILON);
        assert_eq!(settings.renamed_keys[0].place, "MENSHEN_RECOGNITION__LEAD_MIN");
    }

    #[test]
    fn both_spellings_at_once_are_an_error() {
        let text = format!("{BASE}lead_min = 0.1\ntop2_margin_min = 0.1\n");
        let errors = load_text("m.toml", &text, &Overrides::default()).unwrap_err();
        assert!(errors[0].to_string().contains("m.toml:3: `recognition.lead_min`"), "{errors:?}");
    }

    #[test]
    fn a_wrong_value_is_found_where_the_old_key_stands() {
        let text = format!("{BASE}lead_min = 7.0\n");
        let errors = load_text("m.toml", &text, &Overrides::default()).unwrap_err();
        assert!(errors[0].to_string().starts_with("m.toml:3: `recognition.top2_margin_min`"), "{errors:?}");
    }
}
