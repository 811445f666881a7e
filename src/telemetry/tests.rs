#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exporter::{builder, describe};
use super::{ALL, CPU_SECONDS, Exporter, FRAMES, INFERENCE_SECONDS, Kind, LINK_UP, Metric};

/// The text of a recorder that `record` recorded to.
fn text_of(record: impl FnOnce()) -> String {
    let recorder = builder().unwrap().build_recorder();
    let exporter = Exporter::of(recorder.handle());
    describe(&recorder);
    metrics::with_local_recorder(&recorder, record);
    exporter.render()
}

fn record_one_of(metric: &Metric) {
    let labels = metric.labels.iter().map(|label| metrics::Label::new(*label, "any \"thing\""));
    let key = metrics::Key::from_parts(metric.name, labels.collect::<Vec<_>>());
    let metadata = metrics::Metadata::new("test", metrics::Level::INFO, None);
    metrics::with_recorder(|recorder| match metric.kind {
        Kind::Counter | Kind::SecondsCounter => recorder.register_counter(&key, &metadata).increment(1),
        Kind::Gauge => recorder.register_gauge(&key, &metadata).set(0.5),
        Kind::Histogram | Kind::Summary => recorder.register_histogram(&key, &metadata).record(0.02),
    });
}

/// What is wrong with a Prometheus text, and its families: name, type, samples.
fn checked(text: &str) -> (Vec<String>, BTreeMap<String, (String, usize)>) {
    let (mut wrong, mut helped) = (Vec::new(), BTreeSet::new());
    let mut families: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut series = BTreeSet::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap_or((help, ""));
            if help.trim().is_empty() || !helped.insert(name.to_owned()) {
                wrong.push(format!("{name}: not one HELP with a text"));
            }
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            name.clone_into(&mut current);
            if families.insert(name.to_owned(), (kind.to_owned(), 0)).is_some() || !helped.contains(name) {
                wrong.push(format!("{name}: TYPE twice or without HELP"));
            }
            if (kind == "counter") != name.ends_with("_total") {
                wrong.push(format!("{name}: counters end in _total, and nothing else does"));
            }
        } else {
            let (of, value) = line.rsplit_once(' ').unwrap();
            let name = of.split('{').next().unwrap();
            let (kind, count) = families.get_mut(&current).unwrap();
            *count += 1;
            let suffixes: &[&str] = match kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                "summary" => &["", "_sum", "_count"],
                _ => &[""],
            };
            let right_name =
                suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(current.as_str()));
            let labels = of[name.len()..].strip_prefix('{').map(|labels| labels.strip_suffix('}'));
            if !right_name || labels == Some(None) || value.parse::<f64>().is_err() || !series.insert(of) {
                wrong.push(format!("not a sample of {current}, or there twice: {line}"));
            }
        }
    }
    wrong.extend(families.iter().filter(|(_, (_, count))| *count == 0).map(|(name, _)| name.clone()));
    (wrong, families)
}

#[test]
fn every_metric_is_rendered_with_help_and_base_units() {
    let text = text_of(|| ALL.iter().for_each(|metric| record_one_of(metric)));
    let (wrong, families) = checked(&text);
    assert_eq!(wrong, Vec::<String>::new(), "{text}");
    let old: BTreeSet<&str> = ALL.iter().filter_map(|metric| Some(metric.former.as_ref()?.name)).collect();
    assert_eq!(families.len(), ALL.len() + old.len());
    for metric in ALL {
        assert_eq!(families[metric.name].0, metric.kind.name());
    }
    let foreign =
        ["milli", "micro", "nano", "_ms", "_us", "_mb", "_kb", "_mib", "_kib", "percent", "minutes"];
    for name in families.keys().filter(|name| !old.contains(name.as_str())) {
        assert!(foreign.iter().all(|unit| !name.contains(unit)), "{name}: seconds, bytes and ratios only");
    }
}

