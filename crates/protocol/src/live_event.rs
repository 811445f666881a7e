//! The live stream (published for V2R6 and V5, port 5679): what a client asks for, and the message of an event.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::{EventBody, EventPictures, ReportKind};
use super::flat_event::{device_id_of, identity_info};
use super::json::{self, NotJson};
use super::lenient::{self, FieldError};
use menshen_domain::event::EventRecord;

/// What a client asks for; a new one replaces the old.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StreamConfig {
    /// Whether messages have the face crop.
    #[serde(deserialize_with = "lenient::switch_or_off")]
    pub need_face: bool,
    /// Whether messages have the registry photo.
    #[serde(deserialize_with = "lenient::switch_or_off")]
    pub need_register: bool,
    /// The devices whose events are sent, by `device_id`; empty: nothing is.
    #[serde(rename = "event_list", deserialize_with = "lenient::texts")]
    devices: Vec<String>,
}

/// Why a client's message is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum StreamConfigError {
    /// No JSON.
    #[error("the configuration is no JSON: {0}")]
    NotJson(#[from] NotJson),
    /// JSON, but no object.
    #[error("the configuration must be an object, got {0}")]
    NotObject(&'static str),
    /// A field of another type.
    #[error("the configuration cannot be read: {0}")]
    Field(#[from] FieldError),
}

impl StreamConfig {
    /// Reads a client's message.
    ///
    /// # Errors
    ///
    /// When it is no such object.
    pub fn parse(message: &[u8]) -> Result<Self, StreamConfigError> {
        let value = json::parse_copied(message)?;
        if !value.is_object() {
            return Err(StreamConfigError::NotObject(lenient::kind_of(&value)));
        }
        Ok(lenient::object(value)?)
    }

    /// The devices it names, each once.
    pub fn devices(&self) -> BTreeSet<String> {
        self.devices.iter().cloned().collect()
    }
}

/// The message of one event: the real-time body with what the stream has beside it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveEventBody {
    /// The body of a real-time push.
    #[serde(flatten)]
    pub event: EventBody,
    /// The device's UUID.
    pub device_id: String,
    /// What the event keeps of the person; empty for a stranger.
    pub identity_info: Map<String, Value>,
    /// As in `ext_data`; the published client reads it here.
    pub event_id: String,
    /// `device_id`, as the published client calls it.
    pub video_id: String,
}

impl LiveEventBody {
    /// The message of an event. Of `pictures` those are sent that are there.
    pub fn new(event: &EventRecord, pictures: EventPictures) -> Self {
        let device_id = device_id_of(&event.device);
        Self {
            event: EventBody::new(event, pictures, ReportKind::RealTime),
            identity_info: event.identity.as_ref().map(identity_info).unwrap_or_default(),
            event_id: event.event_id.clone(),
            video_id: device_id.clone(),
            device_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_an_object_and_everything_else_is_refused() {
        let read = |text: &str| StreamConfig::parse(text.as_bytes());
        let full = read(r#"{"need_face": true, "need_register": 1, "event_list": ["a", "b", "a"], "x": 1}"#)
            .unwrap();
        assert!(full.need_face && full.need_register);
        assert_eq!(full.devices().into_iter().collect::<Vec<_>>(), ["a", "b"]);
        for nothing in ["{}", r#"{"event_list": null, "need_face": null}"#, "\u{a0}{\u{a0}}"] {
            assert_eq!(read(nothing).unwrap(), StreamConfig::default(), "{nothing}");
        }
        for wrong in [
            "",
            "null",
            "[]",
            "\"\"",
            "5",
            "hello",
            "{",
            r#"{"need_face": "maybe"}"#,
            r#"{"event_list": {"a": 1}}"#,
            r#"{"event_list": [["a"]]}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
