//! From when to when a person is valid: `start_time` and `end_time` in a person's `info`.
//!
//! The protocol names no form for them, so all that platforms write are read: seconds or milliseconds since the epoch,
//! as number or text, and dates with or without a time, a `T` and an offset. What has no offset is in the box's own time
//! zone, which is applied when it is asked, so that a change of the setting needs no new enrolment.

use serde_json::{Map, Value};

/// A moment as the box sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch, UTC.
    pub wall_ms: u64,
    /// Minutes the box's time zone is ahead of UTC.
    pub utc_offset_min: i32,
}

/// A bound in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Utc(i64),
    /// Milliseconds as a clock on the wall would count them.
    Local(i64),
}

impl Bound {
    fn utc_ms(self, utc_offset_min: i32) -> i64 {
        match self {
            Self::Utc(ms) => ms,
            Self::Local(ms) => ms - i64::from(utc_offset_min) * 60_000,
        }
    }
}

/// From when to when a person is valid; without a bound, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    from: Option<Bound>,
    until: Option<Bound>,
}

/// A time in `info` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("info.{0} is no time; expected milliseconds since 1970 or 2026-01-31 18:00:00")]
pub struct ValidityError(&'static str);

impl Validity {
    /// What `info` says. A bound that cannot be read is left open, and named.
    pub fn of(info: &Map<String, Value>) -> (Self, Option<ValidityError>) {
        let mut wrong = None;
        let mut read = |key: &'static str, whole_day: bool| match info.get(key) {
            None => None,
            Some(value) => bound(value, whole_day).unwrap_or_else(|()| {
                wrong = Some(ValidityError(key));
                None
            }),
        };
        let validity = Self { from: read("start_time", false), until: read("end_time", true) };
        (validity, wrong)
    }

    /// Whether `at` lies within the bounds.
    pub fn holds(&self, at: Moment) -> bool {
        let now_ms = at.wall_ms as i64;
        self.from.is_none_or(|from| from.utc_ms(at.utc_offset_min) <= now_ms)
            && self.until.is_none_or(|until| now_ms < until.utc_ms(at.utc_offset_min))
    }
}

/// Numbers below this are seconds: as milliseconds they would lie in the spring of 1973.
const SECONDS_BELOW: i64 = 100_000_000_000;

fn epoch(number: i64) -> Option<Bound> {
    match number {
        ..=0 => None,
        _ if number < SECONDS_BELOW => Some(Bound::Utc(number * 1000)),
        _ => Some(Bound::Utc(number)),
    }
}

/// `Ok(None)`: no bound. `whole_day`: a date without a time means its end.
fn bound(value: &Value, whole_day: bool) -> Result<Option<Bound>, ()> {
    match value {
        Value::Null => Ok(None),
        // PHP's way to say nothing.
        Value::Array(values) if values.is_empty() => Ok(None),
        Value::Number(number) => {
            let whole = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64));
            whole.map(epoch).ok_or(())
        }
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => match text.trim().parse::<i64>() {
            Ok(number) => Ok(epoch(number)),
            Err(_) => date(text.trim(), whole_day).map(Some).ok_or(()),
        },
        _ => Err(()),
    }
}

const DAY_MS: i64 = 86_400_000;

fn date(text: &str, whole_day: bool) -> Option<Bound> {
    let (day, rest) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let mut parts = day.split(['-', '/']).map(|part| part.parse::<i64>().ok());
    let (year, month, date) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let days_in_month = days(year + month / 12, month % 12 + 1, 1) - days(year, month, 1);
    if !(1..=days_in_month).contains(&date) {
        return None;
    }
    let midnight_ms = days(year, month, date) * DAY_MS;
    let rest = rest.trim();
    if rest.is_empty() {
        return Some(Bound::Local(midnight_ms + if whole_day { DAY_MS } else { 0 }));
    }
    let offset_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(offset_at);
    let local_ms = midnight_ms + time_of_day(time.trim())?;
    match offset {
        "" => Some(Bound::Local(local_ms)),
        "Z" | "z" => Some(Bound::Utc(local_ms)),
        _ => {
            let (sign, digits) = offset.split_at(1);
            let digits = digits.replace(':', "");
            let (hours, minutes) = match digits.len() {
                2 => (digits.parse::<i64>().ok()?, 0),
                4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
                _ => return None,
            };
            let ahead_ms = (hours * 60 + minutes) * 60_000;
            Some(Bound::Utc(if sign == "-" { local_ms + ahead_ms } else { local_ms - ahead_ms }))
        }
    }
}

