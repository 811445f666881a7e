//! The fields of `control_config` (protocol section 3), each read and checked alone.

use serde_json::{Map, Value};

use super::lenient;
use super::reply::ControlConfigResult;
use menshen_domain::score::ScoreRange;
use menshen_domain::tuning::{Changes, Tuning};

/// What a command asks for, as far as it is right.
#[derive(Debug, Default)]
pub struct Wanted {
    pub threshold: Option<f32>,
    pub range: Option<[f32; 3]>,
    pub strangers: Option<bool>,
}

impl Wanted {
    pub fn put(self, changes: &mut Changes) {
        changes.threshold = self.threshold.or(changes.threshold);
        changes.threshold_range = self.range.or(changes.threshold_range);
        changes.support_stranger_group = self.strangers.or(changes.support_stranger_group);
    }
}

/// Sorts the fields into those that can be put in force and those that cannot, with the reasons.
pub fn sort_out(now: &Tuning, fields: Map<String, Value>) -> (Wanted, ControlConfigResult, Vec<String>) {
    let mut wanted = Wanted::default();
    let mut result = ControlConfigResult::default();
    let mut reasons = Vec::new();
    let mut mark = None;
    for (name, value) in fields {
        let read = match name.as_str() {
            "threshold" => number(&value).map(|number| mark = Some(number)),
            "threshold_range" => range(&value).map(|range| wanted.range = Some(range)),
            "support_stranger_group" => switch(&value).map(|on| wanted.strangers = Some(on)),
            _ => Err("there is threshold, threshold_range, support_stranger_group".to_owned()),
        };
        match read {
            Ok(()) => drop(result.success_field.insert(name, value)),
            Err(reason) => {
                let name = name.chars().take(64).collect::<String>();
                reasons.push(format!("{name}: {reason}"));
                result.faild_field.insert(name, value);
            }
        }
    }
    wanted.threshold = mark;
    let mut fail = |name: &str, reason: String| {
        reasons.push(format!("{name}: {reason}"));
        if let Some(value) = result.success_field.remove(name) {
            result.faild_field.insert(name.to_owned(), value);
        }
    };
    // A mark outside the scale would let everybody pass, or nobody ever. The newcomer is to blame.
    let scale =
        |range: Option<[f32; 3]>| range.map_or((now.range.lowest, now.range.highest), |r| (r[0], r[2]));
    let within = |mark: f32, (lowest, highest): (f32, f32)| mark > lowest && mark <= highest;
    if let Some(mark) = wanted.threshold.filter(|mark| !within(*mark, scale(wanted.range))) {
        let (lowest, highest) = scale(wanted.range);
        fail("threshold", format!("{mark} is outside the scale, above {lowest} to {highest}"));
        wanted.threshold = None;
    }
    let mark = wanted.threshold.unwrap_or(now.threshold);
    if wanted.range.is_some() && !within(mark, scale(wanted.range)) {
        fail("threshold_range", format!("the threshold in force, {mark}, is outside it"));
        wanted.range = None;
    }
    (wanted, result, reasons)
}

fn number(value: &Value) -> Result<f32, String> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .map(|number| number as f32)
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("must be a number, got {}", lenient::kind_of(value)))
}

fn range(value: &Value) -> Result<[f32; 3], String> {
    let Value::Array(values) = value else {
        return Err(format!("must be a list of three numbers, got {}", lenient::kind_of(value)));
    };
    let [lowest, best, highest] = &values[..] else {
        return Err(format!("must be a list of three numbers, got {}", values.len()));
    };
    let (lowest, best, highest) = (number(lowest)?, number(best)?, number(highest)?);
    ScoreRange::new(lowest, best, highest).map_err(|error| error.to_string())?;
    Ok([lowest, best, highest])
}

fn switch(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(on) => Ok(*on),
        Value::Number(number) if number.as_i64() == Some(0) => Ok(false),
        Value::Number(number) if number.as_i64() == Some(1) => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
        _ => Err(format!("must be true or false, got {}", lenient::kind_of(value))),
    }
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
        }
    }

    fn check(fields: Value, success: &[&str], failed: &[&str]) -> Wanted {
        let Value::Object(fields) = fields else { panic!("an object") };
        let (wanted, result, reasons) = sort_out(&now(), fields);
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
            json!({ "threshold": null, "threshold_range": [90, 80, 70] }),
            &[],
            &["threshold", "threshold_range"],
        );
    }

    #[test]
    fn a_mark_outside_the_scale_is_refused() {
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
