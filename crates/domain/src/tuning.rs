//! What can be retuned while the box runs, and what of it was changed in the field.
//!
//! The configuration file gives the starting values. What the platform (`control_config`) or an operator (local
//! API) changes later is kept as [`Changes`] and wins over the file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::photo_rules::PassMode;
use super::report_options::{
    Dialect, Dialects, HistoryOptions, MonitorOptions, RealtimeOptions, ReceiverDialect, ReportOptions,
};
use super::score::ScoreRange;

/// What a turnstile does on a match (protocol section 9, `controller_mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateMode {
    /// Matches of people who may pass open it.
    #[default]
    OpenDoor,
    /// Matches of people on the blacklist raise an alarm.
    Alarm,
    /// Matches do nothing.
    Avoid,
}

impl GateMode {
    /// As it is written.
    pub fn wire(self) -> &'static str {
        match self {
            Self::OpenDoor => "opendoor",
            Self::Alarm => "alarm",
            Self::Avoid => "avoid",
        }
    }
}

/// The embedder chosen with `models use`, which wins over the configuration file's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenEmbedder {
    /// Name of a folder in `models_dir`.
    pub name: String,
    /// The one before, to go back to; and to fall back to when this one is found broken at a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

/// The present values.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// Match threshold on the score scale, 0–100.
    pub threshold: f32,
    /// Lowest, best and highest score.
    pub range: ScoreRange,
    /// Unmatched faces of sufficient quality are enrolled as strangers.
    pub enrol_strangers: bool,
    /// Event servers that get matches at once.
    pub realtime_urls: Vec<Url>,
    /// History receivers besides those the login names.
    pub history_urls: Vec<Url>,
    /// Receivers of the status report besides the one the login names.
    pub monitor_urls: Vec<Url>,
    /// What a turnstile does on a match.
    pub gate_mode: GateMode,
    /// Who may pass, at devices that say nothing else.
    pub pass_mode: PassMode,
    /// Whether history tells what was detected of the face; `None`: as the login says.
    pub history_face_info: Option<bool>,
    /// How receivers are written to.
    pub reports: ReportOptions,
}

/// What was changed in the field; absent means as the configuration file says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// The box's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_sno: Option<String>,
    /// Where to log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<Url>,
    /// Match threshold, 0–100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Lowest, best and highest score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold_range: Option<[f32; 3]>,
    /// Whether strangers are enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_stranger_group: Option<bool>,
    /// Event servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime_urls: Option<Vec<Url>>,
    /// History receivers besides those of the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_urls: Option<Vec<Url>>,
    /// Receivers of the status report besides that of the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_urls: Option<Vec<Url>>,
    /// What a turnstile does on a match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate_mode: Option<GateMode>,
    /// Who may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass_mode: Option<PassMode>,
    /// Whether history tells what was detected of the face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_face_info: Option<bool>,
    /// How event servers are pushed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime_options: Option<RealtimeOptions>,
    /// How history receivers besides those of the login are written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_options: Option<HistoryOptions>,
    /// How status receivers besides that of the login are written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_options: Option<MonitorOptions>,
    /// What the platform is written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform_dialect: Option<Dialect>,
    /// What history receivers besides those of the login are written in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_dialect: Option<Dialect>,
    /// The same of single ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receiver_dialects: Option<Vec<ReceiverDialect>>,
    /// The chosen embedder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedder: Option<ChosenEmbedder>,
    /// Devices by `ip` as they were added or changed; `None`: removed. Passwords among them: the file is the box's own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, Option<DeviceTable>>,
}

/// A device as a `[[devices]]` block of the configuration has it.
pub type DeviceTable = serde_json::Map<String, serde_json::Value>;

/// A change of one device.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceChange {
    /// One that is not there yet.
    Add(DeviceTable),
    /// The keys given take the place of the present ones; a `null` takes a key away. A new `ip` moves the device.
    Set(DeviceTable),
    /// The device is not used any more.
    Remove,
    /// It is as the configuration file says again.
    Reset,
}

