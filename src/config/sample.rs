//! Values that would do, taken from the configuration file that holds every setting with its default.

use std::sync::LazyLock;

use toml::{Table, Value};

static SAMPLE: LazyLock<Table> =
    LazyLock::new(|| toml::from_str(include_str!("../../config/menshen.toml")).unwrap_or_default());

/// Values of keys that the sample leaves out or empty.
const OTHERS: [(&str, &str); 13] = [
    ("ip", "\"192.168.1.25\""),
    ("name", "\"front door\""),
    ("type", "\"network-camera\""),
    ("pipeline", "\"rtsp\""),
    ("direction", "\"in\""),
    ("permission_groups", "[\"0\"]"),
    ("registry_group", "\"default_group\""),
    ("regions", "[[0.1, 0.2, 0.5, 1.0]]"),
    ("rotation", "90"),
    ("pixel_aspect", "\"12:11\""),
    ("history_urls", "[\"http://192.168.1.10:9061/history\"]"),
    ("realtime_urls", "[\"http://192.168.1.10:9061/event\"]"),
    ("monitor_urls", "[\"http://192.168.1.10:9061/status\"]"),
];

/// A value of the key `path`, as it is written; `None`: the sample has none that shows anything.
pub fn example(path: &str) -> Option<String> {
    let mut parts = path.split('.');
    let first = parts.next().and_then(|part| SAMPLE.get(part));
    let value = first.and_then(|first| parts.try_fold(first, |value, part| value.as_table()?.get(part)));
    let shows = |value: &&Value| match value {
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Table(_) => false,
        _ => true,
    };
    let of_sample = value.filter(shows).map(ToString::to_string);
    let last = path.rsplit('.').next().unwrap_or_default();
    let other = || OTHERS.iter().find(|(key, _)| *key == last).map(|(_, value)| (*value).to_owned());
    of_sample.or_else(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_gives_the_examples() {
        assert_eq!(example("recognition.workers").as_deref(), Some("0"));
        assert_eq!(
            example("recognition.custom_level.checks").as_deref(),
            Some("[\"partial\", \"brightness\", \"clarity\"]")
        );
        assert_eq!(example("web.listen").as_deref(), Some("\"127.0.0.1:8886\""));
        assert_eq!(example("events"), None);
    }
}
