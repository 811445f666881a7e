//! The recorder of this process, and its values as Prometheus text.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

pub use metrics_exporter_prometheus::BuildError;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::declare::{Former, Kind, Metric};
use super::table::{ALL, INFERENCE_SECONDS};

/// Upper bounds in seconds: a detection takes 10–50 ms on a small core, a stuck one shows at the top.
const INFERENCE_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0];

/// Counters that somebody else keeps.
static OTHERS: Mutex<Vec<(&'static Metric, Count)>> = Mutex::new(Vec::new());

type Count = Box<dyn Fn() -> u64 + Send>;

/// Has `count` asked for the value of a counter without labels whenever values are shown.
pub fn ask_for(counter: &'static Metric, count: impl Fn() -> u64 + Send + 'static) {
    OTHERS.lock().unwrap_or_else(PoisonError::into_inner).push((counter, Box::new(count)));
}

/// Reads what the recorder holds.
#[derive(Clone)]
pub struct Exporter(PrometheusHandle);

/// Installs the recorder of this process and describes every metric to it. Counters without labels begin at 0, so that
/// their first growth is seen.
///
/// # Errors
/// When there is a recorder already.
pub fn install() -> Result<Exporter, BuildError> {
    let handle = builder()?.install_recorder()?;
    metrics::with_recorder(|recorder| describe(recorder));
    Ok(Exporter(handle))
}

pub(super) fn builder() -> Result<PrometheusBuilder, BuildError> {
    let inference = Matcher::Full(INFERENCE_SECONDS.metric().name.to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(inference, INFERENCE_BUCKETS)
}

pub(super) fn describe(recorder: &dyn metrics::Recorder) {
    let metadata = metrics::Metadata::new("menshen", metrics::Level::INFO, None);
    for metric in ALL {
        let unit = metric.unit.of_recorder();
        match metric.kind {
            Kind::Counter | Kind::SecondsCounter => {
                recorder.describe_counter(metric.name.into(), unit, metric.help.into());
            }
            Kind::Gauge => recorder.describe_gauge(metric.name.into(), unit, metric.help.into()),
            // Without buckets of its own a histogram of this recorder is a summary.
            Kind::Histogram | Kind::Summary => {
                recorder.describe_histogram(metric.name.into(), unit, metric.help.into());
            }
        }
        if metric.kind == Kind::Counter && metric.labels.is_empty() {
            let _ = recorder.register_counter(&metrics::Key::from_static_name(metric.name), &metadata);
        }
    }
}

impl Exporter {
    #[cfg(test)]
    pub(super) fn of(handle: PrometheusHandle) -> Self {
        Self(handle)
    }

    /// All values as Prometheus text; renamed metrics under both names.
    pub fn render(&self) -> String {
        for (counter, count) in OTHERS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            metrics::counter!(counter.name).absolute(count());
        }
        translated(&self.0.render())
    }

    /// Folds recorded samples of histograms into their buckets; to be called every few seconds.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// The recorder's text with counters of seconds in seconds, and renamed metrics under both names.
fn translated(text: &str) -> String {
    let mut whole = String::with_capacity(text.len() + text.len() / 4);
    let mut renamed: Vec<(&Metric, Vec<&str>)> = Vec::new();
    for family in text.split_inclusive("\n\n") {
        let metric = name_of(family).and_then(|name| {
            let is_it = |metric: &&&Metric| {
                metric.name == name || metric.former.as_ref().is_some_and(|former| former.name == name)
            };
            ALL.iter().find(is_it).copied()
        });
        match metric.filter(|metric| metric.former.is_some() || metric.kind == Kind::SecondsCounter) {
            None => whole.push_str(family),
            Some(metric) => {
                let samples = family.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
                match renamed.iter_mut().find(|(other, _)| other.name == metric.name) {
                    Some((_, all)) => all.extend(samples),
                    None => renamed.push((metric, samples.collect())),
                }
            }
        }
    }
    for (metric, samples) in renamed {
        write_family(&mut whole, metric, &samples);
    }
    whole
}

fn name_of(family: &str) -> Option<&str> {
    family.lines().find_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
}

fn write_family(text: &mut String, metric: &Metric, samples: &[&str]) {
    let Metric { name, help, kind, former, .. } = metric;
    let values = former.as_ref().map_or(&[][..], |former| former.values);
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
    for (labels, value) in samples.iter().filter_map(|sample| parts(sample)) {
        let labels = values
            .iter()
            .fold(labels.to_owned(), |labels, (label, now, then)| with_value(&labels, label, then, now));
        let _ = match (kind, value.parse::<f64>()) {
            (Kind::SecondsCounter, Ok(micros)) => writeln!(text, "{name}{labels} {}", micros / 1e6),
            _ => writeln!(text, "{name}{labels} {value}"),
        };
    }
    text.push('\n');
    let Some(Former { name: old, .. }) = former else { return };
    let _ = writeln!(text, "# HELP {old} deprecated: use {name}\n# TYPE {old} {}", kind.name());
    for (labels, value) in samples.iter().filter_map(|sample| parts(sample)) {
        let labels = values
            .iter()
            .fold(labels.to_owned(), |labels, (label, now, then)| with_value(&labels, label, now, then));
        let _ = writeln!(text, "{old}{labels} {value}");
    }
    text.push('\n');
}

/// The labels of a sample with their braces, and its value.
fn parts(sample: &str) -> Option<(&str, &str)> {
    let (series, value) = sample.rsplit_once(' ')?;
    Some((series.find('{').map_or("", |start| &series[start..]), value))
}

/// `labels` with the value `from` of `label` replaced by `to`. Quotes inside values are escaped, so that what looks
/// like a label is one.
fn with_value(labels: &str, label: &str, from: &str, to: &str) -> String {
    let mut labels = labels.to_owned();
    for start in ['{', ','] {
        labels = labels.replace(&format!("{start}{label}=\"{from}\""), &format!("{start}{label}=\"{to}\""));
    }
    labels
}