/// What [`Changes::devices`] holds of one device from now on.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceEntry {
    /// It is like this.
    Becomes(DeviceTable),
    /// It is gone, whatever the configuration file says.
    Gone,
    /// Nothing: the configuration file counts.
    AsInFile,
}

impl Changes {
    /// Takes over what became of devices, by `ip`.
    pub fn put_devices(&mut self, entries: Vec<(String, DeviceEntry)>) {
        for (ip, entry) in entries {
            match entry {
                DeviceEntry::Becomes(table) => drop(self.devices.insert(ip, Some(table))),
                DeviceEntry::Gone => drop(self.devices.insert(ip, None)),
                DeviceEntry::AsInFile => drop(self.devices.remove(&ip)),
            }
        }
    }
}

impl Tuning {
    /// These values with the changes over them. A range that does not rise (this program never
    /// writes one) is ignored.
    pub fn with(&self, changes: &Changes) -> Self {
        let changed_range = changes
            .threshold_range
            .and_then(|[lowest, best, highest]| ScoreRange::new(lowest, best, highest).ok());
        Self {
            threshold: changes.threshold.unwrap_or(self.threshold),
            range: changed_range.unwrap_or(self.range),
            enrol_strangers: changes.support_stranger_group.unwrap_or(self.enrol_strangers),
            realtime_urls: changes.realtime_urls.clone().unwrap_or_else(|| self.realtime_urls.clone()),
            history_urls: changes.history_urls.clone().unwrap_or_else(|| self.history_urls.clone()),
            monitor_urls: changes.monitor_urls.clone().unwrap_or_else(|| self.monitor_urls.clone()),
            gate_mode: changes.gate_mode.unwrap_or(self.gate_mode),
            pass_mode: changes.pass_mode.unwrap_or(self.pass_mode),
            history_face_info: changes.history_face_info.or(self.history_face_info),
            reports: self.reports_with(changes),
        }
    }

    fn reports_with(&self, changes: &Changes) -> ReportOptions {
        let own = &self.reports;
        let receivers = changes.receiver_dialects.as_ref().unwrap_or(&own.dialects.receivers);
        ReportOptions {
            realtime: changes.realtime_options.unwrap_or(own.realtime),
            history: changes.history_options.unwrap_or(own.history),
            monitor: changes.monitor_options.unwrap_or(own.monitor),
            dialects: Dialects {
                platform: changes.platform_dialect.unwrap_or(own.dialects.platform),
                history: changes.history_dialect.or(own.dialects.history),
                receivers: receivers.clone(),
            },
            occlusion: own.occlusion,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_file() -> Tuning {
        Tuning {
            threshold: 82.0,
            range: ScoreRange::default(),
            enrol_strangers: false,
            realtime_urls: vec![Url::parse("http://a/").unwrap()],
            history_urls: Vec::new(),
            monitor_urls: Vec::new(),
            gate_mode: GateMode::OpenDoor,
            pass_mode: PassMode::Normal,
            history_face_info: None,
            reports: ReportOptions::default(),
        }
    }

    #[test]
    fn only_what_was_changed_differs() {
        assert_eq!(from_file().with(&Changes::default()), from_file());
        let changes =
            Changes { threshold: Some(90.0), realtime_urls: Some(Vec::new()), ..Changes::default() };
        let tuned = from_file().with(&changes);
        assert_eq!((tuned.threshold, tuned.realtime_urls.len()), (90.0, 0));
        let broken = Changes { threshold_range: Some([9.0, 5.0, 1.0]), ..Changes::default() };
        assert_eq!(from_file().with(&broken).range, ScoreRange::default());
    }

    #[test]
    fn changes_survive_their_file_and_later_versions() {
        let changes = Changes { gate_mode: Some(GateMode::Avoid), ..Changes::default() };
        let text = serde_json::to_string(&changes).unwrap();
        assert_eq!(text, r#"{"gate_mode":"avoid"}"#);
        let newer = r#"{"gate_mode":"avoid","something_new":1}"#;
        assert_eq!(serde_json::from_str::<Changes>(newer).unwrap(), changes);
    }
}
