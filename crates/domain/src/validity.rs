//! From when to when a person is valid: `start_time` and `end_time` in a person's `info`.
//!
//! The protocol names no form for them, so all that platforms write are read: seconds or milliseconds since the epoch,
//! as number or text, and dates with or without a time, a `T` and an offset. What has no offset is in the box's own time
//! zone, which is applied when it is asked, so that a change of the setting needs no new enrolment.
//!
//! Limits fail closed: what cannot be read is an error, and a person with such a limit is valid at no time. A clock that
//! is plainly wrong ends every validity that has an end.

use serde_json::{Map, Value};

/// A moment as the box sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since the epoch, UTC.
    pub wall_ms: u64,
    /// Minutes the box's time zone is ahead of UTC.
    pub utc_offset_min: i32,
    /// Whether the clock is plausible ([`crate::clock`]).
    pub is_plausible: bool,
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
    /// A bound is there that nobody can read.
    is_unreadable: bool,
}

/// A time in `info` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "info.{key} is {found}, which is no time that can be read; write milliseconds since 1970, or a date like \
     2026-01-31 18:00:00, or leave it out for no limit"
)]
pub struct ValidityError {
    key: &'static str,
    /// What stands there, cut to a readable length.
    found: String,
}

/// Characters of a wrong value that are shown: enough to find it again.
const SHOWN_CHARS: usize = 40;

impl Validity {
    /// Of someone whose limits cannot be read: valid at no time.
    pub const UNREADABLE: Self = Self { from: None, until: None, is_unreadable: true };

    /// What `info` says.
    ///
    /// # Errors
    /// A bound is there and cannot be read.
    pub fn of(info: &Map<String, Value>) -> Result<Self, ValidityError> {
        let read = |key: &'static str, whole_day: bool| match info.get(key) {
            None => Ok(None),
            Some(value) => bound(value, whole_day).map_err(|NoTime| {
                let found = value.to_string().chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
                ValidityError { key, found }
            }),
        };
        Ok(Self { from: read("start_time", false)?, until: read("end_time", true)?, is_unreadable: false })
    }

    /// Whether `at` lies within the bounds. By a clock that is not plausible nobody knows whether an end has passed.
    pub fn holds(&self, at: Moment) -> bool {
        let now_ms = at.wall_ms as i64;
        !self.is_unreadable
            && self.from.is_none_or(|from| from.utc_ms(at.utc_offset_min) <= now_ms)
            && self.until.is_none_or(|until| at.is_plausible && now_ms < until.utc_ms(at.utc_offset_min))
    }

    /// Whether it depends on the clock when this ends.
    pub fn has_end(&self) -> bool {
        self.until.is_some()
    }
}

/// Numbers below this are seconds: as milliseconds they would lie in the spring of 1973.
const SECONDS_BELOW: i64 = 100_000_000_000;
/// The end of the year 9999 in milliseconds. Greater numbers are micro- or nanoseconds, or written out dates: read as
/// milliseconds they would be limits that never come.
const LATEST_MS: i64 = 253_402_300_799_999;

/// A value that is no time.
struct NoTime;

/// `Ok(None)`: no bound.
fn epoch(number: i64, whole_day: bool) -> Result<Option<Bound>, NoTime> {
    // Zero is how Go, Java and C say "not set"; the greatest number is how Java says "for ever".
    if number == 0 || number == i64::MAX {
        return Ok(None);
    }
    if !(1..=LATEST_MS).contains(&number) {
        return Err(NoTime);
    }
    // 20260131 and 20260131180000, as dates are written in file names and Oracle's exports.
    Ok(Some(digits(number, whole_day).unwrap_or(Bound::Utc(if number < SECONDS_BELOW {
        number * 1000
    } else {
        number
    }))))
}

/// A date, or a date and a time, written as digits without separators.
fn digits(number: i64, whole_day: bool) -> Option<Bound> {
    let text = number.to_string();
    let day = || Some(format!("{}-{}-{}", text.get(..4)?, text.get(4..6)?, text.get(6..8)?));
    match text.len() {
        8 => date(&day()?, whole_day),
        14 => {
            let time = format!("{}:{}:{}", text.get(8..10)?, text.get(10..12)?, text.get(12..)?);
            date(&format!("{} {time}", day()?), whole_day)
        }
        _ => None,
    }
}

/// `Ok(None)`: no bound. `whole_day`: a date without a time means its end.
fn bound(value: &Value, whole_day: bool) -> Result<Option<Bound>, NoTime> {
    match value {
        Value::Null => Ok(None),
        // PHP's way to say nothing.
        Value::Array(values) if values.is_empty() => Ok(None),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => epoch(whole, whole_day),
            None => fraction(number.as_f64().ok_or(NoTime)?, whole_day),
        },
        Value::String(text) if text.trim().is_empty() => Ok(None),
        Value::String(text) => {
            let text = text.trim();
            if let Ok(whole) = text.parse::<i64>() {
                return epoch(whole, whole_day);
            }
            match date(text, whole_day) {
                Some(bound) => Ok(Some(bound)),
                None => fraction(text.parse().map_err(|_| NoTime)?, whole_day),
            }
        }
        _ => Err(NoTime),
    }
}

