//! The fields of `control_config` (protocol section 3), each read and checked alone.

use serde_json::{Map, Value};

use super::lenient;
use super::reply::ControlConfigResult;
use menshen_domain::photo_rules::PassMode;
use menshen_domain::score::{ScoreRange, ScoreRangeError};
use menshen_domain::tuning::{Changes, Tuning};

/// What a command asks for, as far as it is right; `None` leaves a value as it is.
#[derive(Debug, Default)]
pub struct ConfigChange {
    /// Match threshold on the score scale, 0–100.
    pub threshold: Option<f32>,
    /// Lowest, best and highest score.
    pub range: Option<[f32; 3]>,
    /// Whether strangers are enrolled.
    pub strangers: Option<bool>,
    /// Who may pass, at the whole box.
    pub pass_mode: Option<PassMode>,
    /// Whether history tells what was detected of the face.
    pub history_face_info: Option<bool>,
}

/// Why a field cannot be applied. Texts are for the reply's `message`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigFieldError {
    /// No field of this command.
    #[error(
        "there is threshold, threshold_range, support_stranger_group, passmode, history_upload_need_info, ir_collection"
    )]
    Unknown,
    /// No pass mode.
    #[error("must be normal, allpass or allforbidden")]
    NotPassMode,
    /// Infrared pictures are asked for.
    #[error("this box has no infrared camera")]
    NoInfrared,
    /// No number, but [`lenient::kind_of`] it.
    #[error("must be a number, got {0}")]
    NotNumber(&'static str),
    /// No list, but [`lenient::kind_of`] it.
    #[error("must be a list of three numbers, got {0}")]
    NotList(&'static str),
    /// A list of another length.
    #[error("must be a list of three numbers, got {0}")]
    NotThree(usize),
    /// Numbers that do not rise.
    #[error("{0}")]
    Range(#[from] ScoreRangeError),
    /// No switch, but [`lenient::kind_of`] it.
    #[error("must be true or false, got {0}")]
    NotSwitch(&'static str),
    /// A threshold that no person, or every person, would reach.
    #[error("{threshold} is outside the scale, above {lowest} to {highest}")]
    OffScale {
        /// What was asked for.
        threshold: f32,
        /// The scale's lowest score; the threshold must be above it.
        lowest: f32,
        /// The scale's highest score.
        highest: f32,
    },
    /// A scale that does not hold the threshold.
    #[error("the threshold in force, {0}, is outside it")]
    ThresholdOutside(f32),
}

/// A field that was not applied; displayed as `name: reason`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct RejectedField {
    /// As written, shortened to 64 characters.
    pub name: String,
    /// Why.
    pub reason: ConfigFieldError,
}

impl ConfigChange {
    /// Writes what is asked for over `changes`.
    pub fn apply(self, changes: &mut Changes) {
        changes.threshold = self.threshold.or(changes.threshold);
        changes.threshold_range = self.range.or(changes.threshold_range);
        changes.support_stranger_group = self.strangers.or(changes.support_stranger_group);
        changes.pass_mode = self.pass_mode.or(changes.pass_mode);
        changes.history_face_info = self.history_face_info.or(changes.history_face_info);
    }
}

/// Splits the fields into those that can be applied and those that cannot, with the reason for each of those.
pub fn check_fields(
    now: &Tuning,
    fields: Map<String, Value>,
) -> (ConfigChange, ControlConfigResult, Vec<RejectedField>) {
    let mut wanted = ConfigChange::default();
    let mut result = ControlConfigResult::default();
    let mut rejected = Vec::new();
    let mut threshold = None;
    // What a typed platform left unset is not asked for.
    for (name, value) in fields.into_iter().filter(|(_, value)| !lenient::is_absent(value)) {
        let read = match name.as_str() {
            "threshold" => number(&value).map(|number| threshold = Some(number)),
            "threshold_range" => range(&value).map(|range| wanted.range = Some(range)),
            "support_stranger_group" => switch(&value).map(|on| wanted.strangers = Some(on)),
            "passmode" => pass_mode(&value).map(|mode| wanted.pass_mode = Some(mode)),
            "history_upload_need_info" => switch(&value).map(|on| wanted.history_face_info = Some(on)),
            // It is off: there is nothing to keep of that.
            "ir_collection" => {
                switch(&value).and_then(|on| if on { Err(ConfigFieldError::NoInfrared) } else { Ok(()) })
            }
            _ => Err(ConfigFieldError::Unknown),
        };
        match read {
            Ok(()) => drop(result.success_field.insert(name, value)),
            Err(reason) => {
                let name = name.chars().take(64).collect::<String>();
                rejected.push(RejectedField { name: name.clone(), reason });
                result.faild_field.insert(name, value);
            }
        }
    }
    wanted.threshold = threshold;
    let mut reject = |name: &str, reason: ConfigFieldError| {
        rejected.push(RejectedField { name: name.to_owned(), reason });
        if let Some(value) = result.success_field.remove(name) {
            result.faild_field.insert(name.to_owned(), value);
        }
    };
    // A threshold outside the scale would let every person pass, or none ever. What is new is to blame.
    let scale =
        |range: Option<[f32; 3]>| range.map_or((now.range.lowest, now.range.highest), |r| (r[0], r[2]));
    let within = |threshold: f32, (lowest, highest): (f32, f32)| threshold > lowest && threshold <= highest;
    if let Some(threshold) = wanted.threshold.filter(|threshold| !within(*threshold, scale(wanted.range))) {
        let (lowest, highest) = scale(wanted.range);
        reject("threshold", ConfigFieldError::OffScale { threshold, lowest, highest });
        wanted.threshold = None;
    }
    let threshold = wanted.threshold.unwrap_or(now.threshold);
    if wanted.range.is_some() && !within(threshold, scale(wanted.range)) {
        reject("threshold_range", ConfigFieldError::ThresholdOutside(threshold));
        wanted.range = None;
    }
    (wanted, result, rejected)
}

fn number(value: &Value) -> Result<f32, ConfigFieldError> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .map(|number| number as f32)
        .filter(|number| number.is_finite())
        .ok_or_else(|| ConfigFieldError::NotNumber(lenient::kind_of(value)))
}

fn range(value: &Value) -> Result<[f32; 3], ConfigFieldError> {
    let Value::Array(values) = value else {
        return Err(ConfigFieldError::NotList(lenient::kind_of(value)));
    };
    let [lowest, best, highest] = &values[..] else {
        return Err(ConfigFieldError::NotThree(values.len()));
    };
    let (lowest, best, highest) = (number(lowest)?, number(best)?, number(highest)?);
    ScoreRange::new(lowest, best, highest)?;
    Ok([lowest, best, highest])
}

fn pass_mode(value: &Value) -> Result<PassMode, ConfigFieldError> {
    let word = value.as_str().map(|text| text.trim().to_ascii_lowercase());
    word.and_then(|word| PassMode::from_wire(&word)).ok_or(ConfigFieldError::NotPassMode)
}

fn switch(value: &Value) -> Result<bool, ConfigFieldError> {
    lenient::switch_of(value).ok_or_else(|| ConfigFieldError::NotSwitch(lenient::kind_of(value)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use menshen_domain::tuning::GateMode;

    fn now() -> Tuning {
        Tuning {
            threshold: 82.0,
            range: ScoreRange::default(),
            enrol_strangers: false,
            realtime_urls: Vec::new(),
            history_urls: Vec::new(),
            monitor_urls: Vec::new(),
            gate_mode: GateMode::OpenDoor,
            pass_mode: PassMode::Normal,
            history_face_info: None,
            reports: menshen_domain::report_options::ReportOptions::default(),
        }
    }

    fn check(fields: Value, success: &[&str], failed: &[&str]) -> ConfigChange {
        let Value::Object(fields) = fields else { panic!("an object") };
        let (wanted, result, reasons) = check_fields(&now(), fields);
        assert_eq!(result.success_field.keys().map(String::as_str).collect::<Vec<_>>(), success);
        assert_eq!(result.faild_field.keys().map(String::as_str).collect::<Vec<_>>(), failed);
        assert_eq!(reasons.len(), failed.len(), "{reasons:?}");
        wanted
    }

    #[test]
    fn each_field_succeeds_or_fails_alone() {
        let wanted = check(
            json!({ "threshold": 90, "threshold_range": [10, 20], "support_stranger_group": true, "fly": 1 }),
            &["support_stranger_group", "threshold"],
            &["fly", "threshold_range"],
        );
        assert_eq!((wanted.threshold, wanted.range, wanted.strangers), (Some(90.0), None, Some(true)));
        let wanted = check(
            json!({ "threshold": "high", "threshold_range": ["0", 75.5, 99], "support_stranger_group": "no" }),
            &["threshold_range"],
            &["support_stranger_group", "threshold"],
        );
        assert_eq!(wanted.range, Some([0.0, 75.5, 99.0]));
        check(json!({}), &[], &[]);
        check(
            json!({ "threshold": {}, "threshold_range": [90, 80, 70] }),
            &[],
            &["threshold", "threshold_range"],
        );
    }

    #[test]
    fn the_fields_of_generation_2_6_are_read_each_alone() {
        let wanted = check(
            json!({ "passmode": "allpass", "history_upload_need_info": "1", "ir_collection": true, "threshold": 70 }),
            &["history_upload_need_info", "passmode", "threshold"],
            &["ir_collection"],
        );
        assert_eq!((wanted.pass_mode, wanted.history_face_info), (Some(PassMode::AllPass), Some(true)));
        let wanted = check(
            json!({ "passmode": "open", "history_upload_need_info": 7, "ir_collection": "false" }),
            &["ir_collection"],
            &["history_upload_need_info", "passmode"],
        );
        assert_eq!((wanted.pass_mode, wanted.history_face_info), (None, None));
        check(json!({ "passmode": ["allpass"] }), &[], &["passmode"]);
        let wanted = check(json!({ "passmode": "AllForbidden " }), &["passmode"], &[]);
        assert_eq!(wanted.pass_mode, Some(PassMode::AllForbidden));
    }

    #[test]
    fn what_is_left_empty_is_not_asked_for() {
        for nothing in [json!(null), json!(""), json!([])] {
            let wanted = check(
                json!({ "threshold": nothing, "threshold_range": nothing, "support_stranger_group": "0" }),
                &["support_stranger_group"],
                &[],
            );
            assert_eq!((wanted.threshold, wanted.range, wanted.strangers), (None, None, Some(false)));
            let wanted =
                check(json!({ "threshold": "90", "support_stranger_group": nothing }), &["threshold"], &[]);
            assert_eq!((wanted.threshold, wanted.strangers), (Some(90.0), None), "{nothing}");
        }
    }

    #[test]
    fn a_threshold_outside_the_scale_is_refused() {
        check(json!({ "threshold": 101 }), &[], &["threshold"]);
        check(json!({ "threshold": 0 }), &[], &["threshold"]);
        check(json!({ "threshold_range": [0, 50, 80] }), &[], &["threshold_range"]);
        check(
            json!({ "threshold": 60, "threshold_range": [0, 50, 80] }),
            &["threshold", "threshold_range"],
            &[],
        );
        check(
            json!({ "threshold": 90, "threshold_range": [0, 50, 85] }),
            &["threshold_range"],
            &["threshold"],
        );
    }
}
