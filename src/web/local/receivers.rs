//! How receivers are written to, as the published calls say it: pictures, strangers, content type, period.

use serde_json::{Map, Value};

use super::answer::wrong;
use super::receiver_kind::Kind;
use super::state::LocalDeps;
use menshen_domain::report_options::{HistoryOptions, MonitorOptions, Pictures, RealtimeOptions, SendAs};
use menshen_domain::status::ProtocolError;
use menshen_domain::tuning::Changes;
use menshen_protocol::lenient;

/// Seconds between two reports, at most: a day.
const PERIOD_MAX_S: i64 = 86_400;
/// As published.
const PERIOD: &str = "reported_peroid";
const CONTENT_TYPE: &str = "content-type";
const ALL_TYPES: &str = "real_need_send_all_person_type";
const REALTIME_PICTURES: [&str; 3] = ["real_need_reg_pic", "real_need_spot_pic", "real_need_recognize_face"];
const HISTORY_PICTURES: [&str; 3] =
    ["history_need_reg_pic", "history_need_spot_pic", "history_need_recognize_face"];
/// Every field that says how.
pub const SWITCHES: [&str; 9] = [
    "real_need_reg_pic",
    "real_need_spot_pic",
    "real_need_recognize_face",
    "history_need_reg_pic",
    "history_need_spot_pic",
    "history_need_recognize_face",
    ALL_TYPES,
    CONTENT_TYPE,
    PERIOD,
];

/// How one kind of receivers is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Options {
    Event(RealtimeOptions),
    History(HistoryOptions),
    Monitor(MonitorOptions),
}

/// A field that says something.
pub fn asked<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    body.get(key).filter(|value| !lenient::is_absent(value))
}

impl Options {
    /// In force.
    pub fn now(deps: &LocalDeps, kind: Kind) -> Self {
        let tuning = deps.tuner.shared();
        let reports = &tuning.load().reports;
        match kind {
            Kind::Event => Self::Event(reports.realtime),
            Kind::History => Self::History(reports.history),
            Kind::Monitor => Self::Monitor(reports.monitor),
        }
    }

    /// What a published body means that says nothing else.
    pub fn published_default(kind: Kind) -> Self {
        match kind {
            Kind::Event => Self::Event(RealtimeOptions::default()),
            Kind::History => Self::History(HistoryOptions::default()),
            Kind::Monitor => Self::Monitor(MonitorOptions::default()),
        }
    }

    /// With what a body says.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn read(self, body: &Map<String, Value>) -> Result<Self, ProtocolError> {
        let send_as = send_as(body)?;
        Ok(match self {
            Self::Event(now) => Self::Event(RealtimeOptions {
                pictures: pictures(body, REALTIME_PICTURES, now.pictures)?,
                all_person_types: switch(body, ALL_TYPES)?.unwrap_or(now.all_person_types),
                send_as: send_as.unwrap_or(now.send_as),
            }),
            Self::History(now) => Self::History(HistoryOptions {
                pictures: pictures(body, HISTORY_PICTURES, now.pictures)?,
                send_as: send_as.unwrap_or(now.send_as),
                period_s: period(body)?.unwrap_or(now.period_s),
            }),
            Self::Monitor(now) => {
                if send_as == Some(SendAs::FormData) {
                    return Err(wrong("`content-type` must be json: status reports are sent as JSON only"));
                }
                Self::Monitor(MonitorOptions { period_s: period(body)?.unwrap_or(now.period_s) })
            }
        })
    }

    /// Under the published names.
    pub fn published(self) -> Map<String, Value> {
        let of_pictures = |names: [&'static str; 3], on: Pictures| {
            names
                .into_iter()
                .zip([on.reg_pic, on.spot_pic, on.recognize_face])
                .map(|(name, on)| (name, on.into()))
        };
        let fields: Vec<(&'static str, Value)> = match self {
            Self::Event(it) => of_pictures(REALTIME_PICTURES, it.pictures)
                .chain([(ALL_TYPES, it.all_person_types.into()), (CONTENT_TYPE, it.send_as.wire().into())])
                .collect(),
            Self::History(it) => of_pictures(HISTORY_PICTURES, it.pictures)
                .chain([(CONTENT_TYPE, it.send_as.wire().into()), (PERIOD, it.period_s.into())])
                .collect(),
            Self::Monitor(it) => {
                vec![(CONTENT_TYPE, SendAs::Json.wire().into()), (PERIOD, it.period_s.into())]
            }
        };
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Keeps it over restarts.
    pub fn keep(self, changes: &mut Changes) {
        match self {
            Self::Event(options) => changes.realtime_options = Some(options),
            Self::History(options) => changes.history_options = Some(options),
            Self::Monitor(options) => changes.monitor_options = Some(options),
        }
    }
}

