//! What a declared metric is, and how it is recorded.

use std::marker::PhantomData;
use std::time::Duration;

use metrics::{Key, Label, Level, Metadata, Recorder, SharedString};

static METADATA: Metadata<'static> = Metadata::new("menshen", Level::INFO, None);

/// How a metric's values behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Grows from 0 at the start of the process; its name ends in `_total`.
    Counter,
    /// A counter of seconds. The recorder counts whole numbers, so it holds microseconds; the exporter divides.
    SecondsCounter,
    /// The value at present.
    Gauge,
    /// A distribution, in buckets.
    Histogram,
    /// A distribution, as quantiles of the last minute.
    Summary,
}

impl Kind {
    /// The type in Prometheus text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter | Self::SecondsCounter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// The unit of a metric's values: always a base unit, and the end of the metric's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A part of a whole, 0-1.
    Ratio,
    /// 1 for yes, 0 for no.
    Flag,
}

impl Unit {
    /// What the name ends in, `_total` aside.
    pub fn suffix(self) -> Option<&'static str> {
        match self {
            Self::Count | Self::Flag => None,
            Self::Seconds => Some("_seconds"),
            Self::Bytes => Some("_bytes"),
            Self::Ratio => Some("_ratio"),
        }
    }

    /// The unit as the recorder knows it.
    pub(super) fn of_recorder(self) -> Option<metrics::Unit> {
        match self {
            Self::Count => Some(metrics::Unit::Count),
            Self::Seconds => Some(metrics::Unit::Seconds),
            Self::Bytes => Some(metrics::Unit::Bytes),
            Self::Ratio | Self::Flag => None,
        }
    }
}

/// The name a metric had before, under which it is exported for one more release.
#[derive(Debug, PartialEq, Eq)]
pub struct Former {
    /// The old name.
    pub name: &'static str,
    /// Label values that had other words: label, word now, word then.
    pub values: &'static [(&'static str, &'static str, &'static str)],
}

/// All there is to know about a metric.
#[derive(Debug)]
pub struct Metric {
    /// The name in Prometheus text.
    pub name: &'static str,
    /// The constant it is recorded by.
    pub constant: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// What its values count.
    pub unit: Unit,
    /// Its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What it says, in English.
    pub help: &'static str,
    /// The same in Chinese, for the documentation.
    pub help_zh: &'static str,
    /// Its old name.
    pub former: Option<Former>,
}

/// A declared metric of the kind `K` with `N` labels.
#[derive(Debug)]
pub struct Declared<K, const N: usize> {
    metric: Metric,
    kind: PhantomData<K>,
}

impl<K, const N: usize> Declared<K, N> {
    pub(super) const fn new(metric: Metric) -> Self {
        Self { metric, kind: PhantomData }
    }

    /// What is declared.
    pub const fn metric(&self) -> &Metric {
        &self.metric
    }
}

/// A kind of metric, by what records it.
pub trait Recorded {
    /// What takes the values of one series.
    type Handle;
    /// The series of `key`, made when there is none yet.
    fn register(recorder: &dyn Recorder, key: &Key) -> Self::Handle;
}

/// A counter.
#[derive(Debug)]
pub enum Counter {}
/// A counter of seconds.
#[derive(Debug)]
pub enum SecondsCounter {}
/// A gauge.
#[derive(Debug)]
pub enum Gauge {}
/// A histogram.
#[derive(Debug)]
pub enum Histogram {}
/// A summary.
#[derive(Debug)]
pub enum Summary {}

/// One series of a counter of seconds.
pub struct Seconds(metrics::Counter);

impl Seconds {
    /// Adds a time, to the microsecond.
    pub fn add(&self, time: Duration) {
        self.0.increment(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

impl Recorded for Counter {
    type Handle = metrics::Counter;
    fn register(recorder: &dyn Recorder, key: &Key) -> Self::Handle {
        recorder.register_counter(key, &METADATA)
    }
}

impl Recorded for SecondsCounter {
    type Handle = Seconds;
    fn register(recorder: &dyn Recorder, key: &Key) -> Self::Handle {
        Seconds(recorder.register_counter(key, &METADATA))
    }
}

impl Recorded for Gauge {
    type Handle = metrics::Gauge;
    fn register(recorder: &dyn Recorder, key: &Key) -> Self::Handle {
        recorder.register_gauge(key, &METADATA)
    }
}

impl Recorded for Histogram {
    type Handle = metrics::Histogram;
    fn register(recorder: &dyn Recorder, key: &Key) -> Self::Handle {
        recorder.register_histogram(key, &METADATA)
    }
}

impl Recorded for Summary {
    type Handle = metrics::Histogram;
    fn register(recorder: &dyn Recorder, key: &Key) -> Self::Handle {
        recorder.register_histogram(key, &METADATA)
    }
}

impl<K: Recorded> Declared<K, 0> {
    /// Its only series.
    pub fn get(&self) -> K::Handle {
        let key = Key::from_static_name(self.metric.name);
        metrics::with_recorder(|recorder| K::register(recorder, &key))
    }
}

impl<K: Recorded> Declared<K, 1> {
    /// The series with this value of its label.
    pub fn of(&self, value: impl Into<SharedString>) -> K::Handle {
        let labels = vec![Label::new(self.metric.labels[0], value)];
        let key = Key::from_parts(self.metric.name, labels);
        metrics::with_recorder(|recorder| K::register(recorder, &key))
    }
}

impl<K: Recorded> Declared<K, 2> {
    /// The series with these values of its labels, in the order of the declaration.
    pub fn of(&self, first: impl Into<SharedString>, second: impl Into<SharedString>) -> K::Handle {
        let [one, other] = [self.metric.labels[0], self.metric.labels[1]];
        let labels = vec![Label::new(one, first), Label::new(other, second)];
        let key = Key::from_parts(self.metric.name, labels);
        metrics::with_recorder(|recorder| K::register(recorder, &key))
    }
}

/// Declares metrics: a constant for each, and `ALL`.
macro_rules! declare {
    ($(
        $constant:ident = $kind:ident $name:literal, $unit:ident, [$($label:ident),*],
        $help:literal, $help_zh:literal $(, formerly $former:literal $([$($of:ident: $now:literal was $then:literal),*])?)?;
    )*) => {
        $(
            #[doc = $help]
            pub static $constant: Declared<declare::$kind, { <[&str]>::len(&[$(stringify!($label)),*]) }> =
                Declared::new(Metric {
                    name: $name,
                    constant: stringify!($constant),
                    kind: Kind::$kind,
                    unit: Unit::$unit,
                    labels: &[$(stringify!($label)),*],
                    help: $help,
                    help_zh: $help_zh,
                    former: declare!(@former $($former $([$($of: $now was $then),*])?)?),
                });
        )*

        /// Every metric of the box.
        pub static ALL: &[&Metric] = &[$($constant.metric()),*];
    };
    (@former) => { None };
    (@former $former:literal $([$($of:ident: $now:literal was $then:literal),*])?) => {
        Some(Former { name: $former, values: &[$($((stringify!($of), $now, $then)),*)?] })
    };
}

pub(super) use declare;
