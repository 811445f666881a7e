//! Every key with values of every wrong kind: what is told names the key and what is wanted, in either language, in no library's words.

use toml::{Table, Value};

use super::ConfigError;
use super::source::{Overrides, load_text};
use menshen_domain::status::Language;

/// Words of serde, Rust and the TOML reader.
const FOREIGN: [&str; 22] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "expected a ",
    "expected an ",
    "expected one of",
    "a sequence",
    "unknown variant",
    "unknown field",
    "missing field",
    "usize",
    "u64",
    "u32",
    "u16",
    "i64",
    "i32",
    "f32",
    "f64",
    "struct ",
    "TOML parse error",
    "did not match any",
    "newtype",
];

/// Values of every kind, as they are written.
const VALUES: [&str; 13] = [
    "\"s3cretword\"",
    "''",
    "7",
    "-1",
    "99999999999",
    "2.5",
    "nan",
    "true",
    "[]",
    "[1, \"x\"]",
    "[[1]]",
    "{ a = 1 }",
    "2026-01-01",
];

/// Keys of a device, with those that the sample only mentions.
const DEVICE_KEYS: [&str; 32] = [
    "ip",
    "name",
    "type",
    "pipeline",
    "url",
    "user",
    "password",
    "parameters",
    "direction",
    "permission_groups",
    "registry_group",
    "device_id",
    "net_relay",
    "device_attr",
    "rtmp_address",
    "memo",
    "location",
    "group_name",
    "action_url",
    "enabled",
    "liveness",
    "attributes",
    "regions",
    "face_min_px",
    "rotation",
    "pixel_aspect",
    "pass_mode",
    "dedup_s",
    "online_s",
    "ftp_user",
    "ftp_password",
    "parameters.main_url",
];

fn sample() -> String {
    std::fs::read_to_string("config/menshen.toml").unwrap()
}

/// Every key of the sample: values and sections.
fn keys(table: &Table, before: &str, found: &mut Vec<String>) {
    for (name, value) in table {
        let path = if before.is_empty() { name.clone() } else { format!("{before}.{name}") };
        if let Value::Table(inner) = value {
            keys(inner, &path, found);
        }
        found.push(path);
    }
}

fn told(errors: &[ConfigError], language: Language) -> Vec<String> {
    errors.iter().map(|error| error.problem.of(language).to_owned()).collect()
}

fn check(path: &str, value: &str) -> Vec<ConfigError> {
    let text = sample() + "\n[[devices]]\nip = \"hall\"\ntype = \"turnstile\"\nurl = \"rtsp://hall/x\"\n";
    let arguments = vec![format!("{path}={value}")];
    let overrides = Overrides::new(std::iter::empty(), &arguments).unwrap();
    let errors = load_text("m.toml", &text, &overrides).err().unwrap_or_default();
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    for text in told(&errors, Language::En) {
        let foreign = FOREIGN.iter().find(|word| text.contains(**word));
        assert!(foreign.is_none(), "{path} = {value}: `{foreign:?}` in {text}");
        assert!(!text.contains(is_han), "{path} = {value}: {text}");
    }
    for text in told(&errors, Language::Zh) {
        assert!(text.contains(is_han), "{path} = {value}: {text}");
        assert!(!FOREIGN.iter().any(|word| text.contains(word)), "{path} = {value}: {text}");
    }
    errors
}

#[test]
fn every_key_of_the_configuration_names_what_is_wanted() {
    let mut paths = Vec::new();
    keys(&toml::from_str(&sample()).unwrap(), "", &mut paths);
    paths.extend(DEVICE_KEYS.map(|key| format!("devices.0.{key}")));
    assert!(paths.len() > 70, "{paths:?}");
    for path in paths {
        let secret = ["token", "password", "user", "url", "dev_sno"].iter().any(|key| path.ends_with(key));
        let mut refused = 0;
        for value in VALUES {
            let errors = check(&path, value);
            refused += usize::from(
                errors.iter().any(|error| error.key.starts_with(&path) || path.starts_with(&error.key)),
            );
            let shown = errors.iter().any(|error| error.to_string().contains("s3cretword"));
            assert!(!(secret && shown && !path.ends_with("login_url")), "{path} = {value}: {errors:?}");
        }
        // A list and a table fit no key at once.
        // On the command line some are texts, whatever they look like.
        let is_text =
            ["url", "user", "password"].iter().any(|key| path.starts_with("devices") && path.ends_with(key));
        assert!(is_text || refused >= 3, "{path}: only {refused} of the wrong values were refused");
    }
}

#[test]
fn the_environment_and_the_command_line_are_told_alike() {
    for (name, value, expected) in [
        (
            "MENSHEN_RECOGNITION__WORKERS",
            "two",
            "is the text \"two\"; wanted is a whole number from 0 on, as in workers = 0",
        ),
        (
            "MENSHEN_PASSAGES__STRANGERS",
            "1",
            "is the number 1; wanted is true or false, without quotes, as in strangers = true",
        ),
        (
            "MENSHEN_EVENTS__REALTIME_URLS",
            "http://h/",
            "wanted is a list in square brackets, as in realtime_urls = [\"http",
        ),
        ("MENSHEN_LOG", "info", "`log`: is the text \"info\"; wanted is keys with values"),
        ("MENSHEN_DEVICES", "x", "`devices`: is the text \"x\"; wanted is a list in square brackets"),
        ("MENSHEN_MODE", "1", "wanted is one of \"platform\", \"standalone\", as in mode = \"platform\""),
    ] {
        let overrides = Overrides::new([(name.to_owned(), value.to_owned())].into_iter(), &[]).unwrap();
        let errors = load_text("m.toml", &sample(), &overrides).unwrap_err();
        assert!(errors.iter().any(|e| e.place == name && e.to_string().contains(expected)), "{errors:?}");
    }
}

#[test]
fn a_file_that_is_no_toml_says_where_and_what_to_do() {
    for (line, expected) in [
        ("name = front door", "a text stands in quotes"),
        ("name = \"front", "a text does not end"),
        ("list = [1, 2", "bracket"),
        ("mode = \"platform\"\nmode = \"platform\"", "is there twice"),
        ("what is this", "no line `key = value`"),
        ("[web", "bracket"),
        ("port = 0123", "no number"),
    ] {
        let errors = load_text("m.toml", line, &Overrides::default()).unwrap_err();
        let (en, zh) = (told(&errors, Language::En), told(&errors, Language::Zh));
        assert!(en[0].contains(expected), "{line}: {en:?}");
        assert!(zh[0].contains("行") && !FOREIGN.iter().any(|word| zh[0].contains(word)), "{zh:?}");
    }
}