/// `HH:MM`, `HH:MM:SS` or with a fraction, in milliseconds.
fn time_of_day(text: &str) -> Option<i64> {
    let whole = text.split('.').next()?;
    let mut parts = whole.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    let is_time = (0..=24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    (is_time && parts.next().is_none()).then_some(((hours * 60 + minutes) * 60 + seconds) * 1000)
}

/// Days since the epoch of a date of the Gregorian calendar (Howard Hinnant, `days_from_civil`).
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(info: Value) -> Validity {
        let (validity, wrong) = Validity::of(info.as_object().unwrap());
        assert_eq!(wrong, None, "{info}");
        validity
    }

    /// 2026-03-01 12:00:00 in Beijing.
    const NOON: Moment = Moment { wall_ms: 1_772_337_600_000, utc_offset_min: 480 };

    #[test]
    fn every_way_to_write_noon_is_noon() {
        for noon in [
            json!(1_772_337_600_000u64),
            json!(1_772_337_600),
            json!("1772337600"),
            json!("1772337600000"),
            json!("2026-03-01 12:00:00"),
            json!("2026-03-01 12:00"),
            json!("2026/3/1 12:00:00"),
            json!("2026-03-01T12:00:00"),
            json!("2026-03-01T04:00:00Z"),
            json!("2026-03-01T04:00:00.000+00:00"),
            json!("2026-03-01T05:00:00+0100"),
            json!("2026-02-28T23:00:00-05"),
        ] {
            let before = Moment { wall_ms: NOON.wall_ms - 1, ..NOON };
            let starts = of(json!({ "start_time": noon }));
            assert!(starts.holds(NOON) && !starts.holds(before), "{noon}");
            let ends = of(json!({ "end_time": noon }));
            assert!(!ends.holds(NOON) && ends.holds(before), "{noon}");
        }
    }

    #[test]
    fn a_day_lasts_to_its_end_in_the_boxs_own_time() {
        let today = of(json!({ "start_time": "2026-03-01", "end_time": "2026-03-01" }));
        let at = |hours: i64| Moment { wall_ms: (NOON.wall_ms as i64 + hours * 3_600_000) as u64, ..NOON };
        assert!(today.holds(at(-12)) && today.holds(at(11)) && !today.holds(at(12)) && !today.holds(at(-13)));
        let elsewhere = Moment { utc_offset_min: 0, ..at(-11) };
        assert!(!today.holds(elsewhere), "the day has not begun there");
    }

    #[test]
    fn nothing_said_is_no_bound_and_nonsense_is_told() {
        for info in [
            json!({}),
            json!({ "end_time": "" }),
            json!({ "end_time": null, "start_time": 0 }),
            json!({ "end_time": [] }),
        ] {
            assert_eq!(of(info), Validity::default());
        }
        for wrong in ["tomorrow", "2026-02-30", "2026-13-01", "2026-01-01 25:00", "2026-01-01 10", "1-2-3-4"]
        {
            let info = json!({ "start_time": 5, "end_time": wrong });
            let (validity, error) = Validity::of(info.as_object().unwrap());
            assert_eq!(error, Some(ValidityError("end_time")), "{wrong}");
            assert!(validity.holds(NOON), "the other bound still holds");
        }
        assert!(Validity::of(json!({ "end_time": [1] }).as_object().unwrap()).1.is_some());
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_is_a_panic(text in "[-0-9TZ:./+ ]{0,24}", number in proptest::num::i64::ANY) {
            let _ = Validity::of(json!({ "start_time": text, "end_time": number }).as_object().unwrap());
        }
    }
}