#[test]
fn the_table_is_sound() {
    let mut names = BTreeSet::new();
    for metric in ALL {
        let name = metric.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(!metric.help.is_empty() && !metric.help_zh.is_empty(), "{name} says nothing");
        assert!(
            !metric.help.ends_with('.') && !metric.help.contains(['\n', '\\']),
            "{name}: {}",
            metric.help
        );
        let plain = name.strip_suffix("_total").unwrap_or(name);
        for suffix in ["_seconds", "_bytes", "_ratio"] {
            let has = metric.unit.suffix() == Some(suffix);
            assert_eq!(plain.ends_with(suffix), has, "{name}: the name ends in its unit");
        }
        if let Some(former) = &metric.former {
            assert!(names.insert(former.name), "{} is there twice", former.name);
            let is_plain = !matches!(metric.kind, Kind::Histogram | Kind::Summary);
            assert!(is_plain, "{name}: the exporter renames what has one sample a series");
        }
    }
}

/// Names of metrics in string literals of a source.
fn literals(source: &str) -> impl Iterator<Item = &str> {
    source.split("\"menshen_").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| {
            !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        })?;
        rest[end..].starts_with('"').then_some(&rest[..end])
    })
}

fn sources(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn what_is_recorded_is_in_the_table_and_what_is_in_the_table_is_recorded() {
    let (src, mut files) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), Vec::new());
    sources(&src, &mut files);
    files.retain(|(path, _)| !path.starts_with(src.join("telemetry")));
    let mut unused: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    for (path, text) in &files {
        for name in literals(text).map(|end| format!("menshen_{end}")) {
            let is_it = |metric: &&&Metric| {
                metric.name == name || metric.former.as_ref().is_some_and(|former| former.name == name)
            };
            let metric = ALL.iter().find(is_it);
            let metric = metric.unwrap_or_else(|| panic!("{}: {name} is not in the table", path.display()));
            unused.remove(metric.name);
        }
        for metric in ALL {
            let (path, is_word) = (format!("telemetry::{}", metric.constant), |letter: char| {
                letter == '_' || letter.is_ascii_alphanumeric()
            });
            if text.match_indices(&path).any(|(at, _)| !text[at + path.len()..].starts_with(is_word)) {
                unused.remove(metric.name);
            }
        }
    }
    assert_eq!(unused, BTreeSet::new(), "nothing records these");
}

#[test]
fn a_renamed_metric_is_exported_under_both_names() {
    let text = text_of(|| {
        CPU_SECONDS.of("a", "motion").add(Duration::from_micros(1_250_500));
        CPU_SECONDS.of("a", "embed").add(Duration::from_secs(2));
        metrics::counter!("menshen_cpu_microseconds_total", "device" => "b,stage=\"motion\"", "stage" => "glance")
            .increment(40);
    });
    for line in [
        "menshen_cpu_seconds_total{device=\"a\",stage=\"motion\"} 1.2505",
        "menshen_cpu_seconds_total{device=\"a\",stage=\"embed\"} 2",
        "menshen_cpu_seconds_total{device=\"b,stage=\\\"motion\\\"\",stage=\"motion\"} 0.00004",
        "# HELP menshen_cpu_microseconds_total deprecated: use menshen_cpu_seconds_total",
        "menshen_cpu_microseconds_total{device=\"a\",stage=\"glance\"} 1250500",
        "menshen_cpu_microseconds_total{device=\"a\",stage=\"embed\"} 2000000",
        "menshen_cpu_microseconds_total{device=\"b,stage=\\\"motion\\\"\",stage=\"glance\"} 40",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert_eq!(checked(&text).0, Vec::<String>::new());
}

#[test]
fn counters_without_labels_begin_at_0_and_other_metrics_when_they_are_known() {
    let text = text_of(|| {
        FRAMES.of("a").increment(3);
        LINK_UP.get().set(1.0);
        INFERENCE_SECONDS.of("detect").record(0.02);
    });
    for line in [
        "menshen_events_lost_total 0",
        "menshen_frames_total{device=\"a\"} 3",
        "menshen_link_up 1",
        "menshen_inference_seconds_bucket{stage=\"detect\",le=\"0.02\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("menshen_link_blocked") && !text.contains("menshen_embedder_fallback"));
}