/// Seconds or milliseconds with a fraction, as Python and JavaScript write them.
fn fraction(number: f64, whole_day: bool) -> Result<Option<Bound>, NoTime> {
    let is_time = number == 0.0 || (1.0..=LATEST_MS as f64).contains(&number);
    if is_time { epoch(number as i64, whole_day) } else { Err(NoTime) }
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
    let is_time = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..=60).contains(&seconds);
    let is_midnight = (hours, minutes, seconds) == (24, 0, 0);
    let of_day_ms = ((hours * 60 + minutes) * 60 + seconds) * 1000;
    ((is_time || is_midnight) && parts.next().is_none()).then_some(of_day_ms)
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
        Validity::of(info.as_object().unwrap()).unwrap_or_else(|error| panic!("{info}: {error}"))
    }

    /// 2026-03-01 12:00:00 in Beijing.
    const NOON: Moment = Moment { wall_ms: 1_772_337_600_000, utc_offset_min: 480, is_plausible: true };

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
            json!(1_772_337_600.0),
            json!("1772337600.0"),
            json!(20_260_301_120_000u64),
            json!("20260301120000"),
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
    fn a_day_without_separators_is_that_day() {
        for day in [json!(20_260_301), json!("20260301")] {
            let today = of(json!({ "start_time": day, "end_time": day }));
            let at =
                |hours: i64| Moment { wall_ms: (NOON.wall_ms as i64 + hours * 3_600_000) as u64, ..NOON };
            assert!(today.holds(at(11)) && !today.holds(at(12)) && !today.holds(at(-13)), "{day}");
        }
    }

    #[test]
    fn nothing_said_is_no_bound() {
        for info in [
            json!({}),
            json!({ "end_time": "" }),
            json!({ "end_time": null, "start_time": 0 }),
            json!({ "end_time": "0" }),
            json!({ "end_time": 0.0 }),
            json!({ "end_time": i64::MAX }),
            json!({ "end_time": [] }),
        ] {
            assert_eq!(of(info), Validity::default());
        }
    }

    #[test]
    fn a_limit_that_cannot_be_read_is_an_error_that_shows_it() {
        for wrong in [
            json!("tomorrow"),
            json!("2026-02-30"),
            json!("2026-13-01"),
            json!("2026-01-01 25:00"),
            json!("2026-01-01 24:30"),
            json!("2026-01-01 10"),
            json!("31/01/2026"),
            json!("0000-00-00 00:00:00"),
            json!("0001-01-01T00:00:00"),
            json!("1-2-3-4"),
            json!("NaN"),
            json!("inf"),
            json!("1e300"),
            json!(1e300),
            json!(-1),
            json!("-62135596800000"),
            json!(1_772_337_600_000_000u64),
            json!(u64::MAX),
            json!(true),
            json!([1]),
            json!({ "date": "2026-01-01" }),
        ] {
            for key in ["start_time", "end_time"] {
                let info = json!({ key: wrong });
                let error = Validity::of(info.as_object().unwrap()).unwrap_err();
                assert!(error.to_string().contains(key), "{error}");
                assert!(error.to_string().contains(&wrong.to_string()), "{error}");
            }
        }
        let long = json!({ "end_time": "x".repeat(5000) });
        assert!(Validity::of(long.as_object().unwrap()).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn whoever_has_a_limit_nobody_can_read_is_never_valid() {
        assert!(!Validity::UNREADABLE.holds(NOON));
    }

    #[test]
    fn by_a_wrong_clock_no_end_is_known_and_a_beginning_is() {
        let wrong = Moment { is_plausible: false, ..NOON };
        assert!(of(json!({})).holds(wrong));
        assert!(
            of(json!({ "start_time": "2026-02-01" })).holds(wrong),
            "a clock behind has passed it all the same"
        );
        assert!(!of(json!({ "start_time": "2026-04-01" })).holds(wrong));
        for end in [json!("2026-04-01"), json!("2099-12-31")] {
            assert!(!of(json!({ "end_time": end })).holds(wrong));
        }
        let before_1970 = Moment { wall_ms: 0, is_plausible: false, ..NOON };
        assert!(!of(json!({ "end_time": "2026-04-01" })).holds(before_1970));
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_comes_is_a_panic(text in "[-0-9TZ:./+ ]{0,24}", number in proptest::num::i64::ANY) {
            let _ = Validity::of(json!({ "start_time": text, "end_time": number }).as_object().unwrap());
        }
    }
}
