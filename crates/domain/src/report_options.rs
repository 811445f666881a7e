//! How receivers are written to: with which pictures, in which form and how often, and in which dialect of the protocol.

use serde::{Deserialize, Serialize};
use url::Url;

/// How a body is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendAs {
    /// As JSON.
    #[default]
    #[serde(rename = "json")]
    Json,
    /// As `multipart/form-data`.
    #[serde(rename = "form-data")]
    FormData,
}

impl SendAs {
    /// As it is written.
    pub fn wire(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::FormData => "form-data",
        }
    }

    /// As it is read: the published words, and the media types they stand for.
    pub fn from_wire(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "json" | "application/json" => Some(Self::Json),
            "form-data" | "multipart/form-data" => Some(Self::FormData),
            _ => None,
        }
    }
}

/// Generation of the protocol that reports are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// Nested history events, digits as device types.
    #[default]
    #[serde(rename = "2.4")]
    V24,
    /// Flat history events, words as device types, objects in the status report.
    #[serde(rename = "2.6")]
    V26,
}

impl Dialect {
    /// As it is written.
    pub fn wire(self) -> &'static str {
        match self {
            Self::V24 => "2.4",
            Self::V26 => "2.6",
        }
    }

    /// As it is read.
    pub fn from_wire(text: &str) -> Option<Self> {
        [Self::V24, Self::V26].into_iter().find(|dialect| dialect.wire() == text.trim())
    }
}

/// Which pictures a report carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pictures {
    /// The registry photo.
    pub reg_pic: bool,
    /// The scene.
    pub spot_pic: bool,
    /// The face crop.
    pub recognize_face: bool,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { reg_pic: true, spot_pic: true, recognize_face: true }
    }
}

/// How event servers are pushed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RealtimeOptions {
    /// Which pictures go with it.
    pub pictures: Pictures,
    /// Strangers too; otherwise matches only.
    pub all_person_types: bool,
    /// In which form.
    pub send_as: SendAs,
}

/// How the box's own history receivers are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryOptions {
    /// Which pictures go with it.
    pub pictures: Pictures,
    /// In which form.
    pub send_as: SendAs,
    /// Seconds between two looks for new events.
    pub period_s: u64,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { pictures: Pictures::default(), send_as: SendAs::Json, period_s: 5 }
    }
}

/// How the box's own status receivers are written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MonitorOptions {
    /// Seconds between two reports.
    pub period_s: u64,
}

impl Default for MonitorOptions {
    fn default() -> Self {
        Self { period_s: 20 }
    }
}

/// The dialect of one history receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverDialect {
    /// Its address.
    pub url: Url,
    /// What it reads.
    pub dialect: Dialect,
}

/// What is written in which dialect. Nothing is guessed from what a platform sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dialects {
    /// Of everything the platform gets.
    pub platform: Dialect,
    /// Of the box's own history receivers; `None`: as the platform.
    pub history: Option<Dialect>,
    /// Of single ones of them.
    pub receivers: Vec<ReceiverDialect>,
}

impl Dialects {
    /// Of history to one receiver. An address that is both the platform's and the box's own follows the platform's.
    pub fn of_history(&self, receiver: &Url, is_platforms: bool) -> Dialect {
        if is_platforms {
            return self.platform;
        }
        let own = self.receivers.iter().find(|one| one.url == *receiver).map(|one| one.dialect);
        own.or(self.history).unwrap_or(self.platform)
    }
}

/// What `true` says in `occlusion` (`platform.occlusion_true`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OcclusionTrue {
    /// The part is free.
    #[default]
    Free,
    /// The part is covered.
    Covered,
}

/// How everything is reported that is reported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// To event servers.
    pub realtime: RealtimeOptions,
    /// To the box's own history receivers.
    pub history: HistoryOptions,
    /// To the box's own status receivers.
    pub monitor: MonitorOptions,
    /// In which dialect.
    pub dialects: Dialects,
    /// What `true` says in `occlusion`.
    pub occlusion: OcclusionTrue,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receivers_own_dialect_comes_first_and_the_platforms_addresses_follow_the_platform() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (own, other) = (url("http://own/"), url("http://other/"));
        let mut dialects = Dialects { platform: Dialect::V26, ..Dialects::default() };
        assert_eq!(dialects.of_history(&other, false), Dialect::V26, "as the platform");
        dialects.history = Some(Dialect::V24);
        assert_eq!(dialects.of_history(&other, false), Dialect::V24);
        dialects.receivers = vec![ReceiverDialect { url: own.clone(), dialect: Dialect::V26 }];
        assert_eq!(dialects.of_history(&own, false), Dialect::V26);
        assert_eq!(dialects.of_history(&other, false), Dialect::V24);
        dialects.platform = Dialect::V24;
        assert_eq!(dialects.of_history(&own, true), Dialect::V24, "the platform named it too");
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for send_as in [SendAs::Json, SendAs::FormData] {
            assert_eq!(SendAs::from_wire(send_as.wire()), Some(send_as));
        }
        for dialect in [Dialect::V24, Dialect::V26] {
            assert_eq!(Dialect::from_wire(dialect.wire()), Some(dialect));
            assert_eq!(serde_json::to_value(dialect).unwrap(), dialect.wire());
        }
        assert_eq!(SendAs::from_wire("Multipart/Form-Data"), Some(SendAs::FormData));
        assert_eq!((SendAs::from_wire("xml"), Dialect::from_wire("2.5")), (None, None));
    }

    #[test]
    fn what_was_not_said_is_as_published() {
        let read: HistoryOptions = serde_json::from_str("{}").unwrap();
        assert_eq!((read.period_s, read.pictures.spot_pic, read.send_as), (5, true, SendAs::Json));
        let read: RealtimeOptions = serde_json::from_str("{}").unwrap();
        assert!(!read.all_person_types && read.pictures.reg_pic);
    }
}