fn switch(body: &Map<String, Value>, key: &str) -> Result<Option<bool>, ProtocolError> {
    let Some(value) = asked(body, key) else { return Ok(None) };
    lenient::switch_of(value).map(Some).ok_or_else(|| wrong(format!("`{key}` must be true or false")))
}

fn pictures(
    body: &Map<String, Value>,
    [reg_pic, spot_pic, recognize_face]: [&str; 3],
    now: Pictures,
) -> Result<Pictures, ProtocolError> {
    Ok(Pictures {
        reg_pic: switch(body, reg_pic)?.unwrap_or(now.reg_pic),
        spot_pic: switch(body, spot_pic)?.unwrap_or(now.spot_pic),
        recognize_face: switch(body, recognize_face)?.unwrap_or(now.recognize_face),
    })
}

fn send_as(body: &Map<String, Value>) -> Result<Option<SendAs>, ProtocolError> {
    let Some(value) = asked(body, CONTENT_TYPE) else { return Ok(None) };
    value
        .as_str()
        .and_then(SendAs::from_wire)
        .map(Some)
        .ok_or_else(|| wrong("`content-type` must be json or form-data"))
}

fn period(body: &Map<String, Value>) -> Result<Option<u64>, ProtocolError> {
    let Some(value) = asked(body, PERIOD) else { return Ok(None) };
    let seconds = lenient::integer_of(value).filter(|seconds| (1..=PERIOD_MAX_S).contains(seconds));
    seconds
        .map(|seconds| Some(seconds as u64))
        .ok_or_else(|| wrong(format!("`{PERIOD}` must be 1 to {PERIOD_MAX_S} seconds")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: Kind, body: Value) -> Result<Map<String, Value>, String> {
        let read = Options::published_default(kind).read(body.as_object().unwrap());
        read.map(Options::published).map_err(|refusal| refusal.detail)
    }

    #[test]
    fn what_is_not_said_has_the_published_default() {
        let fields = read(Kind::Event, json!({})).unwrap();
        let expected = json!({
            "real_need_reg_pic": true, "real_need_spot_pic": true, "real_need_recognize_face": true,
            "real_need_send_all_person_type": false, "content-type": "json",
        });
        assert_eq!(Value::Object(fields), expected);
        let fields = read(Kind::History, json!({ "reported_peroid": "", "content-type": null })).unwrap();
        let expected = json!({
            "history_need_reg_pic": true, "history_need_spot_pic": true, "history_need_recognize_face": true,
            "content-type": "json", "reported_peroid": 5,
        });
        assert_eq!(Value::Object(fields), expected);
        let fields = read(Kind::Monitor, json!({})).unwrap();
        assert_eq!(Value::Object(fields), json!({ "content-type": "json", "reported_peroid": 20 }));
    }

    #[test]
    fn switches_are_read_as_forms_write_them() {
        let body = json!({
            "history_need_spot_pic": "FALSE", "history_need_reg_pic": "1", "history_need_recognize_face": 0,
            "content-type": "form-data", "reported_peroid": "86400",
        });
        let fields = read(Kind::History, body.clone()).unwrap();
        let expected = json!({
            "history_need_reg_pic": true, "history_need_spot_pic": false, "history_need_recognize_face": false,
            "content-type": "form-data", "reported_peroid": 86_400,
        });
        assert_eq!(Value::Object(fields), expected);
        // Ours changes what it says.
        let now = Options::published_default(Kind::History).read(body.as_object().unwrap()).unwrap();
        let change = json!({ "history_need_spot_pic": true });
        let Options::History(after) = now.read(change.as_object().unwrap()).unwrap() else {
            panic!("history")
        };
        assert!(after.pictures.spot_pic && !after.pictures.recognize_face && after.period_s == 86_400);
    }

    #[test]
    fn wrong_fields_are_named() {
        for (kind, body, field) in [
            (Kind::Event, json!({ "real_need_reg_pic": "perhaps" }), "real_need_reg_pic"),
            (Kind::Event, json!({ "content-type": "xml" }), "content-type"),
            (Kind::Event, json!({ "content-type": 7 }), "content-type"),
            (Kind::Event, json!({ "real_need_send_all_person_type": [1] }), "real_need_send_all_person_type"),
            (Kind::History, json!({ "reported_peroid": 0 }), "reported_peroid"),
            (Kind::History, json!({ "reported_peroid": "soon" }), "reported_peroid"),
            (Kind::Monitor, json!({ "reported_peroid": 86_401 }), "reported_peroid"),
            (Kind::Monitor, json!({ "content-type": "form-data" }), "content-type"),
        ] {
            assert!(read(kind, body.clone()).unwrap_err().contains(field), "{body}");
        }
    }
}
